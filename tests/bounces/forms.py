"""Forms: how each mail system writes that a copy came back. A form takes a ``Refusal`` and gives the whole message."""

import base64
import quopri
from collections.abc import Callable
from typing import NamedTuple

HANDLE = "0123456789abcdef0123456789abcdef"
TOKEN = "mfrggzdfmztwq2lknnwg23tpobyxe43uov3ho6dzpiydcmrtgq2a"
DOMAIN = "lists.chamber.example"
BOUNCE = f"b-{TOKEN}@{DOMAIN}"

COPY = f"""Return-Path: <{BOUNCE}>
Received: from {DOMAIN} ([192.0.2.10]) by mx.example.net with ESMTPS id 4A1B2C for <%s>; Mon, 2 Mar 2026 09:00:00 +0000
From: "Bakery via the Chamber" <promotions@{DOMAIN}>
To: %s
Reply-To: r-{TOKEN}@{DOMAIN}
Subject: Bread is cheaper this week
Date: Mon, 2 Mar 2026 09:00:00 +0000
Message-ID: <{HANDLE}@{DOMAIN}>
List-Id: <promotions.{DOMAIN}>
List-Unsubscribe: <https://www.chamber.example/lists/promotions/leave/{TOKEN}/>, <mailto:leave-{TOKEN}@{DOMAIN}>
MIME-Version: 1.0
Content-Type: text/plain; charset=us-ascii

Come and see us. The mailbox of our bakery is never full, and no user is unknown to us.
"""


class Refusal(NamedTuple):
    """What a mail system had to say of one recipient."""

    recipient: str
    status: str
    said: str
    action: str = "failed"
    host: str = "mx.recipient.example"


Form = Callable[[Refusal], bytes]


def copy(recipient: str) -> str:
    return COPY % (recipient, recipient)


def head(sender: str, subject: str, *more: str) -> str:
    fields = [f"From: {sender}", f"To: {BOUNCE}", f"Subject: {subject}", "Date: Mon, 2 Mar 2026 09:00:05 +0000"]
    return "\n".join([*fields, "Message-ID: <20260302090005.77@mail.recipient.example>", *more, "MIME-Version: 1.0", ""])


def report(sender: str, subject: str, text: str, fields: str, returned: str, *more: str, kind: str = "message/rfc822") -> bytes:
    """RFC 3462 with its three parts."""
    return (
        head(sender, subject, *more)
        + 'Content-Type: multipart/report; report-type=delivery-status;\n\tboundary="=_b1"\n\nThis is a MIME-encapsulated message.\n\n'
        + f"--=_b1\nContent-Type: text/plain; charset=utf-8\n\n{text}\n\n--=_b1\nContent-Type: message/delivery-status\n\n{fields}\n"
        + f"--=_b1\nContent-Type: {kind}\n\n{returned}\n--=_b1--\n"
    ).encode()


def plain(sender: str, subject: str, text: str, *more: str, charset: str = "utf-8") -> bytes:
    """One text and no parts."""
    return (head(sender, subject, *more) + f"Content-Type: text/plain; charset={charset}\n\n").encode() + text.encode(
        charset, "replace"
    )


def fields(refusal: Refusal, *more: str, code: str = "smtp; ", mta: str = "dns; mail.example.net") -> str:
    """RFC 3464: the block of the message, and that of its recipient."""
    lines = [f"Reporting-MTA: {mta}", "Arrival-Date: Mon, 2 Mar 2026 09:00:01 +0000", ""]
    lines += [f"Final-Recipient: rfc822; {refusal.recipient}", *more, f"Action: {refusal.action}"]
    lines += [f"Status: {refusal.status}"] if refusal.status else []
    lines += [f"Diagnostic-Code: {code}{refusal.said}"] if refusal.said else []
    return "\n".join([*lines, ""])


def postfix(refusal: Refusal) -> bytes:
    text = (
        "This is the mail system at host mail.example.net.\n\nI'm sorry to have to inform you that your message could not\n"
        "be delivered to one or more recipients. It's attached below.\n\nFor further assistance, please send mail to postmaster.\n\n"
        "If you do so, please include this problem report. You can\ndelete your own text from the attached returned message.\n\n"
        f"                   The mail system\n\n<{refusal.recipient}>: host {refusal.host}[192.0.2.25] said:\n"
        f"    {refusal.said} (in reply to RCPT TO command)"
    )
    block = fields(refusal, f"Original-Recipient: rfc822;{refusal.recipient}", f"Remote-MTA: dns; {refusal.host}")
    return report("MAILER-DAEMON@mail.example.net (Mail Delivery System)", "Undelivered Mail Returned to Sender", text, block,
                  copy(refusal.recipient), "Auto-Submitted: auto-replied")  # fmt: skip


def postfix_text(refusal: Refusal) -> bytes:
    """As Postfix wrote before 2.0, or as what is left when a gateway flattens it."""
    text = (
        "This is the Postfix program at host mail.example.net.\n\nI'm sorry to have to inform you that the message returned\n"
        "below could not be delivered to one or more destinations.\n\n\t\t\tThe Postfix program\n\n"
        f"<{refusal.recipient}>: {refusal.said}\n\n----- Forwarded message -----\n\n{copy(refusal.recipient)}"
    )
    return plain("MAILER-DAEMON@mail.example.net", "Undelivered Mail Returned to Sender", text)


def sendmail(refusal: Refusal) -> bytes:
    text = (
        "The original message was received at Mon, 2 Mar 2026 09:00:01 GMT\nfrom lists.chamber.example [192.0.2.10]\n\n"
        f"   ----- The following addresses had permanent fatal errors -----\n<{refusal.recipient}>\n    (reason: {refusal.said})\n\n"
        f"   ----- Transcript of session follows -----\n... while talking to {refusal.host}.:\n>>> DATA\n<<< {refusal.said}"
    )
    return report("Mail Delivery Subsystem <MAILER-DAEMON@mail.example.net>", "Returned mail: see transcript for details", text,
                  fields(refusal, code="SMTP; "), copy(refusal.recipient), "Auto-Submitted: auto-generated (failure)",
                  kind="text/rfc822-headers")  # fmt: skip


def sendmail_text(refusal: Refusal) -> bytes:
    text = (
        "The original message was received at Mon, 2 Mar 1998 09:00:01 GMT\nfrom lists [192.0.2.10]\n\n"
        f"   ----- The following addresses had permanent fatal errors -----\n<{refusal.recipient}>\n\n"
        f"   ----- Transcript of session follows -----\n... while talking to {refusal.host}.:\n>>> RCPT To:<{refusal.recipient}>\n"
        f"<<< {refusal.said}\n\n   ----- Original message follows -----\n{copy(refusal.recipient)}"
    )
    return plain("Mail Delivery Subsystem <MAILER-DAEMON@mail.example.net>", "Returned mail: Host unknown or User unknown", text)


def exim(refusal: Refusal) -> bytes:
    text = (
        "This message was created automatically by mail delivery software.\n\nA message that you sent could not be delivered to one or more of its\n"
        f"recipients. This is a permanent error. The following address(es) failed:\n\n  {refusal.recipient}\n    {refusal.said}"
    )
    block = f"Reporting-MTA: dns; mail.example.net\n\nAction: failed\nFinal-Recipient: rfc822;{refusal.recipient}\nStatus: 5.0.0\n"
    return report("Mail Delivery System <Mailer-Daemon@mail.example.net>", "Mail delivery failed: returning message to sender", text,
                  block, copy(refusal.recipient), f"X-Failed-Recipients: {refusal.recipient}", "Auto-Submitted: auto-replied")  # fmt: skip


def exim_text(refusal: Refusal) -> bytes:
    text = (
        "This message was created automatically by mail delivery software.\n\nA message that you sent could not be delivered to one or more of its\n"
        f"recipients. This is a permanent error. The following address(es) failed:\n\n  {refusal.recipient}\n"
        f"    SMTP error from remote mail server after RCPT TO:<{refusal.recipient}>:\n    host {refusal.host} [192.0.2.25]: {refusal.said}\n\n"
        f"------ This is a copy of the message, including all the headers. ------\n\n{copy(refusal.recipient)}"
    )
    return plain("Mail Delivery System <Mailer-Daemon@mail.example.net>", "Mail delivery failed: returning message to sender", text,
                 f"X-Failed-Recipients: {refusal.recipient}", "Auto-Submitted: auto-replied")  # fmt: skip


def qmail(refusal: Refusal) -> bytes:
    text = (
        "Hi. This is the qmail-send program at mail.example.net.\nI'm afraid I wasn't able to deliver your message to the following addresses.\n"
        f"This is a permanent error; I've given up. Sorry it didn't work out.\n\n<{refusal.recipient}>:\n192.0.2.25 does not like recipient.\n"
        f"Remote host said: {refusal.said}\nGiving up on 192.0.2.25.\n\n--- Below this line is a copy of the message.\n\n{copy(refusal.recipient)}"
    )
    return plain("MAILER-DAEMON@mail.example.net", "failure notice", text)


def qmail_local(refusal: Refusal) -> bytes:
    text = (
        "Hi. This is the qmail-send program at mail.example.net.\nI'm afraid I wasn't able to deliver your message to the following addresses.\n"
        f"This is a permanent error; I've given up. Sorry it didn't work out.\n\n<{refusal.recipient}>:\n{refusal.said}\n\n"
        f"--- Below this line is a copy of the message.\n\n{copy(refusal.recipient)}"
    )
    return plain("MAILER-DAEMON@mail.example.net", "failure notice", text)


def exchange(refusal: Refusal) -> bytes:
    text = (
        f"Delivery has failed to these recipients or groups:\n\n{refusal.recipient}<mailto:{refusal.recipient}>\n"
        "Please contact your helpdesk if you try again later and it does not help; the message was not delivered.\n\n\n"
        "Diagnostic information for administrators:\n\nGenerating server: mail.example.net\n\n"
        f"{refusal.recipient}\nRemote Server returned '{refusal.said}'\n\nOriginal message headers:\n"
    )
    block = fields(refusal, f"X-Display-Name: {refusal.recipient.partition('@')[0]}", code="smtp;", mta="dns;mail.example.net")
    return report("postmaster@example.net", "Undeliverable: Bread is cheaper this week", text, block.replace("rfc822; ", "rfc822;"),
                  copy(refusal.recipient), "Auto-Submitted: auto-replied", "X-MS-Exchange-Message-Is-Ndr:")  # fmt: skip


def exchange_html(refusal: Refusal) -> bytes:
    """The report with an HTML text alone, base64."""
    html = f"<html><body><p><b>Your message to <a>{refusal.recipient}</a> couldn&#39;t be delivered.</b></p><p>{refusal.said}</p></body></html>"
    text = base64.encodebytes(html.encode()).decode()
    whole = report("postmaster@recipient.example", "Undeliverable: Bread is cheaper", text, fields(refusal, code="smtp;"),
                   copy(refusal.recipient), "Auto-Submitted: auto-replied")  # fmt: skip
    return whole.replace(b"text/plain; charset=utf-8", b"text/html; charset=utf-8\nContent-Transfer-Encoding: base64")


def exchange_5_5(refusal: Refusal) -> bytes:
    text = (
        "Your message\n\n  To:      Bakery\n  Subject: Bread is cheaper this week\n  Sent:    Mon, 2 Mar 1998 09:00:00 -0000\n\n"
        f"did not reach the following recipient(s):\n\n{refusal.recipient} on Mon, 2 Mar 1998 09:00:05 -0000\n    {refusal.said}\n"
        "    MSEXCH:IMS:RECIPIENT:SITE:SERVER 0 (000C05A6) Unknown Recipient\n"
    )
    return plain("System Administrator <postmaster@recipient.example>", "Undeliverable: Bread is cheaper this week", text)


def gmail(refusal: Refusal) -> bytes:
    text = f"** Address not found **\n\nYour message wasn't delivered to {refusal.recipient}.\n\nThe response from the remote server was:\n{refusal.said}"
    block = fields(refusal, f"Remote-MTA: dns; {refusal.host}. (192.0.2.25, the server for the domain recipient.example.)",
                   mta="dns; googlemail.com")  # fmt: skip
    return report("Mail Delivery Subsystem <mailer-daemon@googlemail.com>", "Delivery Status Notification (Failure)", text, block,
                  copy(refusal.recipient), f"X-Failed-Recipients: {refusal.recipient}", "Auto-Submitted: auto-replied")  # fmt: skip


def gmail_text(refusal: Refusal) -> bytes:
    text = (
        f"Delivery to the following recipient failed permanently:\n\n     {refusal.recipient}\n\nTechnical details of permanent failure:\n"
        "Google tried to deliver your message, but it was rejected by the server for the recipient domain recipient.example by mx. [192.0.2.25].\n\n"
        f"The error that the other server returned was:\n{refusal.said}\n\n----- Original message -----\n\n{copy(refusal.recipient)}"
    )
    return plain("Mail Delivery Subsystem <mailer-daemon@googlemail.com>", "Delivery Status Notification (Failure)", text)


def ses(refusal: Refusal) -> bytes:
    text = f"An error occurred while trying to deliver the mail to the following recipients:\n{refusal.recipient}"
    return report("MAILER-DAEMON@amazonses.com", "Delivery Status Notification (Failure)", text,
                  fields(refusal, mta="dns; a8-1.smtp-out.amazonses.com"), copy(refusal.recipient))  # fmt: skip


def domino(refusal: Refusal) -> bytes:
    text = (
        "------- Failure Report -------\n\nYour message\n\n  Subject: Bread is cheaper this week\n\nwas not delivered to:\n\n"
        f"  {refusal.recipient}\n\nbecause:\n\n  {refusal.said}\n"
    )
    block = fields(refusal._replace(said=""), f"Original-Recipient: rfc822;{refusal.recipient}")
    return report("Mail Router <MAILER-DAEMON@recipient.example>", "DELIVERY FAILURE: Bread is cheaper this week", text, block,
                  copy(refusal.recipient))  # fmt: skip


def groupwise(refusal: Refusal) -> bytes:
    text = f"The message that you sent was undeliverable to the following:\n\t{refusal.recipient} ({refusal.said})\n\n"
    return plain(
        "Mailer-Daemon@recipient.example", "Message status - undeliverable", text, "X-Mailer: Novell GroupWise Internet Agent 6.0"
    )


def ironport(refusal: Refusal) -> bytes:
    text = f"The following message to <{refusal.recipient}> was undeliverable.\nThe reason for the problem:\n{refusal.status} - {refusal.said}"
    return report("Mail Delivery System <MAILER-DAEMON@esa1.recipient.example>", "Delivery Status Notification (Failure)", text,
                  fields(refusal._replace(status="5.0.0"), code=f"smtp; {refusal.status} - "), copy(refusal.recipient))  # fmt: skip


def courier(refusal: Refusal) -> bytes:
    text = (
        "This is a delivery status notification from mail.example.net,\nrunning the Courier mail server, version 0.65.\n\n"
        "The original message was received on Mon, 02 Mar 2026 09:00:01 +0000\nfrom lists.chamber.example\n\n"
        "---------------------------------------------------------------------------\n\n                           UNDELIVERABLE MAIL\n\n"
        f"Your message to the following recipients cannot be delivered:\n\n<{refusal.recipient}>:\n    {refusal.host} [192.0.2.25]:\n"
        f"    >>> RCPT TO:<{refusal.recipient}>\n    <<< {refusal.said}\n\n"
        "---------------------------------------------------------------------------\n"
    )
    return report('"Courier mail server at mail.example.net" <@mail.example.net>', "NOTICE: mail delivery status.", text,
                  fields(refusal, code="unix; "), copy(refusal.recipient), kind="text/rfc822-headers; charset=us-ascii")  # fmt: skip


def yahoo(refusal: Refusal) -> bytes:
    text = (
        "Sorry, we were unable to deliver your message to the following address.\n\n"
        f"<{refusal.recipient}>:\n{refusal.said}\n\n--- Below this line is a copy of the message.\n\n{copy(refusal.recipient)}"
    )
    return plain("MAILER-DAEMON@nm7.bullet.mail.yahoo.example", "Failure Notice", text)


def aol(refusal: Refusal) -> bytes:
    text = (
        "Your mail to the following recipients could not be delivered because they are not accepting mail or do not exist:\n\n"
        f"\t{refusal.recipient.partition('@')[0]}\n\n{refusal.said}\n"
    )
    block = fields(refusal, code="X-; ")
    return report("MAILER-DAEMON@mx.aol.example (Mail Delivery System)", "Mail System Error - Returned Mail", text, block,
                  copy(refusal.recipient), kind="text/rfc822-headers")  # fmt: skip


def gmx(refusal: Refusal) -> bytes:
    text = (
        "This message was created automatically by mail delivery software.\n\nA message that you sent could not be delivered to\n"
        "one or more of its recipients. This is a permanent error.\nThe following address failed:\n\n"
        f"<{refusal.recipient}>:\n    {refusal.said}\n\n--- The header of the original message is following. ---\n\n{copy(refusal.recipient)}"
    )
    return plain('"GMX Mailer Daemon" <mailer-daemon@gmx.example>', "Mail delivery failed: returning message to sender", text)


def webde(refusal: Refusal) -> bytes:
    text = (
        "Diese Nachricht wurde automatisch von einer Mailserver-Software erstellt.\n\nEine von Ihnen gesendete Nachricht konnte an einen oder mehrere\n"
        "Empfänger nicht zugestellt werden. Die folgende Adresse ist fehlgeschlagen:\n\n"
        f"<{refusal.recipient}>:\n    {refusal.said}\n\n--- Die Kopfzeilen der ursprünglichen Nachricht folgen ---\n\n{copy(refusal.recipient)}"
    )
    return plain("Mail Delivery System <mailer-daemon@web.example>", "Mail delivery failed: returning message to sender", text)


def mdaemon(refusal: Refusal) -> bytes:
    text = (
        "The following data may contain sections which represent BASE64\nencoded file attachments.\n\n"
        "The attached message had PERMANENT fatal delivery errors!\n\nAfter one or more unsuccessful delivery attempts the attached message has\n"
        "been removed from the mail queue on this server.\n\n--------\nSession Transcript:\n--------\n\n"
        f"--> RCPT To:<{refusal.recipient}>\n<-- {refusal.said}\n\n: Message contains [1] file attachments"
    )
    whole = report("MDaemon at mail.recipient.example <MDaemon@mail.recipient.example>", "Permanent Delivery Failure", text, "X: 1",
                   copy(refusal.recipient), "X-MDaemon-Deliver-To: " + BOUNCE)  # fmt: skip
    return whole.replace(b"multipart/report; report-type=delivery-status", b"multipart/mixed").replace(
        b"Content-Type: message/delivery-status\n\nX: 1\n", b"Content-Type: text/plain\n\n\n"
    )


def communigate(refusal: Refusal) -> bytes:
    text = f"Failed to deliver to '{refusal.recipient}'\nSMTP module(domain {refusal.host}) reports:\n {refusal.said}\n"
    block = fields(refusal._replace(said=""), f"Original-Recipient: rfc822;<{refusal.recipient}>").replace(
        f"rfc822; {refusal.recipient}", f"rfc822;<{refusal.recipient}>"
    )
    return report("MAILER-DAEMON@mail.recipient.example", "Undeliverable mail: Bread is cheaper this week", text, block,
                  copy(refusal.recipient), kind="text/rfc822-headers")  # fmt: skip


def imail(refusal: Refusal) -> bytes:
    return plain("Postmaster <postmaster@recipient.example>", "Undeliverable Mail",
                 f"{refusal.said}: {refusal.recipient}\n\nOriginal message follows.\n\n{copy(refusal.recipient)}", "X-Mailer: <SMTP32 v8.22>")  # fmt: skip


def hmail(refusal: Refusal) -> bytes:
    text = (
        f"Your message did not reach some or all of the intended recipients.\n\n   Sent: Mon, 2 Mar 2026 09:00:00 +0000\n   Subject: Bread is cheaper\n\n"
        f"The following recipient(s) could not be reached:\n\n{refusal.recipient}\n   Error Type: SMTP\n   Remote server (192.0.2.25) issued an error.\n"
        f"   hMailServer sent: RCPT TO:<{refusal.recipient}>\n   Remote server replied: {refusal.said}\n\n\nhMailServer\n"
    )
    return plain("mailer-daemon@recipient.example", "Message undeliverable: Bread is cheaper this week", text)


def mailenable(refusal: Refusal) -> bytes:
    text = (
        f"MailEnable: Message Delivery Failure.\n\nThe message could not be delivered to the following recipients.\n\nReason: {refusal.said}\n\n"
        f"Recipients:\n[SMTP:{refusal.recipient}]\n\nMessage headers follow:\n\n{copy(refusal.recipient)}"
    )
    return plain("Postmaster <Postmaster@recipient.example>", "Message Delivery Failure", text)


def zimbra(refusal: Refusal) -> bytes:
    return (
        postfix(refusal)
        .replace(b"Undelivered Mail Returned to Sender", b"Undelivered Mail")
        .replace(b"The mail system\n\n", b"\n\n")
    )


def opensmtpd(refusal: Refusal) -> bytes:
    text = (
        "    Hi!\n\n    This is the MAILER-DAEMON, please DO NOT REPLY to this email.\n\n    An error has occurred while attempting to deliver a message for\n"
        f"    the following list of recipients:\n\n{refusal.recipient}: {refusal.said}\n\n    Below is a copy of the original message:\n"
    )
    return report("Mailer Daemon <MAILER-DAEMON@mail.example.net>", "Delivery status notification: error", text,
                  fields(refusal._replace(action="error", said="")), copy(refusal.recipient), kind="text/rfc822-headers")  # fmt: skip


def mislabelled(refusal: Refusal) -> bytes:
    """A gateway that takes every part for text, inside one more container."""
    whole = postfix(refusal).replace(b"Content-Type: message/delivery-status", b"Content-Type: text/plain")
    inner = whole.partition(b"MIME-Version: 1.0\n")[2].replace(b"multipart/report; report-type=delivery-status", b"multipart/mixed")
    outer = head("postmaster@gateway.example", "[Gateway] Undelivered Mail Returned to Sender").encode()
    return outer + b'Content-Type: multipart/mixed; boundary="=_b0"\n\n--=_b0\n' + inner + b"\n--=_b0--\n"


def shouting(refusal: Refusal) -> bytes:
    """Field names and values in the wrong case, with comments and brackets, the text quoted-printable."""
    block = (
        f"REPORTING-MTA: DNS; MAIL\n\nFINAL-RECIPIENT: <{refusal.recipient}>\nACTION: Failed (permanent failure)\n"
        f"STATUS: {refusal.status} (see below)\nDIAGNOSTIC-CODE: SMTP;\n   {refusal.said}\n"
    )
    text = quopri.encodestring(f"Message to {refusal.recipient} failed.".encode()).decode()
    return report("<>", "Mail failure", text, block, copy(refusal.recipient)).replace(
        b"Content-Type: text/plain; charset=utf-8",
        b"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable",
    )


def international(refusal: Refusal) -> bytes:
    """RFC 6533, with its own names and UTF-8."""
    block = fields(refusal).replace("rfc822; ", "utf-8; ")
    whole = report(
        "MAILER-DAEMON@mail.example.net", "Undelivered", "Not delivered.", block, copy(refusal.recipient), kind="message/global"
    )
    return whole.replace(b"message/delivery-status", b"message/global-delivery-status")


def letter(refusal: Refusal) -> bytes:
    """Free text around what was said, without marks that a program could hold on to."""
    text = f"Hello,\n\nYour mail to {refusal.recipient} did not arrive.\n\n{refusal.said}\n\nRegards, your mail server\n"
    return plain("Mail Administrator <postmaster@recipient.example>", "Mail System Error - Returned Mail", text)


FORMS: dict[str, Form] = {
    form.__name__: form
    for form in (postfix, postfix_text, sendmail, sendmail_text, exim, exim_text, qmail, qmail_local, exchange, exchange_html, exchange_5_5,
                 gmail, gmail_text, ses, domino, groupwise, ironport, courier, yahoo, aol, gmx, webde, mdaemon, communigate, imail, hmail,
                 mailenable, zimbra, opensmtpd, mislabelled, shouting, international, letter)
}  # fmt: skip
