"""How much may be typed into the subscribe pages, and what staff hear when it is more. No counter knows of an address.

A form that is plainly a robot's meets the caps as everybody's does, but takes nobody's place in them: nothing comes of it.
"""

from datetime import timedelta
from enum import StrEnum

from django.conf import settings

from chamberlist import systemmail, throttle

HOUR = timedelta(hours=1)
REQUESTS_AN_HOUR = 40  # From one network: a Chamber's office signs members up at a fair.
REQUESTS_AROUND = 80  # From the /48 around it (IPv6): who rents one has 256 networks in it.
# Where SIGN_UP_WORK asks for work, and none was done: from one network, from the /48 around it, and from all.
WITHOUT_WORK_A_NETWORK, WITHOUT_WORK_AROUND, WITHOUT_WORK_AN_HOUR = 5, 10, 30


class Full(StrEnum):
    """Which cap is reached; the page says what can be done."""

    NETWORK = "network"
    ALL = "all"
    WORK = "work"


def requests_an_hour() -> int:
    """The most that all subscribe pages take in an hour: half of the mails that typed addresses may cause.

    The other half stays for imports that ask and for members' own links: no flood of strangers' addresses can use it up.
    """
    return max(1, settings.CONFIRMATIONS_AN_HOUR // 2)


def of_network(network: str) -> Full | None:
    """Count what comes from a network, slips of the pen and all."""
    for key, limit in ((network, REQUESTS_AN_HOUR), (throttle.around(network), REQUESTS_AROUND)):
        hits = throttle.count("subscribe", key, per=HOUR) if key else 0
        if hits == limit + 1:
            systemmail.alert("sign-ups of one network", "Many sign-ups come from one network", MANY_OF_ONE)
        if hits > limit:  # And no further: beyond its own limit a network counts against nobody else.
            return Full.NETWORK
    return None


def of_request(network: str, *, is_worked_for: bool, is_from_a_robot: bool) -> Full | None:
    """Count a request that would be taken."""
    if not is_worked_for:
        for key, most in ((network, WITHOUT_WORK_A_NETWORK), (throttle.around(network), WITHOUT_WORK_AROUND)):
            if key and _count("subscribe without work", key, is_from_a_robot, limit=most) > most:
                return Full.WORK
        hits = _count("all without work", "", is_from_a_robot, limit=WITHOUT_WORK_AN_HOUR)
        if hits == WITHOUT_WORK_AN_HOUR + 1 and not is_from_a_robot:
            systemmail.alert("sign-ups without work", "Many sign-ups come without the browser's work", MANY_WITHOUT_WORK)
        if hits > WITHOUT_WORK_AN_HOUR:
            return Full.WORK
    limit = requests_an_hour()
    hits = _count("all requests", "", is_from_a_robot, limit=limit)
    if hits == limit + 1 and not is_from_a_robot:
        systemmail.alert("sign-ups in all", "The subscribe pages take no more addresses this hour", many(limit))
    return Full.ALL if hits > limit else None


def _count(kind: str, key: str, is_from_a_robot: bool, *, limit: int) -> int:
    if is_from_a_robot:
        return limit + throttle.is_over(kind, key, limit=limit, per=HOUR)
    return throttle.count(kind, key, per=HOUR)


SAFE = (
    "Nobody is subscribed who does not confirm, and no address is mailed more than once a day and three times in 30 days, "
    "however often it is typed."
)
MANY_OF_ONE = (
    f"More than {REQUESTS_AN_HOUR} addresses came from one network within an hour, and the subscribe pages take no more from there "
    "until the hour is over. If you sign members up at a fair, or many sit in one house, that is all: go on after the hour. "
    f"If not, somebody may be typing strangers' addresses. {SAFE} If it goes on, ask whoever runs the site to set "
    "SIGN_UP_WORK, or to refuse that network at the proxy, whose log names it for some days."
)
MANY_WITHOUT_WORK = (
    f"More than {WITHOUT_WORK_AN_HOUR} addresses came within an hour from browsers that did no work for SIGN_UP_WORK: robots, "
    "and people who have switched JavaScript off. Until the hour is over such requests are not taken, and the page says so. "
    f"All others go on. {SAFE} You need do nothing. If a person writes to you, an import that asks (--ask) sends the question."
)


def many(limit: int) -> str:
    """What staff are told when all pages together are full."""
    return (
        f"{limit} addresses were typed into the subscribe pages within an hour: half of what the setting CONFIRMATIONS_AN_HOUR "
        "allows. Until the hour is over visitors are asked to come back. If you have just announced a list, let the setting be "
        f"raised. If not, somebody is typing strangers' addresses. {SAFE} Ask whoever runs the site to set SIGN_UP_WORK (18), "
        "or to raise it: then each address costs the sender seconds of work."
    )
