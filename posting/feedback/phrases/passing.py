"""Passing: what was tried in vain, or may be tried again. Whatever else is said, the recipient may well exist."""

from posting.feedback.phrases.rows import TRANSIENT, Row

# It was tried, or may be tried again: whatever else is said, the recipient may well exist.
PASSING: tuple[Row, ...] = (
    (
        TRANSIENT,
        r"gr[ae]y[- ]?list",
        r"gr[ae]ylisting",
        r"postgrey",
        r"come back (?:in|later)",
    ),
    (
        TRANSIENT,
        r"retry time(?:out)?\b",
        r"(?:message|delivery(?: time)?|mail|queue) (?:has )?expired",
        r"message too old",
        r"failed \d+ attempts|after \d+ (?:\w+ )?attempts|maximum (?:number of )?(?:delivery )?attempts",
        r"too long in (?:the )?queue",
        r"been in the queue too long",
    ),
    (
        TRANSIENT,
        r"could not be delivered (?:for|after|within) (?:more than |over )?\d",
        r"(?:unable|not able) to deliver (?:in|after|within|for) \d",
        r"failing for a long time",
    ),
    (
        TRANSIENT,
        r"unverified address",
        r"verification in progress",
        r"address verification (?:failed|is)",
        r"host not found, try",
    ),
    (
        TRANSIENT,
        r"(?:try|retry|again|resend|attempt)\w* (?:it )?(?:\w+ )?(?:later|in a few|in \d)",
        r"please (?:try|retry) later",
    ),
    (
        TRANSIENT,
        r"temporar\w+ (?!block|bann|black|denied by|rate|rejected due)",
        r"tempfail",
        r"transient",
        r"deferred",
        r"not (?:yet )?ready",
        r"(?:message|delivery|transfer|waiting for input|timeout|input) (?:has )?(?:timed[ -]?out|waiting)",
        r"(?:not|n't) (?:been )?(?:reachable|collected|responding)|(?:un|not )reachable",
        r"did(?: not|n't) respond",
    ),
    (
        TRANSIENT,
        r"loop(?:s|ing|ed)?\b",
        r"too many (?:hops|\"?received)",
        r"delivered-to line",
        r"best-preference mx",
    ),
    (
        TRANSIENT,
        (
            r"(?:connection|connect|network|host|operation|session|read|write|server|conversation)\b[^.;]{0,60}\b(?:timed[ -]?out"
            r"|time-?out|refused|reset|unreachable|dropped|lost)"
        ),
    ),
    (
        TRANSIENT,
        r"lost connection",
        r"connection (?:died|closed|aborted|dropped|was)",
        r"connect to \S* ?:? ",
        r"could not connect",
        r"(?:not|n't) able to establish",
        r"no route to host",
        r"servfail",
    ),
    (
        TRANSIENT,
        (
            r"(?:name ?server|dns|domain name)\b[^.;]{0,40}(?:time-?out|timed out|failure"
            r"|error looking|temporar|query failed)"
        ),
        r"lookup (?:failed|failure|timed out)",
        r"unable to lookup dns",
    ),
    (
        TRANSIENT,
        r"did not accept our requests to connect",
        (
            r"(?:system|server|service|resource)s? (?:is |are )?(?:too )?(?:busy|overload\w*"
            r"|shutting|down)\b"
        ),
    ),
    (
        TRANSIENT,
        r"internal (?:server )?error",
        r"local (?:configuration )?(?:error|problem) in processing",
        r"resources? (?:temporarily )?(?:low|unavailable)",
        r"i/o error",
        r"interrupted system call",
        r"malformed (?:or unexpected )?name ?server",
        r"(?:queue file|disk|file) (?:write|read) error",
        r"(?:create|open|write to|lock)\b[^.;]{0,30}\b(?:output file|maildir|mail spool|mailbox file)",
        r"dns records? for",
        r"read-only file system",
    ),
    (
        TRANSIENT,
        r"spater (?:noch ?(?:ein)?mal|erneut|wieder)",
        r"voruberg",
        r"zeituberschreitung",
        r"plus tard",
        r"temporairement",
        r"mas tarde",
        r"temporalmente",
        r"piu tardi",
        r"temporaneamente",
        r"mais tarde",
    ),
    (
        TRANSIENT,
        r"позже",
        r"временно",
        r"稍后",
        r"稍後",
        r"暂时",
        r"しばらく",
        r"後ほど",
        r"一時的",
        r"나중에",
        r"later opnieuw",
        r"pozdeji",
        r"pozniej",
        r"daha sonra",
    ),
)

# Weaker signs of a passing trouble than any reason that is given.
LATER: tuple[Row, ...] = (
    (
        TRANSIENT,
        (
            r"(?:system|server|service|resource|recipient)s? (?:is |are )?(?:currently |temporarily )?(?:unavailable"
            r"|not available)"
        ),
        r"currently (?:unavailable|not available|unable)",
    ),
    (
        TRANSIENT,
        r"at (?:present|this time|the moment)",
        r"please (?:try|retry|resend)",
    ),
)
