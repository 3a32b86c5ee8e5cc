"""Refusals: what mail systems say, in their own words, and whose fault it is. One line each: form, status, words, cause (or causes, where either is right)."""

ROWS = """
postfix         | 5.1.1 | 550 5.1.1 <{a}>: Recipient address rejected: User unknown in virtual mailbox table | mailbox
postfix         | 5.1.1 | 550 5.1.1 <{a}>: Recipient address rejected: User unknown in local recipient table | mailbox
postfix         | 4.1.1 | 450 4.1.1 <{a}>: Recipient address rejected: unverified address: Address verification in progress | transient
postfix         | 5.1.1 | 550 5.1.1 <{a}>: Recipient address rejected: undeliverable address: host mx[192.0.2.1] said: 550 5.1.1 unknown user | mailbox
postfix         | 5.1.1 | 550 5.1.1 <{a}>: Recipient address rejected: undeliverable address: host mx[192.0.2.1] said: 452 4.2.2 over quota | transient
postfix         | 5.7.1 | 554 5.7.1 <{a}>: Recipient address rejected: Access denied | policy
postfix         | 5.7.1 | 554 5.7.1 <{a}>: Relay access denied | unknown policy
postfix         | 4.2.0 | 450 4.2.0 <{a}>: Recipient address rejected: Greylisted, see http://postgrey.example/help/recipient.example.html | transient
postfix         | 4.4.1 | connect to mx.recipient.example[192.0.2.25]:25: Connection refused | transient
postfix         | 4.4.2 | lost connection with mx.recipient.example[192.0.2.25] while receiving the initial server greeting | transient
postfix         | 4.7.5 | Server certificate not trusted | transient policy
postfix         | 5.1.8 | 550 5.1.8 <b@lists.chamber.example>: Sender address rejected: Domain not found | policy
postfix         | 5.3.0 | unable to create file: Disk quota exceeded | transient
postfix         | 5.1.0 | 550 5.1.0 <{a}>: User unknown | mailbox
postfix         | 5.2.1 | 550 5.2.1 <{a}>: mailbox disabled for this recipient | mailbox
postfix         | 5.4.4 | unable to look up host mx.recipient.example: Name or service not known | mailbox transient
postfix         | 5.1.10 | Domain recipient.example does not accept mail (nullMX) | mailbox
postfix         | 5.3.4 | 552 5.3.4 Message size exceeds fixed limit | content
postfix         | 5.7.1 | 550 5.7.1 Message contains spam or virus or sender is blocked  : 18:7:90:Message scored high on spam scale. | policy content
postfix         | 5.7.1 | 550 5.7.1 Unauthenticated email from lists.chamber.example is not accepted due to domain's DMARC policy. | policy
postfix         | 5.7.23 | 550 5.7.23 SPF validation failed | policy
postfix         | 4.7.1 | 450 4.7.1 Client host rejected: cannot find your reverse hostname, [192.0.2.10] | policy
postfix         | 5.7.1 | 554 5.7.1 Rejected by header based Anti-Spam: spam | policy
postfix_text    |       | host mx.recipient.example[192.0.2.25] said: 550 <{a}>... User unknown (in reply to RCPT TO command) | mailbox
postfix_text    |       | can't create user output file. Command output: procmail: Quota exceeded while writing "/home/jane/mbox" | transient
postfix_text    |       | mail forwarding loop for {a} | transient
sendmail        | 5.1.1 | 550 5.1.1 <{a}>... User unknown | mailbox
sendmail        | 5.2.1 | 550 5.2.1 <{a}>... Mailbox disabled for this recipient | mailbox
sendmail        | 5.2.2 | 552 5.2.2 <{a}>... Mailbox full | transient
sendmail        | 4.4.7 | Deferred: Connection timed out with mx.recipient.example. Message could not be delivered for 5 days | transient
sendmail        | 5.3.4 | 552 5.2.3 Message exceeds maximum fixed size (10485760) | content
sendmail        | 5.7.1 | 550 5.7.1 Access denied | policy
sendmail        | 5.3.5 | 553 5.3.5 recipient.example. config error: mail loops back to me (MX problem?) | transient
sendmail        | 5.7.1 | 550 5.7.1 <{a}>... User unknown | mailbox
sendmail        | 5.1.6 | 551 5.1.6 <{a}>... User has moved; please try <other@other.example> | mailbox
sendmail        | 5.6.0 | 554 5.6.0 Data format error | content
sendmail        | 5.0.0 | 553 5.1.8 <b@lists.chamber.example>... Domain of sender address b@lists.chamber.example does not exist | policy
sendmail_text   |       | 550 <{a}>... User unknown | mailbox
sendmail_text   |       | 553 {a}... Unknown host: recipient.example | mailbox
sendmail_text   |       | 451 <{a}>... recipient.example: Name server timeout | transient
exim            |       | SMTP error from remote mail server after RCPT TO:<{a}>: host mx.recipient.example [192.0.2.25]: 550 unknown user | mailbox
exim            |       | unknown local-part "jane" in domain "recipient.example" | mailbox
exim            |       | Unknown user | mailbox
exim            |       | an MX or SRV record indicated no SMTP service | mailbox
exim            |       | all relevant MX records point to non-existent hosts | mailbox
exim            |       | host mx.recipient.example [192.0.2.25]: Connection refused: retry timeout exceeded | transient
exim            |       | SMTP error from remote mail server after RCPT TO:<{a}>: 450 4.2.1 unknown user or not ready: retry timeout exceeded | transient
exim            |       | lowest numbered MX record points to local host | transient unknown
exim            |       | Domain chamber.example has exceeded the max emails per hour (200/200 (100%)) allowed. Message discarded. | policy
exim            |       | This message has been rejected because it has a potentially executable attachment "offer.exe" | content
exim            |       | Too many "Received" headers - suspected mail loop | transient
exim_text       |       | 550 Administrative prohibition | policy
exim_text       |       | 550-Callback setup failed while verifying <b@lists.chamber.example>\\n    550 Sender verify failed | policy
exim_text       |       | 550 "The mail server detected your message as spam and has prevented delivery." | policy
exim_text       |       | 552 Mailbox quota exceeded / Quota del mailbox superata | transient
exim_text       |       | 550 relay not permitted | unknown policy
exim_text       |       | 550 5.1.1 <{a}> User doesn't exist: {a} | mailbox
exim_text       |       | 550 The account jane has been suspended | mailbox
qmail           |       | 550 5.1.1 User unknown | mailbox
qmail           |       | 552 mailbox storage exceeded (#5.2.2) | transient
qmail           |       | 554 mail server permanently rejected message (#5.3.0) | unknown policy
qmail           |       | 511 sorry, no mailbox here by that name (#5.1.1 - chkuser) | mailbox
qmail           |       | 450 4.7.0 try again later, greylisted | transient
qmail_local     |       | Sorry, no mailbox here by that name. (#5.1.1) | mailbox
qmail_local     |       | Sorry, no mailbox here by that name. vpopmail (#5.1.1) | mailbox
qmail_local     |       | Sorry, I couldn't find any host named recipient.example. (#5.1.2) | mailbox
qmail_local     |       | Sorry, I couldn't find a mail exchanger or IP address. (#5.4.4) | mailbox
qmail_local     |       | CNAME lookup failed temporarily. (#4.4.3)\\nI'm not going to try again; this message has been in the queue too long. | transient
qmail_local     |       | Sorry. Although I'm listed as a best-preference MX or A for that host,\\nit isn't in my control/locals file, so I don't treat it as local. (#5.4.6) | transient
qmail_local     |       | This message is looping: it already has my Delivered-To line. (#5.4.6) | transient
qmail_local     |       | user is over quota | transient
qmail_local     |       | Recipient's mailbox is full, message returned to sender. (#5.2.2) | transient
qmail_local     |       | This address no longer accepts mail. | mailbox
qmail_local     |       | I'm sorry, the mailbox is disabled. (#5.2.1) | mailbox
exchange        | 5.1.10 | 550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient {a} not found by SMTP address lookup | mailbox
exchange        | 5.1.1 | #< #5.1.1 smtp;550 5.1.1 RESOLVER.ADR.ExRecipNotFound; not found> #SMTP# | mailbox
exchange        | 5.2.2 | 554 5.2.2 mailbox full; STOREDRV.Deliver.Exception:QuotaExceededException.MapiExceptionShutoffQuotaExceeded | transient
exchange        | 5.2.0 | 554 5.2.0 STOREDRV.Deliver.Exception:QuotaExceededException; Failed to process message due to a permanent exception | transient
exchange        | 5.2.1 | 554 5.2.1 STOREDRV.Deliver.Exception:AccountDisabledException.MapiExceptionMailboxDisabled; mailbox disabled | mailbox
exchange        | 5.7.1 | #550 5.7.1 RESOLVER.RST.NotAuthorized; not authorized ## | policy
exchange        | 5.7.134 | 550 5.7.134 RESOLVER.RST.SenderNotAuthenticatedForMailbox; authentication required | policy
exchange        | 4.4.7 | #550 4.4.7 QUEUE.Expired; message expired ## | transient
exchange        | 5.4.300 | 550 5.4.300 Message expired -> 421 4.4.1 Connection timed out | transient
exchange        | 5.4.310 | 550 5.4.310 DNS domain recipient.example does not exist [Message=InfoDomainNonexistent] | mailbox
exchange        | 5.4.312 | 550 5.4.312 Message expired, DNS query failed(ErrorRetry) | transient
exchange        | 5.1.0 | 550 5.1.0 Address rejected | mailbox unknown
exchange        | 5.1.351 | 550 5.1.351 Remote server returned unknown recipient or mailbox unavailable -> 550 5.1.1 User unknown | mailbox
exchange        | 5.7.708 | 550 5.7.708 Service unavailable. Access denied, traffic not accepted from this IP | policy
exchange        | 5.7.509 | 550 5.7.509 Access denied, sending domain LISTS.CHAMBER.EXAMPLE does not pass DMARC verification and has a DMARC policy of reject. | policy
exchange        | 5.7.1 | 550 5.7.1 TRANSPORT.RULES.RejectMessage; the message was rejected by organization policy | policy
exchange        | 4.7.0 | 450 4.7.0 Proxy session setup failed on Frontend with 451 4.4.0 Primary target IP address responded | transient policy
exchange_html   | 5.4.1 | 550 5.4.1 [{a}]: Recipient address rejected: Access denied | mailbox
exchange_html   | 5.1.1 | 550 5.1.1 The email account that you tried to reach does not exist | mailbox
exchange_html   | 5.2.121 | 550 5.2.121 RESOLVER.RST.RecipientThreshold; recipient's hourly message limit exceeded | transient policy
exchange_html   | 5.5.0 | 550 5.5.0 Requested action not taken: mailbox unavailable (S2017062302). [x.prod.protection.outlook.example] | mailbox
exchange_html   | 5.6.0 | 554 5.6.0 Corrupt message content | content
exchange_5_5    |       | The recipient name is not recognized | mailbox
exchange_5_5    |       | The e-mail account does not exist at the organization this message was sent to. | mailbox
gmail           | 5.2.1 | 550 5.2.1 The email account that you tried to reach is disabled. Learn more at https://support.google.example/mail/?p=DisabledUser | mailbox
gmail           | 5.2.2 | 552-5.2.2 The email account that you tried to reach is over quota. Please direct\\n 552 5.2.2 the recipient to https://support.google.example/mail/?p=OverQuotaPerm | transient
gmail           | 5.7.1 | 550-5.7.1 [192.0.2.10] Our system has detected that this message is likely unsolicited mail.\\n 550 5.7.1 To reduce the amount of spam sent to Gmail, this message has been blocked. | policy
gmail           | 5.7.1 | 550-5.7.1 [192.0.2.10] The IP you're using to send mail is not authorized to send email directly to our servers. | policy
gmail           | 5.7.25 | 550-5.7.25 The IP address sending this message does not have a PTR record setup | policy
gmail           | 4.4.1 | The recipient server did not accept our requests to connect. Learn more at https://support.google.example/mail/answer/7720 [mx. 192.0.2.25: timed out] | transient
gmail           | 5.1.2 | DNS Error: DNS type 'mx' lookup of recipient.example responded with code NXDOMAIN Domain name not found: recipient.example | mailbox
gmail           | 4.4.3 | DNS Error: DNS type 'mx' lookup of recipient.example responded with code SERVFAIL | transient
gmail           | 5.2.3 | 552-5.2.3 Your message exceeded Google's message size limits. | content
gmail_text      |       | 550 550 5.1.1 User unknown | mailbox
gmail_text      |       | 554 554 Mailbox is over quota | transient
ses             | 5.3.0 | 550 5.1.1 {a}... User unknown | mailbox
ses             | 5.7.1 | 550 5.7.1 Message rejected due to content restrictions | policy content
ses             | 5.2.2 | 552 5.2.2 user quota exceeded | transient
ses             | 5.4.4 | 550 5.4.4 Invalid domain | mailbox
yahoo           |       | 554: delivery error: dd Sorry your message to {a} cannot be delivered. This account has been disabled or discontinued [#102]. - mta4 | mailbox
yahoo           |       | 554 delivery error: dd Requested mail action aborted: exceeded storage allocation - mta1 | transient
yahoo           |       | 552 1 Requested mail action aborted, mailbox not found | mailbox
yahoo           |       | 553 5.7.1 [BL21] Connections will not be accepted from 192.0.2.10, because the ip is in Spamhaus's list | policy
yahoo           |       | 554 Message not allowed - [PH01] Email not accepted for policy reasons. Please visit https://postmaster.yahoo.example/errors | policy
yahoo           |       | 550 relaying denied for <{a}> | unknown policy
aol             | 5.1.1 | 550 MAILBOX NOT FOUND | mailbox
aol             | 5.7.1 | 554 5.7.1 (RLY:B1) https://postmaster.aol.example/errors/554rlyb1.html | policy
domino          | 5.0.0 | User jane (jane@recipient.example) not listed in public Name & Address Book | mailbox
domino          | 5.0.0 | User not unique. Several matches found in Domino Directory. | unknown transient
domino          | 5.0.0 | Error transferring to MX.RECIPIENT.EXAMPLE; SMTP Protocol Returned a Permanent Error 550 5.1.1 User unknown | mailbox
domino          | 5.0.0 | The user's mail file has exceeded its database quota | transient
groupwise       |       | 550 No such recipient | mailbox
groupwise       |       | host unknown or cannot be found | mailbox
ironport        | 5.1.0 | Unknown address error 550-'5.1.1 <{a}>: Recipient address rejected: User unknown' | mailbox
ironport        | 5.1.0 | Unknown address error 554-'5.7.1 Message blocked due to spam content' | policy
ironport        | 5.1.0 | Unknown address error 552-'Mailbox quota exceeded' | transient
ironport        | 5.3.0 | Other mail system problem 554-'The recipient cannot take mail at present, virus found in attachment' | content
ironport        | 5.3.0 | Other mail system problem 550-'#5.7.1 Your access to submit messages to this e-mail system has been rejected.' | policy
courier         | 5.0.0 | 550 User unknown. | mailbox
courier         | 5.0.0 | 552 Mailbox over quota. | transient
courier         | 5.0.0 | 517 Domain does not exist: recipient.example. | mailbox
courier         | 4.0.0 | 432 Service temporarily unavailable | transient
gmx             |       | SMTP error from remote server for RCPT TO command, host: mx.recipient.example (192.0.2.25) reason: 550 5.1.1 unknown user | mailbox
gmx             |       | SMTP error from remote server for RCPT TO command, reason: 450 4.2.0 greylisted | transient
gmx             |       | 554 Your mail could not be delivered, nemesis ESMTP Service not available, bad reputation | policy
webde           |       | Die Adresse existiert nicht. | mailbox
webde           |       | Postfach voll, Nachricht kann nicht zugestellt werden | transient
webde           |       | Ihre Nachricht wurde wegen Spamverdacht abgelehnt | policy
postfix         | 5.0.0 | 550 Message was not accepted -- invalid mailbox.  Local mailbox {a} is unavailable: user not found | mailbox
postfix         | 5.0.0 | 550 Message was not accepted -- invalid mailbox.  Local mailbox {a} is unavailable: user is terminated | mailbox
postfix         | 5.7.1 | 554 5.7.1 [2] Message rejected under suspicion of SPAM; https://ya.example/cp/ 1 | policy
postfix         | 5.7.1 | 550 5.7.1 Policy rejection on the target address | policy mailbox
postfix         | 5.0.0 | 554 DT:SPM 163 smtp10,x http://mail.163.example/help/help_spam_16.htm | policy
postfix         | 5.0.0 | 550 User not found: {a} | mailbox
postfix         | 5.0.0 | 550 Domain frequency limited. http://service.mail.qq.example/ | policy
postfix         | 5.0.0 | 550 Mail content denied. http://service.mail.qq.example/ | policy content
postfix         | 5.0.0 | 550 RESOLVER.ADR.RecipNotFound; not found | mailbox
postfix         | 5.0.0 | 550 csi.mimecast.org Poor Reputation Sender. - https://community.mimecast.example/docs/DOC-1369#550 | policy
postfix         | 5.0.0 | 451 Internal resource temporarily unavailable - https://community.mimecast.example/docs/DOC-1369#451 | transient
postfix         | 5.0.0 | 553-Message filtered. Please see the FAQs section on spam at www.messagelabs.example/support | policy
postfix         | 5.0.0 | 501 Connection rejected by policy [7.7] 20805, please visit www.messagelabs.example/support | policy
postfix         | 5.7.1 | 554 5.7.1 Blocked by Proofpoint Protection Server | policy
postfix         | 5.1.1 | 550 5.1.1 User Unknown - Proofpoint | mailbox
postfix         | 5.7.1 | 550 5.7.1 Message blocked due to the reputation of the sending IP. Cloudmark CSI | policy
postfix         | 5.0.0 | 550 Denied by policy. Mail appears to be unsolicited (Mode: normal) | policy
postfix         | 5.1.1 | 550 5.1.1 Boite inconnue / mailbox unknown SFR | mailbox
postfix         | 5.2.2 | 552 5.2.2 Boite du destinataire pleine. Recipient overquota. OFR_417 | transient
postfix         | 5.2.0 | 550 5.2.0 Mail rejete. Mail rejected. OFR_506 [506] | policy
postfix         | 4.0.0 | 421 Too many connections, slow down. OFR004_104 [104] | policy transient
postfix         | 5.1.1 | 550 5.1.1 {a} Not our Customer | mailbox
postfix         | 5.1.0 | 550 5.1.0 Comcast: 192.0.2.10 Sender rejected per Domain policy | policy
postfix         | 5.1.1 | 550 5.1.1 unknown recipient (T-Online) | mailbox
postfix         | 5.5.4 | 554 IP=192.0.2.10 - A problem occurred. (Ask your postmaster for help or to contact tosa@rx.t-online.example to clarify.) | policy unknown
postfix         | 5.1.1 | 550 5.1.1 <{a}>: user does not exist (icloud) | mailbox
postfix         | 5.7.1 | 554 5.7.1 [HM08] Message rejected due to local policy. Please visit https://support.apple.example/HT204137 | policy
postfix         | 5.2.2 | 552 5.2.2 <{a}>: user is over quota (in reply to RCPT TO command) | transient
postfix         | 5.1.1 | 553 5.1.1 Invalid recipient (Zoho) | mailbox
postfix         | 5.7.1 | 550 5.7.1 Service unavailable; Client host [192.0.2.10] blocked using Trend Micro RBL+. | policy
postfix         | 5.7.1 | 550 5.7.1 Too many invalid recipients from your address, user unknown attack | policy
postfix         | 5.7.1 | 550 5.7.1 Recipient not authorized, your IP has been found on a block list. | policy
postfix         | 5.0.0 | 550 #5.1.0 Address rejected. | mailbox unknown
postfix         | 5.1.3 | 501 5.1.3 Bad recipient address syntax | mailbox
postfix         | 5.0.0 | 553 sorry, this recipient is in my badrecipientto list (#5.7.1) | policy
postfix         | 4.3.1 | 452 4.3.1 Insufficient system storage | transient
postfix         | 5.7.1 | 550 5.7.1 Error: spam content rejected, virus Eicar-Test found | policy content
postfix         | 5.0.0 | 554 5.6.1 Body type not supported by Remote Host | content
postfix         | 5.0.0 | 550 5.3.4 Requested action not taken; We blocked the file attachment | content
hmail           |       | 550 Mailbox unavailable | mailbox
hmail           |       | 550 Delivery is not allowed to this address. | unknown policy
hmail           |       | 550 Account is not active. | mailbox
mailenable      |       | The mailbox has exceeded its quota. | transient
mdaemon         |       | 550 Requested action not taken: mailbox unavailable, no such user here | mailbox
mdaemon         |       | 552 Message for <{a}> would exceed mailbox quota | transient
communigate     | 5.1.1 | 550 {a} unknown user account | mailbox
imail           |       | user mailbox is full | transient
imail           |       | invalid user | mailbox
opensmtpd       | 5.0.0 | 550 Invalid recipient: {a} | mailbox
zimbra          | 5.2.2 | 554 5.2.2 Over quota | transient
mislabelled     | 5.1.1 | 550 5.1.1 User unknown | mailbox
mislabelled     | 5.2.2 | 552 5.2.2 Mailbox full | transient
shouting        | 5.1.1 | 550 NO SUCH USER | mailbox
international   | 5.1.1 | 550 5.1.1 Benutzer unbekannt | mailbox
letter          |       | Der Benutzer jane ist hier nicht bekannt. | mailbox
letter          |       | Utilisateur inconnu | mailbox
letter          |       | Usuario desconocido | mailbox
letter          |       | El buzon del usuario ha superado la cuota | transient
letter          |       | Utente sconosciuto | mailbox
letter          |       | La casella del destinatario è piena. | transient
letter          |       | O usuário não foi encontrado. | mailbox
letter          |       | Пользователь не найден. | mailbox
letter          |       | Почтовый ящик не существует | mailbox
letter          |       | Письмо отклонено: похоже на спам | policy
letter          |       | 用户不存在 | mailbox
letter          |       | 邮箱已满 | transient
letter          |       | 对方拒绝接收您的邮件:垃圾邮件 | policy
letter          |       | ユーザーが見つかりません | mailbox
letter          |       | 受信者のメールボックスがいっぱいです | transient
letter          |       | De ontvanger bestaat niet | mailbox
letter          |       | Użytkownik nie istnieje | mailbox
letter          |       | Uživatel neexistuje | mailbox
letter          |       | Alıcı bulunamadı | mailbox
letter          |       | Mottagaren finns inte | mailbox
letter          |       | 수신자를 찾을 수 없습니다 | mailbox
"""
