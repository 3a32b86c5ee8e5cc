from django.db import migrations, models

PROTECT = """
    CREATE FUNCTION chamberlist_auditentry_refuse_deletion() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'DELETE' AND OLD.at < clock_timestamp() - interval '24 months' THEN
            RETURN OLD;
        END IF;
        RAISE EXCEPTION 'rows of chamberlist_auditentry are kept for 24 months'
            USING ERRCODE = 'integrity_constraint_violation';
    END $$;
    CREATE TRIGGER keep BEFORE DELETE ON chamberlist_auditentry
        FOR EACH ROW EXECUTE FUNCTION chamberlist_auditentry_refuse_deletion();
    CREATE TRIGGER keep_all BEFORE TRUNCATE ON chamberlist_auditentry
        FOR EACH STATEMENT EXECUTE FUNCTION chamberlist_auditentry_refuse_deletion();
"""
UNPROTECT = """
    DROP TRIGGER keep_all ON chamberlist_auditentry;
    DROP TRIGGER keep ON chamberlist_auditentry;
    DROP FUNCTION chamberlist_auditentry_refuse_deletion();
"""


class Migration(migrations.Migration):
    """The database itself keeps the record for 24 months, and finds what was done to one thing, or by one person."""

    dependencies = [("chamberlist", "0004_halt_knows_who_and_when_it_ended")]

    operations = [
        migrations.RunSQL(PROTECT, UNPROTECT),
        migrations.AddIndex("auditentry", models.Index(fields=["subject", "at"], name="audit_by_subject")),
        migrations.AddIndex("auditentry", models.Index(fields=["actor", "verb", "at"], name="audit_by_actor")),
    ]
