"""Sample data for the demo."""

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils.crypto import get_random_string

from posting.models import Pace
from posting.submission import senders
from subscriptions import addresses, importing
from subscriptions.models import MailingList

MEMBERS = 630
NAMES = [
    "ada",
    "alan",
    "amy",
    "anil",
    "anna",
    "ben",
    "cara",
    "carl",
    "cleo",
    "dan",
    "dawn",
    "dev",
    "ella",
    "emma",
    "eric",
    "eva",
    "finn",
    "gail",
    "gita",
    "hans",
    "hugo",
    "ida",
    "ines",
    "ivan",
    "jack",
    "jane",
    "jill",
    "joe",
    "jude",
    "kai",
    "kate",
    "lena",
    "leo",
    "lily",
    "luke",
    "mary",
    "max",
    "mia",
    "nina",
    "noah",
    "nora",
    "omar",
    "otis",
    "owen",
    "paul",
    "pia",
    "rosa",
    "ruth",
    "sam",
    "sara",
    "seth",
    "tara",
    "ted",
    "theo",
    "tina",
    "tom",
    "una",
    "vera",
    "wes",
    "zoe",
]
TRADES = [
    "bakery",
    "bookshop",
    "brewery",
    "cafe",
    "carpentry",
    "dairy",
    "florist",
    "garage",
    "joinery",
    "pottery",
    "printers",
]
SENDERS = (("promotions@bloggs.example", "Bloggs Ltd"), ("hello@bridge-farm.example", "Bridge Farm Shop"))


class Command(BaseCommand):
    help = "Load the demo's sample data, once, and print its sign-ins. It works in the demo only."

    @transaction.atomic
    def handle(self, **options: object) -> None:
        if not settings.DEMO_MAIL:
            raise CommandError("This is for `make demo`: here it would put invented members beside real ones. Nothing was changed.")
        mailing_list, is_new = MailingList.objects.get_or_create(
            slug="promotions",
            defaults={
                "name": "Promotions",
                "description": "Offers and events of our members, about twice a month.",
                "undo_seconds": 10,
            },
        )
        if not is_new:
            return
        Pace.objects.update_or_create(pk=1, defaults={"drawn": 10**6})  # As if it had sent for long: a new one starts slowly.
        people = [addresses.parse(f"{NAMES[n % len(NAMES)]}@{TRADES[n // len(NAMES)]}.example") for n in range(MEMBERS)]
        importing.with_evidence(mailing_list, importing.Rows(people, 0, []), evidence="invented for the demo")
        for address, name in SENDERS:
            _, password = senders.approve(addresses.parse(address), name=name, lists=[mailing_list], by="demo")
            self.stdout.write(f"Sender  {address:<28} {password}   ({name})")
        password = get_random_string(14)
        get_user_model().objects.create_superuser("staff", password=password)
        self.stdout.write(f"Staff   {'staff':<28} {password}")
