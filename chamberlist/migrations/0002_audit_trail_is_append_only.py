from django.db import migrations

PROTECT = """
    CREATE FUNCTION chamberlist_auditentry_refuse_update() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'rows of chamberlist_auditentry are only added, never changed'
            USING ERRCODE = 'integrity_constraint_violation';
    END $$;
    CREATE TRIGGER append_only BEFORE UPDATE ON chamberlist_auditentry
        FOR EACH ROW EXECUTE FUNCTION chamberlist_auditentry_refuse_update();
"""
UNPROTECT = """
    DROP TRIGGER append_only ON chamberlist_auditentry;
    DROP FUNCTION chamberlist_auditentry_refuse_update();
"""


class Migration(migrations.Migration):
    """The database itself refuses to rewrite the record; retention may still delete rows whose time is over."""

    dependencies = [("chamberlist", "0001_initial")]

    operations = [migrations.RunSQL(PROTECT, UNPROTECT)]
