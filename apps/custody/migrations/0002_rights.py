"""Who may do what with custody's rows, and what the database refuses to everybody.

The runtime role cannot delete any of them, nor change what identifies a deposit or what came in; a
deposit takes only the steps that exist, each with its row; after the credit its amounts stay.
"""

from django.db import migrations

from apps.core.mirror_rights import append_only
from apps.core.privileges import app_may

STEPS = [
    ("seen", "held"), ("seen", "confirmed"), ("seen", "dust"), ("seen", "rejected"),
    ("held", "seen"), ("held", "confirmed"), ("held", "dust"), ("held", "rejected"),
    ("rejected", "seen"), ("rejected", "held"), ("rejected", "confirmed"), ("rejected", "dust"),
    ("dust", "rejected"),
    ("confirmed", "credited"), ("confirmed", "frozen"), ("credited", "frozen"),
]  # fmt: skip

GUARD_DEPOSIT = f"""
CREATE FUNCTION public.custody_guard_deposit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state <> NEW.state AND (OLD.state, NEW.state) NOT IN ({
    ", ".join(f"('{before}', '{after}')" for before, after in STEPS)
}) THEN
        RAISE EXCEPTION 'deposit % was %, which cannot become %', OLD.id, OLD.state, NEW.state
            USING ERRCODE = '23Q20';
    END IF;
    IF OLD.state IN ('confirmed', 'credited', 'frozen')
       AND (OLD.base_units, OLD.dust_base_units, OLD.amount_atoms, OLD.amount, OLD.asset_id)
           IS DISTINCT FROM
           (NEW.base_units, NEW.dust_base_units, NEW.amount_atoms, NEW.amount, NEW.asset_id) THEN
        RAISE EXCEPTION 'deposit % is %: its amount stays', OLD.id, OLD.state
            USING ERRCODE = '23Q21';
    END IF;
    IF OLD.event_seq IS NOT NULL AND NEW.event_seq IS DISTINCT FROM OLD.event_seq THEN
        RAISE EXCEPTION 'deposit % was credited by event %, which stays', OLD.id, OLD.event_seq
            USING ERRCODE = '23Q22';
    END IF;
    RETURN NEW;
END
$$
"""

REQUIRE_STEP = """
CREATE FUNCTION public.custody_require_step() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    last_step text;
BEGIN
    SELECT to_state INTO last_step FROM public.custody_depositstep
     WHERE deposit_id = NEW.id ORDER BY number DESC LIMIT 1;
    IF last_step IS DISTINCT FROM
       (SELECT state FROM public.custody_deposit WHERE id = NEW.id) THEN
        RAISE EXCEPTION 'deposit % is %, its last step was to %', NEW.id, NEW.state, last_step
            USING ERRCODE = '23Q23';
    END IF;
    RETURN NULL;
END
$$
"""


class Migration(migrations.Migration):
    dependencies = [("custody", "0001_initial"), ("ledger", "0002_refusals")]

    operations = [
        app_may("INSERT", "custody_assetnetwork", "custody_depositaddress", "custody_depositstep"),
        app_may(
            "INSERT, UPDATE (txid, kind, state, confirmations, height, risk_indicators,"
            " is_settled, looked_at)",
            "custody_transfer",
        ),
        app_may(
            "INSERT, UPDATE (transfer_id, base_units, dust_base_units, amount_atoms, amount, asset_id,"
            " confirmations, state, reason, event_seq, attempts, next_attempt_at, credited_at)",
            "custody_deposit",
        ),
        app_may(
            "INSERT, UPDATE (state, outcome, received_count, attempts, next_attempt_at, done_at)",
            "custody_webhook",
        ),
        app_may("INSERT, UPDATE (frozen_at)", "custody_case"),
        app_may("INSERT, UPDATE (polled_until, polled_at, last_error)", "custody_pollcursor"),
        *append_only("custody_depositstep"),
        migrations.RunSQL(
            sql=[
                GUARD_DEPOSIT,
                (
                    "CREATE TRIGGER custody_guard_deposit BEFORE UPDATE ON public.custody_deposit"
                    " FOR EACH ROW EXECUTE FUNCTION public.custody_guard_deposit()"
                ),
                "ALTER TABLE public.custody_deposit ENABLE ALWAYS TRIGGER custody_guard_deposit",
            ],
            reverse_sql="DROP FUNCTION public.custody_guard_deposit() CASCADE",
        ),
        migrations.RunSQL(
            sql=[
                REQUIRE_STEP,
                (
                    "CREATE CONSTRAINT TRIGGER custody_require_step"
                    " AFTER INSERT OR UPDATE OF state ON public.custody_deposit"
                    " DEFERRABLE INITIALLY DEFERRED"
                    " FOR EACH ROW EXECUTE FUNCTION public.custody_require_step()"
                ),
                "ALTER TABLE public.custody_deposit ENABLE ALWAYS TRIGGER custody_require_step",
            ],
            reverse_sql="DROP FUNCTION public.custody_require_step() CASCADE",
        ),
    ]
