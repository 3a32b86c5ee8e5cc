"""Causes: whose fault a failure is, by what the mail system said of it, its enhanced status (RFC 3463) and its reply code.

Words come first because a status is often a guess of the software in between. In doubt a failure is passing, or its cause unknown:
to take a member off who is there is worse than to try once more.
"""

import re
import unicodedata
from functools import cache
from typing import Literal, cast

from posting.delivery.replies import status_in
from posting.feedback import phrases
from posting.feedback.phrases import MAILBOX, TRANSIENT, UNKNOWN, Row

Cause = Literal["mailbox", "transient", "policy", "content", "unknown"]  # The words of ``DeliveryEvent.Cause``.
Action = Literal["failed", "delayed", "delivered", "relayed", "expanded"]  # RFC 3464 section 2.3.3.

READ = 2_000  # Characters of what was said.

ADDRESS = re.compile(r"<?[^\s<>\"',;:()\[\]=@]{1,64}@[a-z0-9.\[\]_-]{1,255}>?")
LINK = re.compile(r"https?://[^\s?]{0,300}(?:\?\S{0,300})?|www\.\S{1,200}")
MEANT = re.compile(r"[?&](p=\w+)")  # What Gmail's links say in one word.
HOST = re.compile(
    r"(?<![\w.])(?!resolver\.|storedrv|queue\.|transport\.|approval\.)(?:[a-z0-9_](?:[a-z0-9_-]{0,62})\.)+[a-z][a-z-]{1,23}\b\.?(?:\s?[\[(][0-9a-f.:]{3,45}[\])])?(?::\d+)?"
)
BLOCK_LISTS = re.compile(r"spamhaus|spamcop|sorbs|barracuda|surbl|senderscore|njabl|abuseat|dnsbl|\brbl")
ASIDE = re.compile(
    r"\(?in reply to (?:end of )?[a-z ]+ commands?\)?|after (?:rcpt to|mail from|end of data|data|initial connection):?(?:<addr>|addr)?(?: size=\d+)?:?"
    r"|(?:rcpt to|mail from):<?addr>?|returned to sender|message returned|smtp error from remote (?:mail )?server(?: for [a-z ]+ command)?"
)
# IronPort puts a class of its own before what the other server said.
WRAPPED = re.compile(
    r"^\W*5\.\d\.\d - [a-z ]+? ['(]?(?=[45]\d\d[-\s])|^\W*5\.\d\.\d - (?:unknown address error|other mail system problem)"
)
NESTED = re.compile(r"(?:said|replied|returned|response)\W{1,4}4\d\d\b")
CODE = re.compile(r"(?:^|[\s;:(<\"'#>-])([45]\d\d)(?=[-\s:,]|$)(?!\s(?:seconds|minutes|hours|days|bytes|kb|mb|messages))")
AGAIN = re.compile(r"(?:^|\s)[45]\d\d[-\s]#?[45]\.\d{1,3}\.\d{1,3}|(?:^|\s)[45]\d\d-")


def cause(status: str, diagnostic: str, *, action: str = "failed") -> Cause:
    """Whose fault it is that a copy did not arrive; ``status`` may be "", ``diagnostic`` is what was said, in any language.

    What is not failed, or has a code that says "for the moment", is never the mailbox.
    """
    if action in ("delivered", "relayed", "expanded"):
        return "unknown"
    text = WRAPPED.sub("", _folded(diagnostic[:READ]))
    own = status_in(text) or status  # The status in a reply is nearer to the matter than that of who reports it.
    code = next(iter(CODE.findall(text)), "")
    found = _first(phrases.WORDS, f"{own} {_bare(text)}")
    if not found:
        found = (
            _by_status(own) or _by_status(status) or _first(phrases.WEAK, _bare(text)) or _first(phrases.CODES, code, whole=True)
        )
    is_passing = action == "delayed" or _is_passing(status, own, code) or NESTED.search(text) is not None
    if is_passing and found in (MAILBOX, UNKNOWN, ""):
        found = TRANSIENT
    return cast("Cause", found or UNKNOWN)


def is_permanent(status: str, found: Cause, *, action: str = "failed") -> bool:
    """Whether it is of no use to send this copy again: refused for good by RFC 3464 and RFC 3463, whoever is to blame.

    Only ``mailbox`` speaks against the member; a refusal for ``policy`` or ``content`` is about us.
    """
    if action != "failed" or status.startswith(("2", "4")) or found == TRANSIENT:
        return False
    return found != UNKNOWN or status.startswith("5")


def _is_passing(status: str, own: str, code: str) -> bool:
    """Whether the codes say "for the moment". The reply itself counts for more than who passes it on."""
    if code:
        return code.startswith("4") or (own.startswith("4") and not status.startswith("5"))
    return own.startswith("4") or (status.startswith("4") and not own.startswith("5"))


def _by_status(status: str) -> str:
    return _first(phrases.STATUSES, status, whole=True) if status else ""


def _first(rows: tuple[Row, ...], text: str, *, whole: bool = False) -> str:
    for pattern, found in _compiled(rows):
        if pattern.match(text) if whole else pattern.search(text):
            return found
    return ""


@cache
def _compiled(rows: tuple[Row, ...]) -> list[tuple[re.Pattern[str], str]]:
    return [(re.compile("|".join(patterns)), found) for found, *patterns in rows]


def _folded(text: str) -> str:
    """Lower case on one line, without the accents of Latin, Greek and Cyrillic."""
    apart = unicodedata.normalize("NFD", text.lower().replace("ł", "l").replace("ø", "o").replace("’", "'").replace("ı", "i"))
    return " ".join(unicodedata.normalize("NFC", "".join(char for char in apart if not "\u0300" <= char <= "\u036f")).split())


def _bare(text: str) -> str:
    """What was said, without the names and numbers that say nothing of the cause and could be taken for words."""
    text = LINK.sub(lambda link: " ".join([*MEANT.findall(link[0]), *BLOCK_LISTS.findall(link[0])]), text)
    text = HOST.sub(lambda host: " ".join(BLOCK_LISTS.findall(host[0])), ADDRESS.sub("addr", text))
    return " ".join(AGAIN.sub(" ", ASIDE.sub(" ", text)).split())
