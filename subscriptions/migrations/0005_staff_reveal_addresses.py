from django.db import migrations


class Migration(migrations.Migration):
    """To see a whole address takes a permission of its own."""

    dependencies = [("subscriptions", "0003_bounces_and_complaints_have_effects")]

    operations = [
        migrations.AlterModelOptions(
            name="subscription", options={"permissions": [("reveal_address", "Can see a member's whole address, with a reason")]}
        ),
    ]
