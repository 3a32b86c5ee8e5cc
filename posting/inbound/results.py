"""``Authentication-Results`` (RFC 8601): what the mail server in front of us found out about a message."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

NAME = "authentication-results"
# What filters write between one result and the next; anything else ends the block of the server in front.
BETWEEN = {"dkim-filter", "dmarc-filter", "received-spf"}
MOST_RECEIVED = 1  # The front's own; results below another server's line are that server's, or forged.
LONGEST = 8_192
WORD = re.compile(r'[^\s();="\\]+')
QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
MARK = re.compile(r"[();\\]")


@dataclass(frozen=True)
class Result:
    """One method's result: ``dkim=pass header.d=bakery.example``, and the remarks beside it; all in lower case."""

    method: str
    value: str
    properties: dict[str, str] = field(default_factory=dict)
    remarks: str = ""


def of_the_front(fields: Iterable[tuple[str, str]], authserv_id: str) -> list[list[Result]]:
    """The results under our id, a list for each header; empty where the front wrote none.

    Nothing in a message tells a true header from one that a stranger wrote with our id, but for its place (RFC 8601 section 5): so
    only the topmost block counts, and only above any other server's ``Received``. That the front removes strangers' headers with
    our id, as OpenDKIM, OpenDMARC and Rspamd do, is for its configuration.
    """
    found = [read(value) for value in _topmost(fields)]
    return [results for named, results in found if named and named == authserv_id.lower()]


def first(headers: Sequence[Sequence[Result]], method: str) -> list[Result]:
    """A method's results in the topmost header that has any: what stands lower down with our id cannot add to them."""
    for results in headers:
        if chosen := [result for result in results if result.method == method]:
            return chosen
    return []


def read(value: str) -> tuple[str, list[Result]]:
    """The id and the results of one header; ("", []) where it is malformed or of another version."""
    if len(value) > LONGEST:
        return "", []
    tokens = list(_tokens(value))
    if any(kind == "broken" for kind, _ in tokens):
        return "", []
    clauses = list(_clauses(tokens))
    head = [text for kind, text in clauses[0] if kind != "remark"]
    if not head or len(head) > 2 or head[1:] not in ([], ["1"]):
        return "", []
    results = [_result(clause) for clause in clauses[1:]]
    return head[0].lower(), [result for result in results if result]


def _topmost(fields: Iterable[tuple[str, str]]) -> list[str]:
    block: list[str] = []
    received = 0
    for name, value in fields:
        if name == NAME:
            block.append(value)
        elif block and name not in BETWEEN:
            break
        elif name == "received":
            received += 1
            if received > MOST_RECEIVED:
                break
    return block


def _result(clause: list[tuple[str, str]]) -> Result | None:
    """``method[/1]=value`` and ``property=value`` pairs; None for what is neither."""
    remarks = " ".join(text for kind, text in clause if kind == "remark").lower()
    tokens = [token for token in clause if token[0] != "remark"]
    pairs: dict[str, str] = {}
    while len(tokens) >= 3 and tokens[0][0] == "word" and tokens[1][0] == "=" and tokens[2][0] in ("word", "quoted"):
        (_, name), _, (kind, text), *tokens = tokens
        if kind == "quoted" and tokens and tokens[0][1].startswith("@"):  # header.i="two words"@bakery.example
            text += tokens.pop(0)[1]
        if name.lower() in pairs:
            return None
        pairs[name.lower()] = text.lower()
    if tokens or not pairs:
        return None
    (method, result), *properties = pairs.items()
    method, _, version = method.partition("/")
    return Result(method, result, dict(properties), remarks) if version in ("", "1") else None


def _clauses(tokens: Iterable[tuple[str, str]]) -> Iterator[list[tuple[str, str]]]:
    clause: list[tuple[str, str]] = []
    for token in tokens:
        if token[0] == ";":
            yield clause
            clause = []
        else:
            clause.append(token)
    yield clause


def _tokens(value: str) -> Iterator[tuple[str, str]]:
    """Words, quoted strings, remarks in brackets, ``=`` and ``;``. A quote that never closes is broken."""
    at = 0
    while at < len(value):
        if value[at].isspace():
            at += 1
        elif value[at] == "(":
            end = end_of_remark(value, at)
            yield "remark", value[at + 1 : end - 1]
            at = end
        elif found := QUOTED.match(value, at):
            yield "quoted", re.sub(r"\\(.)", r"\1", found[1], flags=re.DOTALL)
            at = found.end()
        elif found := WORD.match(value, at):
            yield "word", found[0]
            at = found.end()
        elif value[at] in "=;":
            yield value[at], value[at]
            at += 1
        else:
            yield "broken", value[at:]
            return


def end_of_remark(value: str, start: int) -> int:
    """Where the bracket that opens at ``start`` closes; remarks nest, and one that never closes takes all the rest."""
    depth, at = 0, start
    while found := MARK.search(value, at):
        at = found.end() + (found[0] == "\\")
        depth += {"(": 1, ")": -1}.get(found[0], 0)
        if depth == 0:
            return at
    return len(value) + 1
