"""Text of ``format=flowed`` (RFC 3676), put together again into the lines that were written. Pure."""

from chamberlist.parsing import Parsed

SIGNATURE = "-- "


def unfolded(part: "Parsed[str, str]", text: str) -> str:
    """The text of a part, its soft line breaks taken out where it says that it has some."""
    if _parameter(part, "format") != "flowed":
        return text
    deletes_space = _parameter(part, "delsp") == "yes"
    lines: list[list[str]] = []
    flows_at = -1  # The depth of quotation of the line before, if that goes on.
    for line in text.split("\n"):
        depth = len(line) - len(line.lstrip(">"))
        words = line[depth:].removeprefix(" ")  # Space-stuffing, section 4.4.
        is_soft = words.endswith(" ") and words != SIGNATURE
        written = words[:-1] if is_soft and deletes_space else words
        if flows_at == depth and words != SIGNATURE:
            lines[-1].append(written)
        else:
            lines.append([">" * depth + (" " if depth else "") + written])
        flows_at = depth if is_soft else -1
    return "\n".join("".join(pieces) for pieces in lines)


def _parameter(part: "Parsed[str, str]", name: str) -> str:
    return str(part.get_param(name, "")).strip().lower()
