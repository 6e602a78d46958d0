"""What the database refuses by itself, whoever asks.

A transaction enters whole, balanced and once, and stays. The legs are checked once per statement
over a transition table: a check per row costs several times as much. `made_in` is compared with
`pg_current_xact_id()` and not with `xmin`, which differs inside a savepoint. All triggers are
ENABLE ALWAYS, so `session_replication_role = replica` does not switch them off.
"""

from django.db import migrations

from apps.core.mirror_rights import append_only

REFUSE_CHANGE = """
CREATE FUNCTION public.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of % is refused: what is written there stays', TG_OP, TG_TABLE_NAME
        USING ERRCODE = '23Q01', HINT = 'Correct it by a new transaction that names the old one.';
END
$$
"""

STAMP_HEADER = """
CREATE FUNCTION public.ledger_stamp_header() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.made_in := pg_catalog.pg_current_xact_id();
    NEW.recorded_at := pg_catalog.transaction_timestamp();
    RETURN NEW;
END
$$
"""

STAMP_HEADER_TRIGGER = """
CREATE TRIGGER ledger_stamp_header BEFORE INSERT ON public.ledger_transaction
FOR EACH ROW EXECUTE FUNCTION public.ledger_stamp_header()
"""

CHECK_LEGS = """
CREATE FUNCTION public.ledger_check_legs() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    bad record;
BEGIN
    SELECT header_id, asset_id, pg_catalog.sum(amount) AS amount INTO bad
      FROM new_legs GROUP BY header_id, asset_id HAVING pg_catalog.sum(amount) <> 0 LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'ledger transaction % is unbalanced: its legs in asset % sum to %, expected 0',
            bad.header_id, bad.asset_id, bad.amount USING ERRCODE = '23Q02';
    END IF;
    SELECT legs.*, head.leg_count, head.day, head.made_in INTO bad
      FROM (SELECT header_id, pg_catalog.count(*) AS legs, pg_catalog.min(leg_number) AS first_leg,
                   pg_catalog.max(leg_number) AS last_leg, pg_catalog.min(day) AS first_day,
                   pg_catalog.max(day) AS last_day
              FROM new_legs GROUP BY header_id) AS legs
      LEFT JOIN public.ledger_transaction AS head ON head.id = legs.header_id
     WHERE head.id IS NULL
        OR legs.legs <> head.leg_count OR legs.first_leg <> 1 OR legs.last_leg <> head.leg_count
        OR legs.first_day <> head.day OR legs.last_day <> head.day
        OR head.made_in <> pg_catalog.pg_current_xact_id()
     LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'ledger transaction % got % legs numbered %..% of days %..%, '
                        'expected 1..% of day % in the transaction that wrote its header',
            bad.header_id, bad.legs, bad.first_leg, bad.last_leg, bad.first_day, bad.last_day,
            bad.leg_count, bad.day USING ERRCODE = '23Q03';
    END IF;
    RETURN NULL;
END
$$
"""

CHECK_LEGS_TRIGGER = """
CREATE TRIGGER ledger_check_legs AFTER INSERT ON public.ledger_leg
REFERENCING NEW TABLE AS new_legs
FOR EACH STATEMENT EXECUTE FUNCTION public.ledger_check_legs()
"""

REQUIRE_LEGS = """
CREATE FUNCTION public.ledger_require_legs() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM public.ledger_leg
                    WHERE header_id = NEW.id AND leg_number = 1 AND day = NEW.day) THEN
        RAISE EXCEPTION 'ledger transaction % has no legs, expected %', NEW.id, NEW.leg_count
            USING ERRCODE = '23Q04';
    END IF;
    RETURN NULL;
END
$$
"""

REQUIRE_LEGS_TRIGGER = """
CREATE CONSTRAINT TRIGGER ledger_require_legs AFTER INSERT ON public.ledger_transaction
DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION public.ledger_require_legs()
"""


def always(table: str, trigger: str) -> str:
    """Return the statement that keeps a trigger on for replication roles too."""
    return f"ALTER TABLE public.{table} ENABLE ALWAYS TRIGGER {trigger}"


class Migration(migrations.Migration):
    dependencies = [("ledger", "0001_initial")]

    operations = [
        migrations.RunSQL(sql=REFUSE_CHANGE, reverse_sql="DROP FUNCTION public.refuse_change()"),
        migrations.RunSQL(
            sql=[
                STAMP_HEADER,
                STAMP_HEADER_TRIGGER,
                "ALTER TABLE public.ledger_transaction ENABLE ALWAYS TRIGGER ledger_stamp_header",
            ],
            reverse_sql="DROP FUNCTION public.ledger_stamp_header() CASCADE",
        ),
        migrations.RunSQL(
            sql=[
                CHECK_LEGS,
                CHECK_LEGS_TRIGGER,
                always("ledger_leg", "ledger_check_legs"),
            ],
            reverse_sql="DROP FUNCTION public.ledger_check_legs() CASCADE",
        ),
        migrations.RunSQL(
            sql=[
                REQUIRE_LEGS,
                REQUIRE_LEGS_TRIGGER,
                "ALTER TABLE public.ledger_transaction ENABLE ALWAYS TRIGGER ledger_require_legs",
            ],
            reverse_sql="DROP FUNCTION public.ledger_require_legs() CASCADE",
        ),
        *append_only("ledger_transaction", "ledger_leg"),
    ]
