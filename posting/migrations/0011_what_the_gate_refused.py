import uuid

import django.db.models.deletion
from django.db import migrations, models

import chamberlist.clock

# The evidence alone may be sealed anew, with another key; it opens only as what was sealed.
PROTECT = """
    CREATE FUNCTION posting_gaterefusal_refuse_update() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'rows of posting_gaterefusal are only added, never changed'
            USING ERRCODE = 'integrity_constraint_violation';
    END $$;
    CREATE TRIGGER append_only BEFORE UPDATE OF id, post_id, number, handle, delivery_id, half, reason, at ON posting_gaterefusal
        FOR EACH ROW EXECUTE FUNCTION posting_gaterefusal_refuse_update();
"""
UNPROTECT = """
    DROP TRIGGER append_only ON posting_gaterefusal;
    DROP FUNCTION posting_gaterefusal_refuse_update();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("posting", "0010_what_posts_say_is_sealed"),
    ]

    operations = [
        migrations.CreateModel(
            name="GateRefusal",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.PositiveSmallIntegerField(help_text="Among those of its post, from 1.")),
                ("handle", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                (
                    "half",
                    models.CharField(
                        choices=[
                            ("post", "the post, before its first copy"),
                            ("copy", "a finished copy"),
                            ("message", "a copy as a provider was to be given it"),
                        ],
                        max_length=8,
                    ),
                ),
                ("reason", models.CharField(max_length=300)),
                ("sealed_excerpt", models.TextField(editable=False)),
                ("at", models.DateTimeField(db_default=chamberlist.clock.Now())),
                (
                    "delivery",
                    models.ForeignKey(
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="posting.delivery",
                    ),
                ),
                (
                    "post",
                    models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="refusals", to="posting.post"),
                ),
            ],
            options={
                "ordering": ("number",),
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("half__in", ["post", "copy", "message"])), name="gate_refusal_half"),
                    models.UniqueConstraint(fields=("post", "number"), name="gate_refusal_once_a_number"),
                    models.CheckConstraint(
                        condition=models.Q(("number__gte", 1), ("number__lte", 20)), name="gate_refusals_are_few"
                    ),
                ],
            },
        ),
        migrations.RunSQL(PROTECT, UNPROTECT),
    ]
