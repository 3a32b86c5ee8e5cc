"""Print an environment block."""

from django.core.management.base import BaseCommand

from chamberlist import keys

BLOCK = """\
# Secrets, made now. Keep them out of backups of the database: together with it they show the members.
{secrets}

# Where everything is. Change what stands in capitals.
DATABASE_URL=postgres://chamberlist:PASSWORD@localhost:5432/chamberlist
REDIS_URL=redis://localhost:6379/0
SITE_URL=https://LISTS.CHAMBER.EXAMPLE
LIST_DOMAIN=LISTS.CHAMBER.EXAMPLE
SMTP_URL=smtp://USER:PASSWORD@SMTP.CHAMBER.EXAMPLE:587/?tls=starttls
STATE_DIR=/var/lib/chamberlist

# The Chamber, as its pages and mails name it.
CHAMBER_NAME=THE CHAMBER OF COMMERCE
CHAMBER_POSTAL_ADDRESS=1 HIGH STREET, TOWN
CHAMBER_CONTACT=OFFICE@CHAMBER.EXAMPLE
CHAMBER_COLOUR=#1d5c63"""


class Command(BaseCommand):
    help = "Print a complete environment block with fresh secrets."
    requires_system_checks = ()

    def handle(self, **options: object) -> None:
        secrets = "\n".join(f"{name}={value}" for name, value in keys.environment().items())
        self.stdout.write(BLOCK.format(secrets=secrets))
