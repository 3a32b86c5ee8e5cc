"""Codes: what is left where no words decide."""

from posting.feedback.phrases.rows import CONTENT, MAILBOX, POLICY, TRANSIENT, Row

# Only where neither words nor status said more.
WEAK: tuple[Row, ...] = (
    (
        MAILBOX,
        r"una?vai?l?able (?:mail ?box|user)|(?:mail ?box|user|recipient|account) (?:is )?una?vai?l?able",
        r"rejected recipients?",
        r"(?:recipient|user) (?:is )?not (?:ok|accepted)",
    ),
    (
        TRANSIENT,
        r"misconfigur",
        r"config(?:uration)? error",
        r"configuration problem",
        r"could not load",
        r"encountered an error",
        r"find a gateway",
        r"(?:unable|could not|cannot|failed) to resolve",
    ),
    (
        MAILBOX,
        (
            r"(?:mail ?box|recipient|address|user|account)(?: is| was| name)? (?:unavailable"
            r"|not (?:available|allowed))"
        ),
        r"mailbox name",
        r"account not available",
        r"no such",
        r"unknown$",
    ),
    (
        MAILBOX,
        (
            r"(?:address|recipients?|user|addr)>?:? (?:is |was |were |has been )?(?:rejected"
            r"|refused|failed|denied)\W*$"
        ),
    ),
    (
        TRANSIENT,
        r"unavailable",
        r"unable to (?:connect|contact|reach)",
        r"not respond",
        r"unreachable",
        r"shutdown",
        r"out of order",
    ),
)

# Enhanced status codes (RFC 3463, RFC 5248, RFC 7505 and the providers' own), by their first words that match.
STATUSES: tuple[Row, ...] = (
    (TRANSIENT, r"4\.", r"5\.2\.2$", r"5\.3\.[12]$", r"5\.4\.(?:[123567]|14|3\d\d)$", r"5\.7\.16$"),
    (MAILBOX, r"5\.1\.(?:[12346]|10)$", r"5\.2\.1$", r"5\.4\.4$"),
    (CONTENT, r"5\.2\.3$", r"5\.3\.[34]$", r"5\.6\."),
    (POLICY, r"5\.1\.[78]$", r"5\.7\."),
)
# What is left when there is no enhanced status: reply codes (RFC 5321 section 4.2.3, RFC 7504).
CODES: tuple[Row, ...] = ((TRANSIENT, r"4", r"552$"), (MAILBOX, r"551$", r"521$", r"556$"), (POLICY, r"541$", r"571$"))
