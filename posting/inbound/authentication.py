"""Whether a message really comes from the domain in its From: told by the mail server in front of us, or found out here.

SPF is not looked at: behind a front nobody here sees the address that a message came from. So without the front's word only an
aligned DKIM signature passes DMARC.
"""

import re
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import compat32
from typing import Literal

from posting.inbound import authors, policies, results, signatures
from posting.inbound.lookups import Lookups, Unanswered

Verdict = Literal["pass", "fail", "none", "error"]
DKIM: dict[str, Verdict] = {"pass": "pass", "none": "none", "temperror": "error"}  # All else is a failure.
DMARC: dict[str, Verdict] = {"pass": "pass", "fail": "fail", "none": "none"}  # All else is an error.
WISH = re.compile(r"\b(?:p|policy)=(none|quarantine|reject)\b")


@dataclass(frozen=True)
class Question:
    """A message, the address in its From, the id that the front signs its results with ("": none), and DNS servers to ask."""

    raw: bytes = field(repr=False)
    author: str = field(repr=False)
    authserv_id: str
    resolvers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answer:
    """What is known. ``aligned``: the author's domain, or one of the same organisation, proved that it sent the message.

    ``dmarc`` "none": the domain publishes no policy. ``policy``: what the domain asks for when a message fails, "" if unknown.
    """

    dkim: Verdict
    dmarc: Verdict
    policy: policies.Wish
    aligned: bool
    words: str


UNANSWERED = "The DNS did not answer, so nobody knows whether the message is really from its author."
TWO_AUTHORS = "The message does not name exactly one author."
ANSWERS: dict[Verdict, str] = {
    "pass": "The author's domain confirms the message (DMARC).",
    "fail": "The author's domain does not confirm the message (DMARC): the author may be forged.",
    "error": UNANSWERED,
}


def check(question: Question) -> Answer:
    """Judge one message; raises nothing. Without a front it asks the DNS, for ten seconds at most."""
    head = re.split(rb"\r?\n\r?\n", question.raw[: signatures.LARGEST_HEAD], maxsplit=1)[0]
    message = BytesParser(policy=compat32).parsebytes(head, headersonly=True)
    fields = [(name.lower(), authors.text(value)) for name, value in message.raw_items()]
    domain = authors.domain_of(question.author)
    author = authors.only(value for name, value in fields if name == "from")
    if not domain or author.lower() != f"{question.author.rpartition('@')[0]}@{domain}".lower():
        return Answer("fail", "fail", "", aligned=False, words=TWO_AUTHORS)
    if question.authserv_id:
        return _told(results.of_the_front(fields, question.authserv_id), domain)
    return _found(question, domain)


def _told(headers: list[list[results.Result]], domain: str) -> Answer:
    """What the front says; where it says nothing, nothing is known."""
    if not headers:
        return Answer("error", "error", "", aligned=False, words="The mail server in front did not say whether the author is real.")
    keys, policy = results.first(headers, "dkim"), results.first(headers, "dmarc")
    verdicts = {DKIM.get(key.value, "fail") for key in keys} or {"error"}
    dkim = next(verdict for verdict in ("pass", "error", "fail", "none") if verdict in verdicts)
    signed = any(key.value == "pass" and _signer(key) == domain for key in keys)
    if len(policy) != 1:
        return Answer(dkim, "error", "", aligned=signed, words="The mail server in front did not check DMARC.")
    [said] = policy
    dmarc = DMARC.get(said.value, "error")
    if dmarc == "pass" and authors.plain(said.properties.get("header.from", "")) != domain:
        dmarc = "fail"  # It judged another From than the one that is read here.
    wish = WISH.search(said.remarks) or WISH.fullmatch(f"p={said.properties.get('policy.dmarc', '')}")
    aligned = dmarc == "pass" or (dmarc != "fail" and signed)
    words = _words(dmarc, aligned=aligned)
    return Answer(dkim, dmarc, wish[1] if wish else "", aligned=aligned, words=words)  # type: ignore[arg-type]


def _signer(key: results.Result) -> str:
    return authors.plain(key.properties.get("header.d") or key.properties.get("header.i", "").rpartition("@")[2])


def _found(question: Question, domain: str) -> Answer:
    """What the signatures and the DNS say."""
    lookups = Lookups(question.resolvers)
    found = signatures.verify(question.raw, domain, lookups)
    verdicts = {signature.verdict for signature in found}
    dkim: Verdict = next((verdict for verdict in ("pass", "error", "fail") if verdict in verdicts), "none")
    passed = {signature.domain for signature in found if signature.verdict == "pass"}
    try:
        policy = policies.policy(domain, lookups)
        aligned = domain in passed or (not policy.strict and _of_one_house(passed, policy.organisation, lookups))
    except Unanswered:
        return Answer(dkim, "error", "", aligned=domain in passed, words=UNANSWERED)
    unknown = any(each.verdict == "error" and signatures.related(each.domain, domain) for each in found)
    dmarc: Verdict = "pass" if aligned else "error" if unknown else "fail"
    if not policy.wish and dmarc != "error":
        dmarc = "none"
    return Answer(dkim, dmarc, policy.wish, aligned=aligned, words=_words(dmarc, aligned=aligned))


def _of_one_house(passed: set[str], house: str, lookups: Lookups) -> bool:
    """Relaxed alignment (RFC 9989 section 4.4): one of the domains belongs to that organisation."""
    near = sorted(each for each in passed if each == house or each.endswith(f".{house}"))
    return any(policies.organisation(each, lookups) == house for each in near)


def _words(dmarc: Verdict, *, aligned: bool) -> str:
    if dmarc == "none":
        signed = "a signature of it confirms the message." if aligned else "nothing confirms the message."
        return f"The author's domain has no policy (DMARC); {signed}"
    return ANSWERS[dmarc]
