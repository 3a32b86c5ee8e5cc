"""The demo's post by mail: a message ready to be sent with one command."""

from pathlib import Path

from chamberlist.embedded.environment import CHAMBER
from chamberlist.embedded.processes import write_private

# Invented domains have no DNS that says who wrote a message: the letter says itself what a mail server in front would write.
FRONT = "demo.chamber.example"
LIST = f"promotions@{CHAMBER['LIST_DOMAIN']}"


def write(file: Path, credentials: Path) -> None:
    """Write it once, with the first sender's address and password: what somebody has made of it since stays."""
    if file.exists():
        return
    sender = author(credentials)
    password = _first_sender(credentials)[2]
    domain = sender.partition("@")[2]
    lines = (
        f"Authentication-Results: {FRONT}; dkim=pass header.d={domain};",
        f" dmarc=pass header.from={domain}",
        f"From: {sender}",
        f"To: {LIST}",
        "Subject: Two loaves for the price of one",
        "",
        f"Password: {password}",
        "",
        "Come and see us on Saturday: two loaves for the price of one.",
        "",
    )
    write_private(file, "\n".join(lines))


def author(credentials: Path) -> str:
    """The first sender's contact address."""
    return _first_sender(credentials)[1]


def _first_sender(credentials: Path) -> list[str]:
    """The words of its line, as ``loaddemo`` prints it: "Sender", the address, the password, the name."""
    return next(line.split() for line in credentials.read_text().splitlines() if line.startswith("Sender"))
