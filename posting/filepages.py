"""What a post encloses, on the pages of its author and of staff: its text as members get it, its pictures, its files."""

from collections.abc import Callable
from dataclasses import dataclass

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.http import content_disposition_header
from django.utils.safestring import SafeString

from posting.delivery import copies, formatted
from posting.models import Post

Address = Callable[[int], str]  # Of the page that gives the file at this place.

SHOWN = ("image/png", "image/jpeg", "image/gif")
SAVED = ("application/pdf", "text/plain", "text/csv", "text/calendar")  # Any other is just octets.
POLICY = "default-src 'none'; frame-ancestors 'none'; sandbox"  # Nothing of a file runs or is fetched, and no page frames it.


@dataclass(frozen=True)
class Listed:
    """A file as a page names it."""

    name: str
    kind: str
    size: int
    address: str
    is_shown: bool  # In the text.


def text(post: Post, address: Address) -> SafeString:
    """The text as a page shows it."""
    if not post.html:
        return copies.paragraphs(post.body)
    places = dict(post.attachments.exclude(content_id="").values_list("content_id", "position"))
    return formatted.on_page(post.html, lambda content_id: address(places[content_id]) if content_id in places else None)


def listed(post: Post, address: Address) -> list[Listed]:
    """Its files, in order, without what is in them."""
    files = post.attachments.order_by("position").defer("sealed_content")
    return [Listed(file.name, file.kind, file.size, address(file.position), bool(file.content_id)) for file in files]


def file(post: Post, position: int) -> HttpResponse:
    """One file, which no browser may take for a page of ours: pictures are shown, all others saved."""
    found = get_object_or_404(post.attachments, position=position)
    is_picture = found.kind in SHOWN
    kind = found.kind if is_picture or found.kind in SAVED else "application/octet-stream"
    response = HttpResponse(found.content, content_type=kind)
    response["Content-Disposition"] = content_disposition_header(not is_picture, found.name) or "attachment"
    response["Content-Security-Policy"] = POLICY
    response["X-Content-Type-Options"] = "nosniff"
    response["Cross-Origin-Resource-Policy"] = "same-origin"
    return response
