from django.db import migrations

PROTECT = """
    CREATE FUNCTION subscriptions_consentevent_refuse_update() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'rows of subscriptions_consentevent are only added, never changed'
            USING ERRCODE = 'integrity_constraint_violation';
    END $$;
    CREATE TRIGGER append_only BEFORE UPDATE ON subscriptions_consentevent
        FOR EACH ROW EXECUTE FUNCTION subscriptions_consentevent_refuse_update();
"""
UNPROTECT = """
    DROP TRIGGER append_only ON subscriptions_consentevent;
    DROP FUNCTION subscriptions_consentevent_refuse_update();
"""


class Migration(migrations.Migration):
    """The database itself refuses to rewrite the record; retention may still delete rows whose time is over."""

    dependencies = [("subscriptions", "0001_initial")]

    operations = [migrations.RunSQL(PROTECT, UNPROTECT)]
