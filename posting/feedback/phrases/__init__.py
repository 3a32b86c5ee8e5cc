"""Phrases: what mail systems say of a copy that did not arrive, and whose fault that is.

Each table is read from its top; the first row that matches decides. The words are compared as ``causes`` prepares them: lower case,
without accents, addresses as ``addr``, host names and links gone, and before them the enhanced status.
"""

from posting.feedback.phrases.codes import CODES, STATUSES, WEAK
from posting.feedback.phrases.exceptions import EXCEPTIONS
from posting.feedback.phrases.full import FULL, TOO_LARGE
from posting.feedback.phrases.gone import GONE
from posting.feedback.phrases.passing import LATER, PASSING
from posting.feedback.phrases.refused import REFUSED, SENDER
from posting.feedback.phrases.rows import MAILBOX, POLICY, TRANSIENT, UNKNOWN, Row, any_of

WORDS = (*EXCEPTIONS, *PASSING, *SENDER, *TOO_LARGE, *FULL, *GONE, *REFUSED, *LATER)

__all__ = ["CODES", "MAILBOX", "POLICY", "STATUSES", "TRANSIENT", "UNKNOWN", "WEAK", "WORDS", "Row", "any_of"]
