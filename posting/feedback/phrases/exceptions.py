"""Exceptions: providers that say one thing by their status and mean another, and words that one provider alone uses."""

from posting.feedback.phrases.rows import CONTENT, MAILBOX, POLICY, TRANSIENT, UNKNOWN, Row

EXCEPTIONS: tuple[Row, ...] = (
    # Exchange Online, whose 5.4.1 is an edge that knows its recipients; its 5.7.x and 4.4.x names are plain.
    (
        MAILBOX,
        r"5\.4\.1\b.*(?:access denied|as\(20|rejected)",
    ),
    (
        MAILBOX,
        r"resolver\.adr\.(?:ex)?recip\w*notfound",
        r"recipientnotfound",
        r"recipnotfound",
        r"5\.1\.351\b",
        r"5\.4\.310\b",
        r"infodomainnonexistent",
    ),
    (
        TRANSIENT,
        r"quotaexceeded",
        r"mailboxfull",
        r"storedrv\S*full",
    ),
    (
        MAILBOX,
        r"accountdisabled",
        r"mailboxdisabled",
    ),
    (
        CONTENT,
        r"recipsizelimit",
        r"sendsizelimit",
    ),
    (
        TRANSIENT,
        r"recipientthreshold",
        r"mailboxunavailableexception",
        r"storedrv\S*(?:timeout|deadlock|throttl)",
    ),
    (
        POLICY,
        r"resolver\.rst\.",
        r"transport\.rules",
        r"approval\.",
        r"notauthori[sz]ed",
        r"sendernotauthenticated",
        r"5\.7\.(?:5|6|7)\d\d\b",
    ),
    (
        TRANSIENT,
        r"queue\.expired",
        r"5\.4\.(?:300|31[2-9])\b",
        r"hop count",
        r"5\.4\.(?:6|14)\b",
    ),
    # Gmail says with one status that an account is closed, and that it gets too much mail.
    (
        TRANSIENT,
        r"receiving mail (?:at a rate|too quickly)",
        r"rate that prevents",
        r"p=receivingrate",
    ),
    (
        TRANSIENT,
        r"p=overquota",
        r"out of storage space",
    ),
    (
        MAILBOX,
        r"p=(?:nosuchuser|disableduser|nullmx|baddomain)",
    ),
    # Yahoo and AOL: codes in brackets, and rate limits with the words of a passing trouble.
    (
        POLICY,
        r"\[(?:bl|ph|sp|gl|ts|tss|pr|cf|rp|nf|sg|av)\d\d\]",
        r"\((?:rly|rtr|cnt|con|dyn|hvu|dnsbl)[:\w]+\)",
    ),
    (
        POLICY,
        r"user complaints",
        r"unexpected volume",
        r"excessive(?:ly)? (?:\w+ )?volume",
    ),
    # Orange and SFR put a number behind what they say in two languages.
    (
        MAILBOX,
        r"ofr_?(?:\d{3}_)?(?:416|102)\b",
    ),
    (
        TRANSIENT,
        r"ofr_?(?:\d{3}_)?(?:417|103)\b",
    ),
    (
        POLICY,
        r"ofr_?(?:\d{3}_)?(?:5\d\d|99\d|104|10[5-9]|4[0-1]\d)\b",
        r"lpn\d{3}",
    ),
    # 163, 126 and QQ, which does not say which of the two it is; it says so of closed mailboxes.
    (MAILBOX, r"mailbox (?:\S+ )?unavailable or access denied", r"validrcptto", r"mail ?box is (?:frozen|archived)"),
    # 1&1: its "mailbox unavailable" begins every refusal, and the reason follows.
    (POLICY, r"invalid dns mx", r"resource record", r"backscatter", r"\bbatv\b"),
    (
        POLICY,
        r"\b(?:mi|dt|rp|im|hl|ct|pd):[a-z]{2,4}\b",
        r"frequency limited",
        r"bounce attack",
    ),
    # Sent to many that are not there, or listed by the recipient: about us, whatever the status.
    (
        POLICY,
        (
            r"(?:too many|many|number of) (?:invalid|unknown|bad|non-?exist\w+|failed|nonexistent) (?:rcpt"
            r"|recipient|user|address)"
        ),
        r"harvest",
        r"dictionary attack",
    ),
    (
        POLICY,
        r"badrecipient",
        r"badmailfrom",
        r"bad ?rcptto",
        r"recipient (?:is )?not authori[sz]ed",
        r"policy rejection",
    ),
    (UNKNOWN, r"not unique", r"several matches", r"ambiguous"),
    # Amazon's own list of addresses that failed.
    (
        MAILBOX,
        r"suppressed sending to this address",
        r"on the (?:account )?suppression list",
    ),
    # Relaying: either side may have it wrong, and neither says which.
    (
        UNKNOWN,
        r"relay(?:ing)? (?:access )?(?:is |was )?(?:denied|not (?:permitted|allowed)|prohibited)",
        r"unable to relay",
        r"(?:not|n't) relay",
        r"allowed rcpthosts",
        r"relaying mail",
    ),
)
