"""The relay as Django's mail sees it: its own backend, which can also send from nobody."""

from django.core.mail import EmailMessage
from django.core.mail.backends import smtp


class EmailBackend(smtp.EmailBackend):
    """A message without ``from_email`` leaves with ``MAIL FROM:<>`` (RFC 5321 section 4.5.5): no machine answers it."""

    def _send(self, email_message: EmailMessage) -> bool:
        if email_message.from_email:
            return bool(super()._send(email_message))  # type: ignore[misc]
        content = email_message.message().as_bytes(linesep="\r\n")  # type: ignore[call-arg]
        self.connection.sendmail("", email_message.recipients(), content)  # type: ignore[union-attr]
        return True
