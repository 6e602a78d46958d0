"""Which database role may do what, as operations for migrations.

Invariant: the runtime role `qt_app` reads every table and writes only the tables that a migration
names here. A table that nobody mentions is therefore read-only to web, edge and workers: what the
mirror writes cannot be changed by them, and forgetting a grant fails closed.
"""

from __future__ import annotations

from typing import Final

from django.db import migrations

READ_BY_DEFAULT: Final = migrations.RunSQL(
    sql=[
        "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO qt_app",
        "GRANT SELECT ON ALL TABLES IN SCHEMA public TO qt_app",
    ],
    reverse_sql=[
        "ALTER DEFAULT PRIVILEGES IN SCHEMA public REVOKE SELECT ON TABLES FROM qt_app",
    ],
)


def app_may_write(*tables: str) -> migrations.RunSQL:
    """Return the operation that lets the runtime role insert, update and delete in `tables`."""
    listed = ", ".join(f'"{table}"' for table in tables)
    return migrations.RunSQL(
        sql=f"GRANT SELECT, INSERT, UPDATE, DELETE ON {listed} TO qt_app",
        reverse_sql=f"REVOKE INSERT, UPDATE, DELETE ON {listed} FROM qt_app",
    )


def app_may(rights: str, *tables: str) -> migrations.RunSQL:
    """Return the operation that gives the runtime role exactly these rights, beside SELECT."""
    listed = ", ".join(f'"{table}"' for table in tables)
    return migrations.RunSQL(
        sql=f"GRANT SELECT, {rights} ON {listed} TO qt_app",
        reverse_sql=f"REVOKE {rights} ON {listed} FROM qt_app",
    )
