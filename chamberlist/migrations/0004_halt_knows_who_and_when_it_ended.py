from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("chamberlist", "0003_fence"),
    ]

    operations = [
        migrations.AddField(
            model_name="halt",
            name="halted_by",
            field=models.CharField(blank=True, db_default="", max_length=150),
        ),
        migrations.AddField(
            model_name="halt",
            name="resumed_at",
            field=models.DateTimeField(blank=True, help_text="What went wrong before this trips the breaker no more.", null=True),
        ),
    ]
