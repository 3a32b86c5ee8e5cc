from django.db import migrations


class Migration(migrations.Migration):
    """To see a whole address takes a permission of its own."""

    dependencies = [("subscriptions", "0004_requests_by_link")]

    operations = [
        migrations.AlterModelOptions(
            name="subscription", options={"permissions": (("reveal_address", "Can see a member's whole address, with a reason"),)}
        ),
    ]
