"""DNS servers that are asked about the senders of incoming mail: ``DNS_RESOLVERS`` read into addresses and ports."""

from ipaddress import ip_address


class BadResolvers(ValueError):
    """The list is not usable; the message says what to write."""


def parse(text: str) -> tuple[str, ...]:
    """The servers of a comma-separated list, each of the form that ``place`` takes; raises ``BadResolvers``."""
    found = tuple(each.strip() for each in text.split(",") if each.strip())
    for each in found:
        try:
            address, port = place(each)
            ip_address(address)
        except ValueError:
            port = 0
        if not 0 < port < 65_536:
            raise BadResolvers("DNS_RESOLVERS takes addresses separated by commas, such as 192.0.2.53 or 192.0.2.53:5353.")
    return found


def place(resolver: str) -> tuple[str, int]:
    """Address and port of ``192.0.2.1``, ``192.0.2.1:53``, ``2001:db8::1`` or ``[2001:db8::1]:53``."""
    if resolver.startswith("["):
        address, _, port = resolver[1:].partition("]")
        return address, int(port.removeprefix(":") or 53)
    if resolver.count(":") == 1:
        address, _, port = resolver.partition(":")
        return address, int(port)
    return resolver, 53
