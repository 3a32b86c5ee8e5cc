"""What the demo prints once it runs: where everything is, who may sign in, what to try first."""

from pathlib import Path

from chamberlist.embedded import letter

PAGES = (
    ("The site, for members", "/"),
    ("Senders sign in", "/senders/"),
    ("Staff sign in", "/admin/"),
    ("Every mail that left", "/dev/mail/"),
)


def text(url: str, folder: Path, *, door: int, seconds: float) -> str:
    """The whole of it, to be read at a terminal of 80 columns."""
    width = max(len(name) for name, _ in PAGES)
    pages = [f"    {name:<{width}}   {url}{path}" for name, path in PAGES]
    credentials = (folder / "credentials").read_text().splitlines()
    return "\n".join(
        [
            "",
            f"The demo runs (ready in {seconds:.1f} s).",
            "",
            *pages,
            "",
            "  Sign-ins (invented, kept in this demo only)",
            *(f"    {line}" for line in credentials if line.strip()),
            "",
            "  Try this first",
            "    1. Subscribe any invented address on the site.",
            "    2. Open the mail page, find the confirmation, follow its link, confirm.",
            "    3. Sign in as a sender, write a post, submit it.",
            "    4. Sign in as staff, open the held post, accept it.",
            "    5. Watch the copies arrive on the mail page, each to one person alone.",
            "",
            "  Or post by mail: the file has the sender's address and password in it. The same",
            "  file again is the same post; change its words for another one.",
            f"    curl smtp://localhost:{door} --mail-from {letter.author(folder / 'credentials')} \\",
            f"      --mail-rcpt {letter.LIST} --crlf -T {_short(folder / 'message.eml')}",
            "",
            f"  Commands   {_short(folder / 'manage')} poststatus 1 --json",
            f"  Logs       {_short(folder / 'log')}/",
            f"  Ctrl-C stops everything. The data stays; remove {_short(folder)} to start anew.",
            "",
        ]
    )


def _short(path: Path) -> str:
    """The path as one would type it here."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
