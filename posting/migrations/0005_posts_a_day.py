from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("posting", "0004_pace"),
    ]

    operations = [
        migrations.AddField(
            model_name="sender",
            name="posts_a_day",
            field=models.PositiveSmallIntegerField(
                db_default=3, default=3, help_text="How many posts this sender may submit in 24 hours."
            ),
        ),
    ]
