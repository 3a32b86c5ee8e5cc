from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("posting", "0008_the_door_for_mail"),
    ]

    operations = [
        migrations.AddField(
            model_name="inboundmail",
            name="place",
            field=models.CharField(blank=True, db_default="", editable=False, help_text="What the address is for.", max_length=12),
        ),
        migrations.AddField(
            model_name="inboundmail",
            name="delays",
            field=models.PositiveSmallIntegerField(
                db_default=0, default=0, help_text="Attempts after which it asked for another one."
            ),
        ),
    ]
