"""Letters that come to the address of a copy and are no failure: each under its kind, as the programs of many years wrote them."""

from tests.bounces.forms import BOUNCE, COPY, DOMAIN, HANDLE, TOKEN, Refusal, copy, fields, head, plain, report

JANE = "jane.baker@recipient.example"
RETURNED = copy(JANE)
DAEMON = "Mail Delivery System <MAILER-DAEMON@mail.example.net>"

AWAY_TEXTS = (
    (
        "Out of Office: Bread is cheaper",
        "I am out of the office until Monday. If it cannot wait, my mailbox is read by no one: ask the front desk.",
    ),
    ("Automatic reply: Bread is cheaper", "I'm away on annual leave. Your message was not delivered to anybody else."),
    ("Auto: Bread is cheaper this week", "Thank you for your mail. I will be on vacation from 1 to 15 March."),
    (
        "Re: Bread is cheaper this week",
        "Jane no longer works here. This address does not exist any more; write to office@recipient.example.",
    ),
    ("Abwesenheitsnotiz: Bread is cheaper", "Ich bin nicht im Büro. Ihre Nachricht wird nicht weitergeleitet."),
    ("Abwesend: Bread", "Vielen Dank, ich bin im Urlaub. Das Postfach ist voll, bitte später erneut senden."),
    ("Réponse automatique : Bread is cheaper", "Je suis absente jusqu'au 15 mars. Votre message n'a pas été lu."),
    ("Respuesta automática: Bread", "Estoy fuera de la oficina. No existe otra persona en este buzón."),
    ("Risposta automatica: Bread", "Sono in ferie fino al 15 marzo."),
    ("Resposta automática: Bread", "Estou de férias até 15 de março."),
    ("Автоответ: Bread", "Я в отпуске до 15 марта. Пользователь не найден в офисе."),
    ("自动回复: Bread", "您好,我正在休假。"),
    ("自動返信: Bread", "ただいま外出中です。"),
    ("Afwezig: Bread", "Ik ben afwezig tot maandag."),
    ("Autosvar: Bread", "Jag är frånvarande till måndag."),
    ("Ticket 4711 opened: Bread", "This is an automated response. Your request was received and has the number 4711."),
)


def vacation_replies() -> list[bytes]:
    made = [plain(f"Jane Baker <{JANE}>", subject, text, "Auto-Submitted: auto-replied") for subject, text in AWAY_TEXTS]
    made += [
        plain(f"Jane Baker <{JANE}>", subject, text, "X-Autoreply: yes", "Precedence: bulk") for subject, text in AWAY_TEXTS[:6]
    ]
    made += [
        plain(f"Jane Baker <{JANE}>", subject, f"{text}\n\n> Come and see us. User unknown.") for subject, text in AWAY_TEXTS[:3]
    ]
    made += [plain("Mail Administrator <postmaster@recipient.example>", subject, text) for subject, text in AWAY_TEXTS[:2]]
    made += [plain("Mailer-Daemon@recipient.example", "Vacation reply", "I am on vacation. Returning mail is not read.")]
    return made


def challenges() -> list[bytes]:
    texts = (
        (
            "Please confirm your message",
            "Your message to Jane is being held. To release it, please click the link to verify that you are a real person. It was not delivered.",
        ),
        (
            "[Spamarrest] verification",
            "Please verify that you're a human, then your mail is delivered to jane.baker@recipient.example.",
        ),
        (
            "Confirm: Bread is cheaper",
            "This message was created automatically by TMDA. Please reply to this message to have it delivered; until then delivery is pending.",
        ),
        ("Boxbe: Bread is cheaper (Action Required)", "Your message is waiting in the queue until Jane approves it. Boxbe"),
    )
    return [plain(f"Jane Baker <{JANE}>", subject, text, "Auto-Submitted: auto-replied") for subject, text in texts] + [
        plain("jane-confirm@recipient.example", subject, text) for subject, text in texts
    ]


def delays() -> list[bytes]:
    late = Refusal(JANE, "4.4.1", "connect to mx.recipient.example[192.0.2.25]:25: Connection timed out", "delayed")
    unknown = Refusal(
        JANE, "4.1.1", "450 4.1.1 <jane.baker@recipient.example>: Recipient address rejected: User unknown", "delayed"
    )
    odd = Refusal(JANE, "5.1.1", "550 5.1.1 User unknown", "delayed")
    text = "THIS IS A WARNING ONLY. YOU DO NOT NEED TO RESEND YOUR MESSAGE. It will be retried until it is 5 days old."
    made = [report(DAEMON, "Delayed Mail (still being retried)", text, fields(each), RETURNED) for each in (late, unknown, odd)]
    without = fields(late._replace(action="")).replace("Action: \n", "")
    made += [report(DAEMON, "Delivery Status Notification (Delay)", "Delivery is delayed.", without, RETURNED)]
    texts = (
        ("Warning: message 1abCDe-0001 delayed 24 hours", f"A message that you sent has not yet been delivered to one or more of its\nrecipients after more than 24 hours on the queue.\n\nThe address to which the message has not yet been delivered is:\n\n  {JANE}\n    unknown user: retry later\n\nNo action is required on your part. Delivery attempts will continue for\nsome time."),
        ("Warning: could not send message for past 4 hours", f"    **********************************************\n    **      THIS IS A WARNING MESSAGE ONLY      **\n    **  YOU DO NOT NEED TO RESEND YOUR MESSAGE  **\n    **********************************************\n\n   ----- The following addresses had transient non-fatal errors -----\n<{JANE}>\n\n   ----- Transcript of session follows -----\n{JANE}... Deferred: Connection refused\nWarning: message still undelivered after 4 hours\nWill keep trying until message is 5 days old"),
        ("Delivery Status Notification (Delay)", f"This is an automatically generated Delivery Status Notification\n\nTHIS IS A WARNING MESSAGE ONLY.\n\nDelivery to the following recipient has been delayed:\n\n     {JANE}\n\nMessage will be retried for 2 more day(s)\n\nTechnical details of temporary failure:\nThe recipient server did not accept our requests to connect."),
        ("Delivery delayed: Bread is cheaper", f"Delivery is delayed to these recipients:\n\n{JANE}\n\nSubject: Bread\n\nThis message has not been delivered. Delivery will continue to be attempted."),
        ("Mail delivery delayed", f"Your message to {JANE} could not be delivered yet because the mailbox does not exist at the moment. We will keep trying for 3 more days."),
        ("Verzögerte Zustellung", f"Ihre Nachricht an {JANE} konnte noch nicht zugestellt werden. Es wird weiterhin versucht."),
        ("Retard de livraison", f"Votre message pour {JANE} est en retard; un nouvel essai sera fait."),
        ("Доставка задерживается", f"Сообщение для {JANE} пока не доставлено; будут повторные попытки."),
        ("Delivery incomplete", f"There was a temporary problem delivering your message to {JANE}. Gmail will retry for 45 more hours. You'll be notified if the delivery fails permanently."),
        ("配信遅延", f"{JANE} 宛のメールの配信が遅延しています。"),
        ("Message delayed", f"Your message has been delayed and is still awaiting delivery to the following recipient(s):\n\n{JANE}\n   (Was addressed to {JANE})\n\nYour message is delayed\nMessage for domain recipient.example at mx (192.0.2.25) waiting: No such user or relay, will be retried"),
    )  # fmt: skip
    made += [plain(DAEMON, subject, body) for subject, body in texts]
    made += [plain(DAEMON, texts[0][0], texts[0][1], f"X-Failed-Recipients: {JANE}", "Auto-Submitted: auto-replied")]
    return made


def receipts() -> list[bytes]:
    text = "Your message was deleted without being read on Monday."
    status = f"Reporting-UA: mail.example.net; Outlook\nFinal-Recipient: rfc822;{JANE}\nDisposition: automatic-action/MDN-sent-automatically; deleted\n"
    made = []
    for subject, words in (("Not read: Bread", text), ("Read: Bread", "Your message was read."), ("Gelesen: Bread", "Ihre Nachricht wurde gelesen."),
                           ("Automatically rejected mail", f"Your message to <{JANE}> was automatically rejected:\nUser unknown")):  # fmt: skip
        whole = report(f"Jane <{JANE}>", subject, words, status, RETURNED).replace(
            b"report-type=delivery-status", b"report-type=disposition-notification"
        )
        made.append(whole.replace(b"message/delivery-status", b"message/disposition-notification"))
        made.append(whole.replace(b"multipart/report; report-type=disposition-notification", b"multipart/mixed").replace(
            b"message/delivery-status", b"message/disposition-notification"))  # fmt: skip
    made.append(plain(f"Jane <{JANE}>", "Read: Bread is cheaper", "This is a receipt for the mail that you sent."))
    return made


def successes() -> list[bytes]:
    done = [Refusal(JANE, "2.0.0", "250 2.0.0 Ok", action) for action in ("delivered", "relayed", "expanded")]
    made = [
        report(
            DAEMON,
            "Successful Mail Delivery Report",
            "Your message was successfully delivered to the mailbox.",
            fields(each),
            RETURNED,
        )
        for each in done
    ]
    return [*made, plain(DAEMON, "Delivery Status Notification (Relay)", f"Your message was relayed to {JANE}.")]


def complaint(kind: str = "abuse", *, returned: str = COPY % (JANE, JANE), more: str = "") -> bytes:
    """RFC 5965."""
    status = f"Feedback-Type: {kind}\nUser-Agent: SomeGenerator/1.0\nVersion: 1\nOriginal-Mail-From: <{BOUNCE}>\nArrival-Date: Mon, 2 Mar 2026 09:00:00 +0000\nSource-IP: 192.0.2.10\n{more}"
    whole = report(
        "feedback@provider.example", "FW: Bread is cheaper this week", "This is an email abuse report.", status, returned
    )
    return whole.replace(b"report-type=delivery-status", b"report-type=feedback-report").replace(
        b"message/delivery-status", b"message/feedback-report"
    )


REDACTED = f'Received: from {DOMAIN}\nFrom: "Bakery" <promotions@{DOMAIN}>\nTo: [redacted]\nSubject: Bread\nList-Unsubscribe: <https://www.chamber.example/lists/promotions/leave/{TOKEN}/>\n\nCome and see us.\n'


def complaints() -> dict[str, bytes]:
    attached = (
        head("staff@hotmail.example", "complaint about message from 192.0.2.10")
        + 'Content-Type: multipart/mixed; boundary="=_b1"\n\n'
        "--=_b1\nContent-Type: message/rfc822\nContent-Disposition: inline\n\nX-HmXmrOriginalRecipient: jane.baker@recipient.example\n"
        f"{RETURNED}\n--=_b1--\n"
    ).encode()
    spamcop = plain("7654321@reports.spamcop.example", "[SpamCop (192.0.2.10) id:7654321]Bread is cheaper this week",
                    f"[ SpamCop V5.2 ]\nThis message is brief for your comfort.\n\n[ Offending message ]\n{RETURNED}")  # fmt: skip
    xarf = report("autogenerated@abuse.example", "[abusix] Abuse report", "Hello, see the attached report.", "Reported-From: a\nReport-Type: spam\nVersion: 1\n",
                  RETURNED, "X-XARF: PLAIN").replace(b"message/delivery-status", b"text/plain; name=report.txt").replace(
                      b"multipart/report; report-type=delivery-status", b"multipart/mixed")  # fmt: skip
    mislabelled = (
        complaint()
        .replace(b"message/feedback-report", b"text/plain")
        .replace(b"multipart/report; report-type=feedback-report", b"multipart/mixed")
    )
    return {
        "RFC 5965": complaint(),
        "fraud": complaint("fraud"),
        "virus": complaint("virus"),
        "a kind of its own": complaint("miscategorized"),
        "without addresses": complaint(returned=REDACTED).replace(BOUNCE.encode(), b"redacted@redacted"),
        "headers only": complaint().replace(b"message/rfc822", b"text/rfc822-headers"),
        "mislabelled": mislabelled,
        "Outlook": attached,
        "SpamCop": spamcop,
        "X-ARF": xarf,
    }


def no_complaints() -> dict[str, bytes]:
    return {
        "not spam": complaint("not-spam"),
        "a failed signature": complaint("auth-failure", more="Auth-Failure: dmarc\n"),
        "a bounce": report(
            DAEMON,
            "Undelivered Mail Returned to Sender",
            "Not delivered.",
            fields(Refusal(JANE, "5.1.1", "550 5.1.1 User unknown")),
            RETURNED,
        ),
        "a person": plain(f"Jane <{JANE}>", "Re: Bread", f"A complaint about the spam of others, {HANDLE}."),
    }
