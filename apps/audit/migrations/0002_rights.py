"""How the audit log is written, by whom, and what the database refuses to everybody.

`qt_app` inserts into the outbox and calls `audit_chain`, which runs as the owner; it has no other
way to the log. The log refuses UPDATE, DELETE and TRUNCATE to every role, and the outbox lets a row
go only when it is in the log.
"""

from django.db import migrations

from apps.core.mirror_rights import append_only
from apps.core.privileges import app_may

CHAIN = """
CREATE FUNCTION public.audit_chain(rows_max integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    head bytea;
    last_seq bigint;
    moved integer := 0;
    waiting record;
    facts jsonb;
BEGIN
    -- One appender at a time; readers go on. Late commits have lower ids than the last appended
    -- row: they are found because rows leave the outbox, never by comparing ids.
    LOCK TABLE public.audit_log IN EXCLUSIVE MODE;
    SELECT seq, chain INTO last_seq, head FROM public.audit_log ORDER BY seq DESC LIMIT 1;
    last_seq := coalesce(last_seq, 0);
    head := coalesce(head, decode(repeat('00', 32), 'hex'));
    FOR waiting IN
        SELECT id, content, recorded_at FROM public.audit_outbox ORDER BY id LIMIT rows_max
    LOOP
        last_seq := last_seq + 1;
        head := sha256(
            head || int8send(last_seq)
            || int8send((extract(epoch FROM waiting.recorded_at) * 1000000)::bigint)
            || convert_to(waiting.content, 'UTF8')
        );
        facts := waiting.content::jsonb;
        INSERT INTO public.audit_log (
            seq, outbox_id, recorded_at, actor_id, actor_name, actor_role, action, object_type,
            object_id, outcome, reason, request_id, address, engine_command_seq, content, chain
        ) VALUES (
            last_seq, waiting.id, waiting.recorded_at, (facts ->> 'actor_id')::bigint,
            facts ->> 'actor_name', facts ->> 'actor_role', facts ->> 'action',
            facts ->> 'object_type', facts ->> 'object_id', facts ->> 'outcome',
            facts ->> 'reason', facts ->> 'request_id', facts ->> 'address',
            (facts ->> 'engine_command_seq')::bigint, waiting.content, head
        );
        DELETE FROM public.audit_outbox WHERE id = waiting.id;
        moved := moved + 1;
    END LOOP;
    RETURN moved;
END
$$
"""

GUARD = """
CREATE FUNCTION public.audit_guard_outbox() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM public.audit_log WHERE outbox_id = OLD.id) THEN
        RAISE EXCEPTION 'DELETE of audit_outbox row % is refused: it is not in the log', OLD.id
            USING ERRCODE = '23Q01';
    END IF;
    RETURN OLD;
END
$$
"""

STAMP = """
CREATE FUNCTION public.audit_stamp_outbox() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.recorded_at := pg_catalog.clock_timestamp();
    IF NOT (NEW.content::jsonb ?& ARRAY['actor_id', 'actor_name', 'actor_role', 'action',
            'object_type', 'object_id', 'outcome', 'reason', 'request_id', 'address'])
       OR coalesce(NEW.content::jsonb ->> 'outcome', '')
          NOT IN ('done', 'refused', 'failed', 'unknown') THEN
        RAISE EXCEPTION 'an audit record lacks a fact that every record has'
            USING ERRCODE = '23Q05';
    END IF;
    RETURN NEW;
END
$$
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0001_initial"), ("ledger", "0002_refusals")]

    operations = [
        migrations.RunSQL(
            sql=[
                (
                    "ALTER TABLE public.audit_log ADD CONSTRAINT audit_log_chain_size"
                    " CHECK (octet_length(chain) = 32)"
                ),
                CHAIN,
                "REVOKE ALL ON FUNCTION public.audit_chain(integer) FROM PUBLIC",
                "GRANT EXECUTE ON FUNCTION public.audit_chain(integer) TO qt_app",
                GUARD,
                (
                    "CREATE TRIGGER guard_rows BEFORE DELETE ON public.audit_outbox"
                    " FOR EACH ROW EXECUTE FUNCTION public.audit_guard_outbox()"
                ),
                "ALTER TABLE public.audit_outbox ENABLE ALWAYS TRIGGER guard_rows",
                (
                    "CREATE TRIGGER refuse_change BEFORE UPDATE OR TRUNCATE ON public.audit_outbox"
                    " FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change()"
                ),
                "ALTER TABLE public.audit_outbox ENABLE ALWAYS TRIGGER refuse_change",
                STAMP,
                (
                    "CREATE TRIGGER stamp_row BEFORE INSERT ON public.audit_outbox"
                    " FOR EACH ROW EXECUTE FUNCTION public.audit_stamp_outbox()"
                ),
                "ALTER TABLE public.audit_outbox ENABLE ALWAYS TRIGGER stamp_row",
            ],
            reverse_sql=[
                "DROP TRIGGER stamp_row ON public.audit_outbox",
                "DROP TRIGGER refuse_change ON public.audit_outbox",
                "DROP TRIGGER guard_rows ON public.audit_outbox",
                "DROP FUNCTION public.audit_stamp_outbox()",
                "DROP FUNCTION public.audit_guard_outbox()",
                "DROP FUNCTION public.audit_chain(integer)",
                "ALTER TABLE public.audit_log DROP CONSTRAINT audit_log_chain_size",
            ],
        ),
        *append_only("audit_log"),
        app_may("INSERT", "audit_outbox"),
        app_may("INSERT, UPDATE", "audit_actionrun", "audit_refusalcount"),
    ]
