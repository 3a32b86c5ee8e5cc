from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("posting", "0005_posts_a_day"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(
                condition=models.Q(("state__in", ("failed", "bounced"))), fields=["post", "ended_at"], name="delivery_refused"
            ),
        ),
    ]
