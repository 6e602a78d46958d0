"""What the runtime role of web, edge and workers may do in the database."""

from __future__ import annotations

import pytest
from django.db import connections

OWN_TABLES = {
    "accounts_user",
    "accounts_user_groups",
    "accounts_user_user_permissions",
    "auth_group",
    "auth_group_permissions",
    "auth_permission",
    "console_marketminute",
    "console_sample",
    "core_processhealth",
    "django_admin_log",
    "django_content_type",
    "django_session",
    "mail_mailboxmessage",
    "mail_outgoingmail",
}
# Rows that web, edge and workers add or change, but never take away.
KEPT_TABLES = {
    "accounts_engineregistration",
    "api_idempotentrequest",
    "audit_actionrun",
    "audit_refusalcount",
}
# Of these, web and workers may at most change some columns, which is no right to the table.
CUSTODY_TABLES = {
    "custody_assetnetwork",
    "custody_case",
    "custody_deposit",
    "custody_depositaddress",
    "custody_depositstep",
    "custody_pollcursor",
    "custody_transfer",
    "custody_webhook",
}
APPENDED_TABLES = {"accounts_apikey", "audit_outbox", "trading_importedcandle"} | CUSTODY_TABLES
WRITABLE = {
    "INSERT": OWN_TABLES | KEPT_TABLES | APPENDED_TABLES,
    "UPDATE": OWN_TABLES | KEPT_TABLES,
    "DELETE": OWN_TABLES,
}


def tables_with(privilege: str) -> set[str]:
    """Return the tables of the platform on which `qt_app` has the privilege."""
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class"
            " WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
            " AND has_table_privilege('qt_app', oid, %s)",
            [privilege],
        )
        return {row[0] for row in cursor.fetchall()}


@pytest.mark.usefixtures("django_database")
@pytest.mark.parametrize("privilege", ["INSERT", "UPDATE", "DELETE"])
def test_the_runtime_role_writes_to_its_own_tables_and_to_no_other(privilege: str) -> None:
    assert tables_with(privilege) == WRITABLE[privilege]


@pytest.mark.usefixtures("django_database")
def test_the_runtime_role_reads_every_table_and_empties_none() -> None:
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class"
            " WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
        )
        every = {row[0] for row in cursor.fetchall()}
    assert len(every) > len(OWN_TABLES)
    assert tables_with("SELECT") == every
    assert tables_with("TRUNCATE") == set()
    assert tables_with("TRIGGER") == set()
