"""The URLs of Postgres and of the broker: a server that is not on this machine is asked with a password."""

from urllib.parse import parse_qs, unquote, urlsplit

from chamberlist.relay import is_loopback

OF_EXAMPLES = {"password", "postgres", "redis", "valkey", "chamberlist", "changeme", "secret", "user", "admin"}
ELSEWHERE = {"passfile", "sslkey", "service"}  # Parameters of Postgres that name where its proof is kept.


def checked(name: str, url: str, *, advice: str) -> str:
    """The URL in variable ``name``; a ValueError says what is wrong and ``advice``, and quotes nothing of it."""
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError(f"{name} cannot be read. {advice}") from None
    options, password = parse_qs(parts.query), unquote(parts.password or "")
    host = (options.get("host") or [unquote(parts.hostname or "")])[-1]
    if not host or host.startswith("/") or is_loopback(host):  # A socket, or the machine's own loopback.
        return url
    if not password and not ELSEWHERE & set(options):
        raise ValueError(f"{name} has no password, and its server is not on this machine. {advice}")
    if password and password.casefold() in OF_EXAMPLES | {unquote(parts.username or "").casefold()}:
        raise ValueError(f"{name} has a password that anybody would try first. {advice}")
    return url
