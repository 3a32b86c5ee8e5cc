from django.db import migrations, models

import chamberlist.clock


class Migration(migrations.Migration):
    dependencies = [
        ("subscriptions", "0003_bounces_and_complaints_have_effects"),
    ]

    operations = [
        migrations.AddField(
            model_name="subscriptionrequest",
            name="about",
            field=models.UUIDField(editable=False, help_text="What the link carries: nobody may have such a row.", null=True),
        ),
        migrations.AddField(
            model_name="subscriptionrequest",
            name="due_at",
            field=models.DateTimeField(db_default=chamberlist.clock.Now(), editable=False),
        ),
        migrations.AddField(
            model_name="subscriptionrequest",
            name="tries",
            field=models.PositiveSmallIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name="subscriptionrequest",
            name="wish",
            field=models.CharField(
                choices=[
                    ("sign_up", "Typed an address to subscribe"),
                    ("disown", "Said: this was not me"),
                    ("rejoin", "Left by mistake"),
                    ("manage", "Wants the link to what is set"),
                ],
                db_default="sign_up",
                default="sign_up",
                max_length=8,
            ),
        ),
        migrations.AlterField(
            model_name="subscriptionrequest",
            name="sealed_address",
            field=models.TextField(blank=True, editable=False),
        ),
        migrations.AddConstraint(
            model_name="subscriptionrequest",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("about", None), ("wish", "sign_up"), models.Q(("sealed_address", ""), _negated=True)),
                    models.Q(("about__isnull", False), ("sealed_address", ""), ("wish__in", ("disown", "rejoin", "manage"))),
                    _connector="OR",
                ),
                name="request_by_address_or_link",
            ),
        ),
        migrations.AddConstraint(
            model_name="subscriptionrequest",
            constraint=models.UniqueConstraint(
                condition=models.Q(("tries", 0)), fields=("mailing_list", "wish", "about"), name="request_waits_once"
            ),
        ),
    ]
