"""What a provider is sent, tells us and hands over: each request by itself, as it stood on the socket."""

from typing import Any

from django.urls import reverse

from posting.models import Delivery, Post
from tests.canary.browsers import as_octets
from tests.canary.canaries import Aviary
from tests.canary.haul import Haul, kinds
from tests.canary.registry import Exercised
from tests.canary.scene import letter
from tests.providerserver import SECRET, Provider
from tests.test_inbound_webhooks import by_postmark
from tests.test_provider_reports import bounced, complained, delivered, tell

TRACKING, INBOUND = "postmark_tracking_webhook", "postmark_inbound_webhook"
DOMAIN = "lists.chamber.example"


def reports(post: Post, haul: Haul, exercised: Exercised) -> None:
    """Delivered, bounced, complained and unknown, and one that is forged; the reports name the recipients, as real ones do."""
    copies = list(post.deliveries.filter(state=Delivery.State.SENT).select_related("subscription").order_by("pk"))
    people = [copy.subscription.address for copy in copies if copy.subscription]
    told: list[dict[str, Any]] = [
        delivered(copies[0].handle.hex, Recipient=people[0], Details=f"smtp;250 2.1.5 <{people[0]}> Ok"),
        bounced(copies[1].handle.hex, Email=people[1], Details=f"smtp;550 5.1.1 <{people[1]}>: unknown"),
        complained(copies[2].handle.hex) | {"Email": people[2], "Details": f"{people[2]} complained"},
        bounced("0" * 32, Email=people[3], Details=f"smtp;550 5.1.1 <{people[3]}>: unknown"),
        delivered(copies[3].handle.hex, Recipient=people[4], Details=f"smtp;250 <{people[4]}> of another copy"),
        {"RecordType": "Odd", "Email": people[5]},
    ]
    for report in told:
        haul.add("HTTP, provider", as_octets(tell(report, to=reverse(TRACKING))))
        haul.add("HTTP, forger", as_octets(tell(report, to=reverse(TRACKING), secret="reports:wrong")))
    exercised.note("page", TRACKING)


def mails(aviary: Aviary, haul: Haul, exercised: Exercised) -> None:
    """To staff and to nobody, rightly and without the secret."""
    author = aviary.address("i")
    raw = letter(author=author, subject="By webhook", text=f"Ask {author}.").decode()
    for to in (f"abuse@{DOMAIN}", f"nobody@{DOMAIN}", aviary.address("i")):
        for secret in (SECRET, "reports:wrong"):
            haul.add("HTTP, provider", as_octets(by_postmark(raw, to, author, secret)))
    exercised.note("page", INBOUND)


def collect(provider: Provider, haul: Haul, *, sender_may: str = "sn") -> None:
    haul.add_requests(provider.requests, kinds(sender_may))
