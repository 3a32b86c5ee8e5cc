"""The environment that the site reads (see README), filled in for a run on embedded servers."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from chamberlist import keys

DATABASE_OVERRIDE = "EMBEDDED_DATABASE_URL"  # A name of its own: the demo must never load its members into a real database.
CHAMBER = {
    "LIST_DOMAIN": "lists.chamber.example",
    "CHAMBER_NAME": "Ambridge Chamber of Commerce",
    "CHAMBER_POSTAL_ADDRESS": "1 Market Square, Ambridge AB1 2CD",
    "CHAMBER_CONTACT": "office@chamber.example",
}
OURS = re.compile(
    r"(SECRET_KEY|\w+_KEYS|DATABASE_URL|REDIS_URL|SITE_URL|SMTP_URL|LIST_DOMAIN|STATE_DIR|EMAIL_PROVIDER|PROXY_HOPS"
    r"|TIME_ZONE|LOG_LEVEL|SIGN_UP_WORK|EMBED_ORIGINS|DEMO_MAIL|AUTHSERV_ID|DNS_RESOLVERS|ANYMAIL|DJANGO_SETTINGS_MODULE|(ANYMAIL|CHAMBER|DELIVERY|DKIM)_\w+?)(_FILE)?"
)


def inherited() -> dict[str, str]:
    """This process's environment without the site's settings: what was exported for production stays out."""
    return {name: value for name, value in os.environ.items() if not OURS.fullmatch(name)}


def for_tests(*, database: str, redis: str, state: Path) -> dict[str, str]:
    """A whole environment with fresh secrets; mail goes nowhere unless a test says where."""
    return site(
        keys.environment(),
        database=database,
        redis=redis,
        state=state,
        url="http://localhost",
        smtp="smtp://127.0.0.1:1/?tls=none",
    )


def site(secrets: Mapping[str, str], *, database: str, redis: str, state: Path, url: str, smtp: str) -> dict[str, str]:
    """A whole environment from its parts."""
    return CHAMBER | {
        **secrets,
        "DATABASE_URL": database,
        "REDIS_URL": redis,
        "STATE_DIR": str(state),
        "SITE_URL": url,
        "SMTP_URL": smtp,
        "DJANGO_SETTINGS_MODULE": "chamberlist.settings",
    }
