"""What a post encloses beside its text: HTML and files under names of our own, in which nothing of a stranger's mail is left."""

from collections.abc import Sequence
from uuid import UUID

from chamberlist import parsing, tokens
from posting.delivery import formatted, mime

MARK_LENGTH = 26
NO_NAME = "file"


def enclosed(key: UUID, html: str, files: Sequence[mime.Attachment]) -> tuple[str, list[mime.Attachment]]:
    """HTML and files as they are kept. A picture that the HTML does not show is a file as any other."""
    mark = tokens.make("picture", key)[:MARK_LENGTH]  # Of the post: the same mail makes the same names.
    html = formatted.clean(html)
    shown, names = formatted.pictures_in(html), dict[str, str]()
    kept = []
    for place, file in enumerate(files):
        ours = ""
        if file.content_id in shown and file.content_id not in names:
            ours = names[file.content_id] = f"part{place}.{mark}"
        kept.append(mime.Attachment(parsing.file_name(file.name) or NO_NAME, file.kind.lower(), file.content, ours))
    return formatted.renamed(html, names), kept
