import uuid

from django.db import migrations, models

import chamberlist.clock


class Migration(migrations.Migration):
    dependencies = [
        ("posting", "0011_what_the_gate_refused"),
    ]

    operations = [
        migrations.CreateModel(
            name="PasswordRequest",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("handle", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ("sealed_typed", models.TextField(editable=False)),
                ("created_at", models.DateTimeField(db_default=chamberlist.clock.Now(), editable=False)),
                ("tries", models.PositiveSmallIntegerField(db_default=0, default=0)),
                ("due_at", models.DateTimeField(db_default=chamberlist.clock.Now(), editable=False)),
            ],
        ),
        migrations.AddField(
            model_name="sender",
            name="password_asked_at",
            field=models.DateTimeField(editable=False, help_text="When the business said that it lost its password.", null=True),
        ),
    ]
