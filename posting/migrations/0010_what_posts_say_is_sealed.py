import json
import uuid
from collections.abc import Callable
from typing import Any

import django.contrib.postgres.functions
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

from chamberlist.sealed import seal, seal_bytes, unseal, unseal_bytes

TEXTS = {"Post": ("subject", "body", "html", "reject_reason"), "Attachment": ("name",)}
LISTS = {"Post": ("allowed_addresses",), "Attachment": ()}
OCTETS = {"Post": (), "Attachment": ("content",)}
CHECK_NOW = "SET CONSTRAINTS ALL IMMEDIATE"  # The table cannot be altered while a key of a changed row is to be checked.
# A column that is dropped stays in the rows on the disk, and what an update leaves behind as well, until the table is written anew.
ANEW: list[Any] = [
    sql
    for table in ("posting_post", "posting_attachment")
    for sql in (f"CLUSTER {table} USING {table}_pkey", f"ALTER TABLE {table} SET WITHOUT CLUSTER")
]


def _each(apps: StateApps, model: str, change: Callable[[str, Any], dict[str, Any]]) -> None:
    """One row at a time: the files of one post alone are some megabytes."""
    rows = apps.get_model("posting", model)._default_manager.order_by("pk")
    last = 0
    while row := rows.filter(pk__gt=last).first():
        last = row.pk
        rows.filter(pk=last).update(**change(model, row))


def _sealed(model: str, row: Any) -> dict[str, Any]:
    def place(name: str) -> str:
        return f"{row._meta.db_table}.sealed_{name}:{row.handle}"

    texts = {name: getattr(row, name) for name in TEXTS[model]}
    texts |= {name: json.dumps(getattr(row, name)) if getattr(row, name) else "" for name in LISTS[model]}
    changes: dict[str, Any] = {f"sealed_{name}": seal(text, place=place(name)) if text else "" for name, text in texts.items()}
    return changes | {f"sealed_{name}": seal_bytes(bytes(getattr(row, name)), place=place(name)) for name in OCTETS[model]}


def _opened(model: str, row: Any) -> dict[str, Any]:
    def text(name: str) -> str:
        value = getattr(row, f"sealed_{name}")
        return unseal(value, place=f"{row._meta.db_table}.sealed_{name}:{row.handle}") if value else ""

    changes: dict[str, Any] = {name: text(name) for name in TEXTS[model]}
    changes |= {name: json.loads(text(name) or "[]") for name in LISTS[model]}
    for name in OCTETS[model]:
        place = f"{row._meta.db_table}.sealed_{name}:{row.handle}"
        changes[name] = unseal_bytes(bytes(getattr(row, f"sealed_{name}")), place=place)
    return changes


def seal_all(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Under the first key."""
    for model in TEXTS:
        _each(apps, model, _sealed)


def open_all(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Back in clear; every key must be there."""
    for model in TEXTS:
        _each(apps, model, _opened)


def handle() -> "models.UUIDField[uuid.UUID, uuid.UUID]":
    """Each row there is gets one of its own from the database."""
    made = django.contrib.postgres.functions.RandomUUID()
    return models.UUIDField(db_default=made, default=uuid.uuid4, editable=False, unique=True)


class Migration(migrations.Migration):
    dependencies = [
        ("posting", "0009_inbound_mail_knows_its_place"),
    ]

    operations = [
        migrations.RunSQL(migrations.RunSQL.noop, ANEW),
        migrations.AddField("post", "handle", handle()),
        migrations.AddField("attachment", "handle", handle()),
        migrations.AddField("post", "sealed_subject", models.TextField(default="", editable=False), preserve_default=False),
        migrations.AddField("post", "sealed_body", models.TextField(default="", editable=False), preserve_default=False),
        migrations.AddField(
            "post",
            "sealed_html",
            models.TextField(
                blank=True,
                default="",
                db_default="",
                editable=False,
                help_text="The text as HTML, sanitised; else made from the text.",
            ),
        ),
        migrations.AddField(
            "post",
            "sealed_allowed_addresses",
            models.TextField(
                blank=True, default="", db_default="", editable=False, help_text="Addresses in the text that staff allowed by name."
            ),
        ),
        migrations.AddField(
            "post", "sealed_reject_reason", models.TextField(blank=True, default="", db_default="", editable=False)
        ),
        migrations.AddField("attachment", "sealed_name", models.TextField(default="", editable=False), preserve_default=False),
        migrations.AddField(
            "attachment", "sealed_content", models.BinaryField(default=b"", editable=False), preserve_default=False
        ),
        # With defaults, so that the way back finds something to begin with.
        migrations.AlterField("post", "subject", models.CharField(max_length=200, default="")),
        migrations.AlterField("post", "body", models.TextField("text", default="")),
        migrations.AlterField("attachment", "name", models.CharField(max_length=120, default="")),
        migrations.AlterField("attachment", "content", models.BinaryField(default=b"")),
        migrations.RunSQL(migrations.RunSQL.noop, CHECK_NOW),
        migrations.RemoveConstraint("post", "post_rejected_has_reason"),
        migrations.RunSQL(migrations.RunSQL.noop, CHECK_NOW),
        migrations.RunPython(seal_all, open_all),
        migrations.RunSQL(CHECK_NOW, migrations.RunSQL.noop),
        migrations.RemoveField("post", "subject"),
        migrations.RemoveField("post", "body"),
        migrations.RemoveField("post", "html"),
        migrations.RemoveField("post", "allowed_addresses"),
        migrations.RemoveField("post", "reject_reason"),
        migrations.RemoveField("attachment", "name"),
        migrations.RemoveField("attachment", "content"),
        migrations.RunSQL(ANEW, migrations.RunSQL.noop),
        migrations.AddConstraint(
            "post",
            models.CheckConstraint(
                condition=models.Q(("state", "rejected"), _negated=True) | models.Q(("sealed_reject_reason", ""), _negated=True),
                name="post_rejected_has_reason",
            ),
        ),
        migrations.AlterModelOptions(
            "post",
            {
                "ordering": ("-pk",),
                "permissions": (("view_named_subscribers", "Can see which addresses in a post subscribe, masked"),),
            },
        ),
    ]
