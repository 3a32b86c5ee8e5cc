"""The gate: the last look at what is about to leave. What it refuses freezes the post; it never mends.

It has two halves. Once a post, a whole specimen is parsed as a receiver would, and searched. For each copy, the finished bytes are
laid on what was searched: all between the slots is the same, and what is in them is derived anew. Where a provider builds the
bytes, what its interface is given is laid on it instead.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Container, Iterable, Mapping
from email import policy
from email.message import Message
from email.mime.base import MIMEBase
from email.parser import BytesParser
from itertools import zip_longest
from urllib.parse import unquote

from django.conf import settings

from chamberlist import parsing, providers
from posting.delivery import copies, evidence, foreign, formatted, issued, memberlinks, messages, mime, parts, searching
from posting.delivery.copies import Compiled, Copy, Values
from posting.delivery.evidence import NONE, Refusal, masked
from posting.delivery.ledger import Marked
from posting.models import Post
from subscriptions import addresses
from subscriptions.addresses import BadAddress
from subscriptions.models import MailingList

HEADERS = {  # What a copy may have, each once: whatever else grew into it could reach somebody else.
    "from", "to", "reply-to", "subject", "date", "message-id", "list-id", "list-unsubscribe", "list-unsubscribe-post", "list-help",
    "list-owner", "list-post", "precedence", "x-auto-response-suppress", "feedback-id", "mime-version", "content-type",
}  # fmt: skip
GIVEN = HEADERS - {"mime-version", "content-type", *(name.lower() for name in messages.FIELDS)}  # Exactly these, beside the fields.
ELSEWHERE = "It is not addressed to its recipient alone."
SEALED = "A file of it cannot be looked into."
GIVES_AWAY = "It shows a password of a sender, or what looks like one."
MEMBERS_LINK = "It shows a link that is a member's own: was a copy forwarded?"
ODD = "A value of its own has an odd form."
NOT_ITS_OWN = "A rendered copy has a link that is somebody else's own."
CHANGED = "It is not what was checked, with its own values and no others."
LEAVES = 2  # Ways to leave in the header: by one click, and by mail.
LONGEST_LINE = 998  # Octets without CRLF (RFC 5322 section 2.1.1).
LONGEST_RECIPIENT = 254
LARGEST = 10_000_000  # Octets of a copy: many mail servers take no more.
MOST_STRANGERS = 200  # The rest are found once these are allowed.
TOKEN = rb"[a-z2-7]{52}"
GRAMMAR = {
    "recipient": rb'(?:"(?:[^"\\\x00-\x1f\x7f]|\\[ -~])+"|[^\s"(),:;<>@\[\]\\\x00-\x1f\x7f]+)@[a-z0-9.-]+',
    "delivery": rb"[0-9a-f]{32}",
    "reply": TOKEN,
    "leave": TOKEN,
    "choose": TOKEN,
    "bounce": TOKEN,
}
VALUES = re.compile(rb"\0".join(GRAMMAR.values()))  # All in one go: none of them may hold an octet of nought.


def strangers(post: Post) -> list[str]:
    """The addresses that a post names which are neither its sender's, nor the Chamber's, nor allowed by staff by name."""
    return list(named(post))


def named(post: Post) -> dict[str, str]:
    """The same, each with the name of the file in which it stands; "" is the text."""
    known = {normalised(text) for text in _published(post)}
    found: dict[str, str] = {}
    for written, place in searching.named_in(post):
        if normalised(written) not in known:
            known.add(normalised(written))
            found[written] = place
        if len(found) == MOST_STRANGERS:
            break
    return found


def normalised(text: str) -> str:
    """An address in the form in which two are compared."""
    try:
        return addresses.parse(text).normalised
    except BadAddress:  # Our own with a token, at a domain of the longest kind.
        return text.lower()


def check_post(compiled: Compiled) -> Refusal:
    """Once a post: "" or why no copy of it may leave."""
    post = compiled.post
    if post.content_hash != post.accepted_hash:
        return _post(
            "Its content is not the one that was accepted.", evidence.compared("content", post.accepted_hash, post.content_hash)
        )
    if found := named(post):
        return _post("It names an address that staff did not allow.", *(_named(*each) for each in found.items()))
    if sealed := searching.sealed_in(post):
        return _post(SEALED, *(f"file {masked(name)}" for name in sealed))
    if (place := searching.password_in(post)) is not None:
        return _post(GIVES_AWAY, _place(place))
    if (place := searching.member_link_in(post)) is not None:
        return _post(MEMBERS_LINK, _place(place))
    if (kept := formatted.clean(post.html)) != post.html:
        return _post(
            "Its formatted text is not in the form in which one is kept.", evidence.texts("formatted text", kept, post.html)
        )
    if changed := [row.name for row in post.attachments.all() if hashlib.sha256(row.content).hexdigest() != row.sha256]:
        return _post("A file of it is not the one that was accepted.", *(f"file {masked(name)}" for name in changed))
    specimen = compiled.specimen
    parsed = BytesParser(policy=policy.compat32).parsebytes(specimen)
    attached = copies.attached(post)
    return (
        _headers_problem(parsed)
        or _lines_problem(specimen)
        or _slots_problem(compiled)
        or parts.problem(parsed, attached, copies.boundary(post))
        or _links_problem(parsed, compiled.own)
        or _descriptions_problem(parsed, compiled)
        or _texts_problem(parsed, compiled, {file.content_id for file in attached if file.content_id})
        or _sent_problem(compiled)
    )


def check_copy(compiled: Compiled, marked: Marked, copy: Copy, own: Values | None = None) -> Refusal:
    """Each copy: "" or why it may not leave. Pure, and quick. ``own``: its values, derived anew and not those it was built with."""
    if not marked.recipient or copy.recipient != marked.recipient or copy.post_id != compiled.post.id:
        return _copy(ELSEWHERE, evidence.compared("envelope, recipient", marked.recipient or None, copy.recipient))
    values = own or copies.values_for(marked)
    if values["recipient"] != marked.recipient.encode() or values["delivery"] != marked.handle.hex().encode():
        return _copy(CHANGED, "Its values are those of another copy.")
    if not _is_in_form(values):
        return _copy(ODD, _odd(values))
    if copy.envelope_sender != copies.envelope_sender(values):
        return _copy(
            "Its bounces would not come back to it.",
            evidence.compared("envelope, sender", copies.envelope_sender(values), copy.envelope_sender),
        )
    start = compiled.signing.end(copy.data, values)
    if start < 0 or not compiled.data.is_filled(copy.data, values, start=start):
        return _copy(CHANGED, _difference(compiled, values, copy))
    return NONE


def check_message(compiled: Compiled, marked: Marked, message: messages.Message, backend: str) -> Refusal:
    """Each copy that a provider builds: "" or why ``backend`` may not be given this message."""
    alone = [marked.recipient]
    if not marked.recipient or message.to != alone or message.recipients() != alone or marked.post_id != compiled.post.pk:
        found = {"to": message.to, "cc": message.cc, "bcc": message.bcc}
        return _message(ELSEWHERE, evidence.mappings({"to": alone, "cc": [], "bcc": []}, found))
    values = copies.values_for(marked)
    if not _is_in_form(values):
        return _message(ODD, _odd(values))
    told = {"metadata": messages.metadata(marked), **providers.untracked(backend)}
    if messages.extras(message) != told:
        return _message(
            "The provider is told more or less than it needs to know about it.", evidence.mappings(told, messages.extras(message))
        )
    names = [name.lower() for name in message.extra_headers]
    if set(names) != GIVEN or len(names) != len(GIVEN):
        return _message("It has a header that does not belong into it, or lacks one.", evidence.names(names, GIVEN))
    found_fields, checked = _fields(message), _checked_fields(compiled, values)
    if found_fields != checked or message.content_subtype != "plain":
        return _message(CHANGED, evidence.mappings(checked, found_fields))
    files = [mime.read(part) if isinstance(part, MIMEBase) else None for part in message.attachments]
    if files != compiled.files:
        both = zip_longest(compiled.files, files, fillvalue=parts.NO_FILE)
        return _message(CHANGED, *(parts.file_difference(place, *each) for place, each in enumerate(both, 1)))
    return NONE


def _post(reason: str, *shown: str) -> Refusal:
    return Refusal(reason, "post", evidence.joined(list(shown)))


def _copy(reason: str, *shown: str) -> Refusal:
    return Refusal(reason, "copy", evidence.joined(list(shown)))


def _message(reason: str, *shown: str) -> Refusal:
    return Refusal(reason, "message", evidence.joined(list(shown)))


def _named(address: str, place: str) -> str:
    return f"{masked(address)} {_place(place)}"


def _place(name: str) -> str:
    return f"in the file {masked(name)}" if name else "in the text"


def _is_in_form(values: Values) -> bool:
    return VALUES.fullmatch(b"\0".join([values[name] for name in GRAMMAR])) is not None


def _odd(values: Values) -> str:
    found = (name for name, form in GRAMMAR.items() if not re.fullmatch(form, values[name]))
    return ", ".join(found)


def _difference(compiled: Compiled, values: Values, copy: Copy) -> str:
    """Where a copy is not as it must be. It is known to be wrong: here there is time."""
    wanted = copy._replace(data=compiled.signing.sign(values) + compiled.data.fill(values))
    return evidence.messages(wanted.message, copy.message)


def _fields(message: messages.Message) -> dict[str, str]:
    """What a message says, each part by its name."""
    fields = {name.lower(): str(value) for name, value in message.extra_headers.items()}
    fields |= {
        "from": message.from_email,
        "reply-to": ", ".join(message.reply_to),
        "subject": str(message.subject),
        "text": str(message.body),
    }
    kinds = Counter(kind for _, kind in message.alternatives)
    return fields | {kind if kinds[kind] == 1 else f"{kind}, several": str(content) for content, kind in message.alternatives}


def _checked_fields(compiled: Compiled, values: Mapping[str, bytes]) -> dict[str, str]:
    """The same of the specimen that was checked, with a copy's own values in it."""
    post = compiled.post
    fields = {name: template.fill(values).decode() for name, template in compiled.fields.items()}
    author = messages.author(f"{copies.author_name(post)} <{post.mailing_list.address}>")
    return fields | {"from": author, "subject": messages.words(post.subject)}


def _headers_problem(message: "Message[str, str]") -> Refusal:
    names = [name.lower() for name in message]
    if len(set(names)) != len(names) or not HEADERS.issuperset(names) or "to" not in names:
        wanted = (HEADERS & set(names)) | {"to"}
        return _post("A rendered copy has a header that does not belong into it.", evidence.names(names, wanted))
    return NONE


def _lines_problem(specimen: bytes) -> Refusal:
    if not specimen.isascii() or b"\0" in specimen or b"\n" in (bare := specimen.replace(b"\r\n", b"")) or b"\r" in bare:
        at = re.search(rb"[\x80-\xff\x00]|(?<!\r)\n|\r(?!\n)", specimen)
        return _post("A rendered copy has an octet that a mail server may change.", f"octet {at.start()}" if at else "")
    if len(specimen) > LARGEST:
        said = f"A copy would be larger than {LARGEST // 1_000_000} MB, with what is attached; many mail servers take no more."
        return _post(said, f"{len(specimen)} octets")
    if (longest := max(len(line) for line in specimen.split(b"\r\n"))) > LONGEST_LINE - LONGEST_RECIPIENT:
        return _post("A rendered copy has a line that is longer than mail servers accept.", f"{longest} octets")
    return NONE


def _slots_problem(compiled: Compiled) -> Refusal:
    """Each value of a copy's own has its places."""
    whole, is_opaque = compiled.whole, compiled.post.mailing_list.replies == MailingList.Replies.OPAQUE
    number = Counter(slot.name for slot in whole.slots)
    once = {"recipient": 1, "delivery": 1, "reply": int(is_opaque), "bounce": 0}
    shown = [f"{name}: expected {wanted}, found {number[name]}" for name, wanted in once.items() if number[name] != wanted]
    shown += [f"{name}: expected a few, found none" for name in ("leave", "choose") if not number[name]]
    if shown:
        return _post("A rendered copy lacks something of its own, or has it in a place where it does not belong.", *shown)
    at = next(place for place, slot in enumerate(whole.slots) if slot.name == "recipient")
    if not (b"\r\n" + whole.pieces[at]).endswith(b"\r\nTo: ") or not whole.pieces[at + 1].startswith(b"\r\n"):
        return _post("A rendered copy is not addressed to its recipient alone.", "header to")
    return NONE


def _sent_problem(compiled: Compiled) -> Refusal:
    if compiled.data != compiled.whole.dot_stuffed():
        return _post("The bytes that would be sent are not those that were looked at.")
    return NONE


def _links_problem(message: "Message[str, str]", own: Values) -> Refusal:
    """Both texts and the header have the links with which their reader leaves."""
    leave, choose = own["leave"], own["choose"]
    shown = [] if str(message["List-Unsubscribe"]).encode().count(leave) == LEAVES else ["header list-unsubscribe"]
    for part in parts.texts(message):
        content = part.get_payload(decode=True)
        assert isinstance(content, bytes)
        shown += [f"its {part.get_content_type()}"] if leave not in content or choose not in content else []
    return _post("A rendered copy lacks a link with which its reader leaves.", *shown) if shown else NONE


def _descriptions_problem(message: "Message[str, str]", compiled: Compiled) -> Refusal:
    """What stands in the headers of the copy and of its parts, comments and long lines included."""
    own = [value.decode() for value in compiled.own.values()]
    ours = [f"leave-{own_value}@{settings.LIST_DOMAIN}" for own_value in own]
    ours += [f"r-{own_value}@{settings.LIST_DOMAIN}" for own_value in own] + [
        f"{own_value}@{settings.LIST_DOMAIN}" for own_value in own
    ]
    ids = [file.content_id for file in copies.attached(compiled.post) if file.content_id]
    known = {normalised(text) for text in (*_published(compiled.post), *ours, *ids)}
    for part in message.walk():
        for name, value in part.items():
            values = [f"{name}: {value}", f"{name}: {parsing.header(part, name)}"]
            said = [form for text in values for form in (text, unquote(text), re.sub(r"\s*\r?\n\s*", "", text))]
            written = [address for text in said for address in searching.addresses_in(text)]
            if others := _others(written, known):
                shown = (f"header {masked(name)}: {masked(address)}" for address in others)
                return _post("A rendered copy names an address that does not belong into it.", *shown)
            if memberlinks.stands_in(" ".join(said), but=own):
                return _post(NOT_ITS_OWN, f"header {masked(name)}")
    return NONE


def _texts_problem(message: "Message[str, str]", compiled: Compiled, pictures: set[str]) -> Refusal:
    """Both texts, as their reader sees them."""
    post, own = compiled.post, [value.decode() for value in compiled.own.values()]
    known = {normalised(text) for text in (*_published(post), *pictures)}
    for part in parts.texts(message):
        content = part.get_payload(decode=True)
        assert isinstance(content, bytes)
        text, is_html = content.decode(part.get_content_charset("utf-8"), "replace"), part.get_content_subtype() == "html"
        if is_html and (found := foreign.found_in(text, pictures)):
            return _post(f"A rendered copy has foreign content: {masked(found)}.", f"in its {part.get_content_type()}")
        written = searching.addresses_in_html(text) if is_html else searching.addresses_in(text)
        if others := _others(written, known):
            shown = (f"{masked(address)} in its {part.get_content_type()}" for address in others)
            return _post("A rendered copy names an address that does not belong into it.", *shown)
        if memberlinks.stands_in(text, but=own):
            return _post(NOT_ITS_OWN, f"in its {part.get_content_type()}")
        if issued.stands_in(text):
            return _post(GIVES_AWAY, f"in its {part.get_content_type()}")
    return NONE


def _others(written: Iterable[str], known: Container[str]) -> list[str]:
    """Those that are not known, each once, however it is written."""
    return list({normalised(address): address for address in written if normalised(address) not in known}.values())


def _published(post: Post) -> tuple[str, ...]:
    chamber = (settings.CHAMBER.contact, post.mailing_list.address)
    return (*chamber, post.sender.address, *post.allowed_addresses)
