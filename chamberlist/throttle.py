"""Counting attempts in Postgres, so that a restart or an empty broker opens no door."""

import math
import re
from datetime import datetime, timedelta
from ipaddress import IPv6Address, IPv6Network, ip_address, ip_network

from django.conf import settings
from django.db import connection
from django.db.models import F
from django.http import HttpRequest

from chamberlist.clock import Now, now
from chamberlist.models import ThrottleCounter
from chamberlist.sealed import blind_index

KEPT = timedelta(days=2)
WITH_PORT = re.compile(r"\[(?P<v6>[^\[\]]*)\](:\d*)?|(?P<v4>[0-9.]+):\d*")

COUNT = """
    INSERT INTO chamberlist_throttlecounter (bucket, "window", hits)
    VALUES (%(bucket)s, to_timestamp(floor(extract(epoch FROM clock_timestamp()) / %(per)s) * %(per)s), 1)
    ON CONFLICT (bucket, "window") DO UPDATE SET hits = chamberlist_throttlecounter.hits + 1
    RETURNING hits
"""


USE = """
    INSERT INTO chamberlist_throttlecounter (bucket, "window", hits)
    VALUES (%(bucket)s, %(since)s, 1)
    ON CONFLICT (bucket, "window") DO UPDATE SET hits = chamberlist_throttlecounter.hits + 1
    RETURNING hits
"""


def hit(kind: str, key: str, *, limit: int, per: timedelta) -> bool:
    """Count one attempt; False when it is beyond ``limit`` in this window of ``per``."""
    return count(kind, key, per=per) <= limit


def count(kind: str, key: str, *, per: timedelta) -> int:
    """Count one attempt; how many there are by now in this window of ``per``."""
    return _count(COUNT, kind, key, per=per.total_seconds())


def use(kind: str, key: str, *, since: datetime) -> int:
    """Count one use of a thing that was given out at ``since``, at most ``KEPT`` ago; how often it was used by now."""
    return _count(USE, kind, key, since=since)


def is_over(kind: str, key: str, *, limit: int, per: timedelta) -> bool:
    """Whether so many were counted in this window that one more would be beyond ``limit``; counts nothing."""
    current = ThrottleCounter.objects.filter(bucket=blind_index(f"throttle/{kind}", key), window__gt=Now() - per, window__lte=Now())
    return current.filter(hits__gte=limit).exists()


def minutes_left(per: timedelta) -> int:
    """How long the present window of ``per`` lasts, in whole minutes, of which there is at least one."""
    seconds = per.total_seconds()
    return max(1, math.ceil((seconds - now().timestamp() % seconds) / 60))


def take_back(kind: str, key: str) -> None:
    """The latest attempt was a good one, and does not count. The others do: else who tries could see that somebody else came in."""
    latest = ThrottleCounter.objects.filter(bucket=blind_index(f"throttle/{kind}", key), hits__gt=0).order_by("-window")[:1]
    ThrottleCounter.objects.filter(pk__in=latest.values("pk")).update(hits=F("hits") - 1)


def _count(statement: str, kind: str, key: str, **when: float | datetime) -> int:
    with connection.cursor() as cursor:
        cursor.execute(statement, {"bucket": blind_index(f"throttle/{kind}", key), **when})
        hits: int = cursor.fetchone()[0]
    return hits


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
    """The network of an address, which some proxies write with a port: who has one of its addresses has them all."""
    with_port = WITH_PORT.fullmatch(source)
    try:
        address = ip_address((with_port["v6"] or with_port["v4"] or "" if with_port else source).partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(address, IPv6Address) and address.ipv4_mapped:  # A socket for both kinds shows IPv4 so.
        address = address.ipv4_mapped
    return str(ip_network(f"{address}/{24 if address.version == 4 else 56}", strict=False))


def around(network: str) -> str:
    """The /48 around a network of IPv6, as it is given to one customer; "" for any other: of IPv4 nobody gets so many."""
    try:
        found = ip_network(network)
    except ValueError:
        return ""
    return str(found.supernet(new_prefix=48)) if isinstance(found, IPv6Network) else ""
