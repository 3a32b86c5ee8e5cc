from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("posting", "0003_one_index_less_a_copy"),
    ]

    operations = [
        migrations.CreateModel(
            name="Pace",
            fields=[
                ("id", models.SmallIntegerField(default=1, editable=False, primary_key=True, serialize=False)),
                ("paid_until", models.DateTimeField(help_text="What may leave by then has been drawn.", null=True)),
                ("hour", models.DateTimeField(help_text="The hour that is counted.", null=True)),
                ("in_hour", models.PositiveIntegerField(default=0, help_text="Copies drawn in that hour.")),
                (
                    "drawn",
                    models.PositiveBigIntegerField(default=0, help_text="Copies drawn in all: a new installation starts slowly."),
                ),
            ],
        ),
        migrations.AddConstraint(
            model_name="pace",
            constraint=models.CheckConstraint(condition=models.Q(("id", 1)), name="pace_is_one_row"),
        ),
    ]
