"""What the role `qt_mirror` may do with a table, as operations for migrations.

Invariant: it alone writes what follows from the engine's events, and it gets exactly the rights
that this takes. Where rows are never changed it cannot change them.
"""

from __future__ import annotations

from typing import Final

from django.db import migrations

APPEND: Final = "SELECT, INSERT"
KEEP_CURRENT: Final = "SELECT, INSERT, UPDATE"
KEEP_OPEN: Final = "SELECT, INSERT, UPDATE, DELETE"
READ: Final = "SELECT"

ROLES_EXIST: Final = """
DO $$
DECLARE
    missing text;
BEGIN
    SELECT string_agg(role, ', ') INTO missing
      FROM unnest(ARRAY['qt_app', 'qt_mirror']) AS expected(role)
     WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = role);
    IF missing IS NOT NULL THEN
        RAISE EXCEPTION 'these database roles are missing: %', missing
            USING ERRCODE = 'undefined_object',
                  HINT = 'Create qt_app and qt_mirror with LOGIN before migrating; '
                         'the embedded server of "manage.py up" has them.';
    END IF;
END
$$
"""

_REFUSE_CHANGE: Final = """
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON public."{table}"
FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change()
"""


def mirror_may(rights: str, *tables: str) -> migrations.RunSQL:
    """Return the operation that gives `qt_mirror` these rights, and `qt_app` sight, of `tables`."""
    listed = ", ".join(f'public."{table}"' for table in tables)
    return migrations.RunSQL(
        sql=[
            ROLES_EXIST,
            f"REVOKE ALL ON {listed} FROM PUBLIC, qt_app, qt_mirror",
            f"GRANT {rights} ON {listed} TO qt_mirror",
            f"GRANT SELECT ON {listed} TO qt_app",
        ],
        reverse_sql=f"REVOKE ALL ON {listed} FROM qt_app, qt_mirror",
    )


def append_only(*tables: str) -> list[migrations.RunSQL]:
    """Return the operations that refuse UPDATE, DELETE and TRUNCATE of `tables` to every role.

    Needs `public.refuse_change()` (ledger migration `0002_refusals`).
    """
    return [
        migrations.RunSQL(
            sql=[
                _REFUSE_CHANGE.format(table=table),
                f'ALTER TABLE public."{table}" ENABLE ALWAYS TRIGGER append_only',
            ],
            reverse_sql=f'DROP TRIGGER append_only ON public."{table}"',
        )
        for table in tables
    ]
