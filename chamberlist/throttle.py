"""Counting attempts in Postgres, so that a restart or an empty broker opens no door."""

from datetime import timedelta
from ipaddress import IPv6Address, ip_address, ip_network

from django.conf import settings
from django.db import connection
from django.http import HttpRequest

from chamberlist.clock import Now
from chamberlist.models import ThrottleCounter
from chamberlist.sealed import blind_index

KEPT = timedelta(days=2)

COUNT = """
    INSERT INTO chamberlist_throttlecounter (bucket, "window", hits)
    VALUES (%(bucket)s, to_timestamp(floor(extract(epoch FROM clock_timestamp()) / %(per)s) * %(per)s), 1)
    ON CONFLICT (bucket, "window") DO UPDATE SET hits = chamberlist_throttlecounter.hits + 1
    RETURNING hits
"""


def hit(kind: str, key: str, *, limit: int, per: timedelta) -> bool:
    """Count one attempt; False when it is beyond ``limit`` in this window of ``per``."""
    with connection.cursor() as cursor:
        cursor.execute(COUNT, {"bucket": blind_index(f"throttle/{kind}", key), "per": per.total_seconds()})
        hits: int = cursor.fetchone()[0]
    return hits <= limit


def is_over(kind: str, key: str, *, limit: int, per: timedelta) -> bool:
    """Whether so many were counted in this window that one more would be beyond ``limit``; counts nothing."""
    current = ThrottleCounter.objects.filter(bucket=blind_index(f"throttle/{kind}", key), window__gt=Now() - per, window__lte=Now())
    return current.filter(hits__gte=limit).exists()


def forget(kind: str, key: str) -> None:
    """Start again at nothing: the attempt was a good one."""
    ThrottleCounter.objects.filter(bucket=blind_index(f"throttle/{kind}", key)).delete()


def prune() -> None:
    """Delete the counters of windows that are over."""
    ThrottleCounter.objects.filter(window__lt=Now() - KEPT).delete()


def network(request: HttpRequest) -> str:
    """The network that a request came from (/24, or /56 of IPv6), seen past as many proxies as PROXY_HOPS trusts."""
    hops = [part.strip() for part in request.headers.get("X-Forwarded-For", "").split(",") if part.strip()]
    trusted = settings.PROXY_HOPS
    source = hops[-trusted] if 0 < trusted <= len(hops) else request.META.get("REMOTE_ADDR", "")
    return network_of(source)


def network_of(source: str) -> str:
    """The network of an address: who has one of its addresses has them all."""
    try:
        address = ip_address(source.partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(address, IPv6Address) and address.ipv4_mapped:  # A socket for both kinds shows IPv4 so.
        address = address.ipv4_mapped
    return str(ip_network(f"{address}/{24 if address.version == 4 else 56}", strict=False))
