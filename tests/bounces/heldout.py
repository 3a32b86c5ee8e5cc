"""Refusals that were written down before the rules were, and that no rule was made for: they measure what the rules make of the unseen."""

ROWS = """
postfix         | 5.1.1 | 550 5.1.1 <{a}>: Recipient address rejected: User unknown in relay recipient table | mailbox
postfix         | 5.0.0 | 550 Unknown local part jane in <{a}> | mailbox
postfix         | 5.4.4 | Host or domain name not found. Name service error for name=recipient.example type=AAAA: Host not found | mailbox
postfix         | 4.4.3 | Host or domain name not found. Name service error for name=recipient.example type=MX: Host not found, try again | transient
postfix         | 4.4.1 | connect to mx.recipient.example[192.0.2.25]:25: Connection timed out | transient
postfix         | 5.7.1 | 554 5.7.1 Service unavailable; Client host [192.0.2.10] blocked using zen.spamhaus.org; https://www.spamhaus.org/query/ip/192.0.2.10 | policy
postfix         | 5.2.2 | 552 5.2.2 <{a}>: Recipient address rejected: Quota exceeded (mailbox for user is full) | transient
postfix         | 5.3.4 | message size 25165824 exceeds size limit 10485760 of server mx.recipient.example[192.0.2.25] | content
postfix         | 5.4.6 | mail for recipient.example loops back to myself | transient
postfix_text    |       | unknown user: "jane" | mailbox
sendmail        | 5.1.2 | 550 5.1.2 <{a}>... Host unknown (Name server: recipient.example: host not found) | mailbox
sendmail        | 5.0.0 | 550 5.7.1 <{a}>... Relaying denied | unknown policy
sendmail        | 5.2.0 | 554 5.2.0 mailbox is over its disk limit, message refused | transient
sendmail_text   |       | 554 Service unavailable; rejected due to DNSBL listing | policy
exim            |       | Unrouteable address | mailbox
exim            |       | retry timeout exceeded | transient
exim            |       | all hosts for 'recipient.example' have been failing for a long time (and retry time not reached) | transient
exim            |       | mailbox is full (MTA-imposed quota exceeded while writing to file /var/mail/jane/tmp/x) | transient
exim_text       |       | 550-Verification failed for <b@lists.chamber.example>\\n    550-The mail server could not deliver mail to you\\n    550 Sender verify failed | policy
exim_text       |       | 550 No Such User Here | mailbox
qmail           |       | 553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1) | unknown policy
qmail           |       | 550 sorry, no mailbox here by that name (#5.1.1 - chkuser) | mailbox
qmail_local     |       | Sorry, I wasn't able to establish an SMTP connection. (#4.4.1)\\nI'm not going to try again; this message has been in the queue too long. | transient
qmail_local     |       | The users mailfolder is over the allowed quota (size). (#5.2.2) | transient
exchange        | 5.1.1 | #550 5.1.1 RESOLVER.ADR.RecipNotFound; not found ## | mailbox
exchange        | 5.2.3 | #550 5.2.3 RESOLVER.RST.RecipSizeLimit; message too large for this recipient ## | content
exchange        | 5.7.1 | #550 5.7.133 RESOLVER.RST.SenderNotAuthenticatedForGroup; authentication required; Delivery restriction check failed ## | policy
exchange        | 5.4.14 | 550 5.4.14 Hop count exceeded - possible mail loop ATTR1 [x.prod.outlook.example] | transient
exchange_html   | 5.1.10 | 550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient jane not found by SMTP address lookup | mailbox
exchange_html   | 5.4.1 | 550 5.4.1 Recipient address rejected: Access denied. AS(201806281) [x.prod.protection.outlook.example] | mailbox
exchange        | 5.7.606 | 550 5.7.606 Access denied, banned sending IP [192.0.2.10]. To request removal from this list please visit https://sender.office.example/ | policy
exchange_html   | 5.4.317 | 550 5.4.317 Message expired, cannot connect to remote server(451 4.4.0 DNS query failed) | transient
gmail           | 5.1.1 | 550-5.1.1 The email account that you tried to reach does not exist. Please try\\n 550-5.1.1 double-checking the recipient's email address for typos or\\n 550 5.1.1 unnecessary spaces. https://support.google.example/mail/?p=NoSuchUser x1si | mailbox
gmail           | 5.2.1 | 550-5.2.1 The user you are trying to contact is receiving mail at a rate that\\n 550 5.2.1 prevents additional messages from being delivered. | transient policy
gmail           | 5.2.2 | 552-5.2.2 The recipient's inbox is out of storage space and inactive. Please direct the\\n 552 5.2.2 recipient to https://support.google.example/mail/?p=OverQuotaPerm | transient
gmail           | 5.7.26 | 550-5.7.26 This mail has been blocked because the sender is unauthenticated.\\n 550-5.7.26 Gmail requires all senders to authenticate with either SPF or DKIM. | policy
gmail           | 5.7.0 | 552-5.7.0 This message was blocked because its content presents a potential\\n 552 5.7.0 security issue. | content policy
ses             | 5.1.1 | 550 5.1.1 Mailbox does not exist! | mailbox
ses             | 5.1.1 | Amazon SES has suppressed sending to this address because it has a recent history of bouncing as an invalid address. | mailbox
ses             | 4.4.7 | 554 4.4.7 Message expired: unable to deliver in 840 minutes.<421 4.4.0 Unable to lookup DNS for recipient.example> | transient
yahoo           |       | 554: delivery error: dd This user doesn't have a yahoo.example account ({a}) [0] - mta1.mail.example | mailbox
yahoo           |       | 421 4.7.0 [TSS04] Messages from 192.0.2.10 temporarily deferred due to unexpected volume or user complaints - 4.16.55.1 | policy
aol             | 5.1.1 | 550 5.1.1 <{a}>: Recipient address rejected: aol.example | mailbox
aol             | 5.2.2 | MAILBOX FULL | transient
domino          | 5.1.1 | User jane (jane@recipient.example) not listed in Domino Directory | mailbox
domino          | 5.0.0 | Cannot route mail to user (jane/Recipient). | unknown mailbox
groupwise       |       | user not found | mailbox
groupwise       |       | mailbox is full | transient
ironport        | 5.1.0 | Unknown address error 550-'Invalid recipient <{a}> (Mode: normal)' | mailbox
ironport        | 5.4.7 | Delivery expired (message too old) 'timeout' | transient
ironport        | 5.1.2 | Bad destination host 'DNS Hard Error looking up recipient.example (MX):  NXDomain' | mailbox
courier         | 5.0.0 | 550 User <{a}> does not exist. | mailbox
gmx             |       | 550 Requested action not taken: mailbox unavailable | mailbox
gmx             |       | 554 Transaction failed\\n    Reject due to policy restrictions.\\n    For explanation visit https://postmaster.gmx.example/en/error-messages?ip=192.0.2.10&c=hi | policy
gmx             |       | Quota exceeded. The recipient's mailbox is full. | transient
webde           |       | Der Empfänger ist uns leider nicht bekannt. | mailbox
webde           |       | Das Postfach des Empfängers hat seine Speichergrenze erreicht. | transient
letter          |       | 550 spam message rejected. Please visit http://help.mailru.example/notspam-support/id?c=xyz or report details to abuse | policy
letter          |       | 550 Message was not accepted -- invalid mailbox.  Local mailbox {a} is unavailable: account is disabled | mailbox
letter          |       | 550 5.7.1 No such user! 1457 | mailbox
letter          |       | 451 4.7.1 Greylisting in action, please come back in 00:05:00 | transient
postfix         | 5.0.0 | 550 MI:NHD 163 smtp10,DsCowADXh 1456 http://mail.163.example/help/help_spam_16.htm | policy
postfix         | 5.0.0 | 550 Mailbox not found. http://service.mail.qq.example/cgi-bin/help?subtype=1&&id=20022&&no=1000728 | mailbox
postfix         | 5.0.0 | 550 RCPT ERROR. Mailbox doesn't exist! | mailbox
postfix         | 5.4.1 | 550 5.4.1 All recipient addresses rejected : Access denied | mailbox
postfix         | 5.0.0 | 550 Invalid Recipient - https://community.mimecast.example/docs/DOC-1369#550 [x] | mailbox
postfix         | 5.0.0 | 554 Email rejected due to security policies - https://community.mimecast.example/docs/DOC-1369#554 | policy
postfix         | 5.7.1 | 554 5.7.1 The message from (<b@lists.chamber.example>) with the subject of (Bread) matches a profile the Internet community may consider spam. | policy
postfix         | 5.7.0 | 550 5.7.0 Local Policy Violation - Proofpoint | policy
postfix         | 5.1.1 | 550 5.1.1 <{a}> recipient does not exist here MXL | mailbox
postfix         | 5.5.1 | 550 permanent failure for one or more recipients (jane@recipient.example:blocked) barracuda | policy
postfix         | 5.1.1 | 550 5.1.1 unknown or illegal alias: {a} | mailbox
postfix         | 5.1.1 | 550 5.1.1 Adresse d au moins un destinataire invalide. Invalid recipient. OFR204_416 | mailbox
postfix         | 5.5.0 | 550 5.5.0 Service refuse. Veuillez essayer plus tard. Service refused, please try later. OFR_999 | policy
postfix         | 5.1.1 | 550 5.1.1 {a} Account not available | mailbox
postfix         | 5.2.0 | 552 5.2.0 {a} Comcast: message contains unacceptable content. Please see http://postmaster.comcast.example/BL000010 | policy content
postfix         | 5.0.0 | 550 user has been disabled by administrator | mailbox
postfix         | 5.0.0 | 550 Invalid recipient <{a}> (#5.1.1) messagelabs | mailbox
postfix         | 5.0.0 | 552-5.7.0 Our system detected an illegal attachment on your message. | content
hmail           |       | 550 Unknown user | mailbox
hmail           |       | 550 Inbox is full | transient
mailenable      |       | No such user at this location. | mailbox
mdaemon         |       | 550 <{a}>, Recipient unknown | mailbox
communigate     | 5.1.1 | account is full (quota exceeded) | transient
imail           |       | User mailbox exceeds allowed size | transient
imail           |       | unknown user | mailbox
opensmtpd       | 5.1.1 | 550 5.1.1 Invalid recipient | mailbox
zimbra          | 5.1.1 | 550 5.1.1 <{a}>: Recipient address rejected: recipient.example | mailbox
mislabelled     | 5.1.6 | 550 5.1.6 <{a}>: User has moved to new address | mailbox
shouting        | 5.1.1 | 551 not our customer | mailbox
shouting        | 5.2.2 | 554 5.2.2 mailbox full, you can try later | transient
international   | 5.1.1 | 550 5.1.1 utilisateur inconnu | mailbox
letter          |       | La casilla de correo del destinatario esta llena. | transient
letter          |       | El usuario no existe en este servidor. | mailbox
letter          |       | 该收件人的邮箱不存在 | mailbox
letter          |       | 收件人邮箱空间已满 | transient
letter          |       | 宛先のメールアドレスは存在しません。 | mailbox
letter          |       | メールボックスの容量を超えています。 | transient
letter          |       | Такого пользователя нет. | mailbox
letter          |       | Почтовый ящик получателя переполнен. | transient
letter          |       | A caixa postal do destinatário está cheia. | transient
letter          |       | Nieznany użytkownik. | mailbox
letter          |       | La boîte aux lettres du destinataire est pleine. | transient
letter          |       | L'indirizzo del destinatario non esiste. | mailbox
"""
