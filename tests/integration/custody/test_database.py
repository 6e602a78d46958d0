"""What the database refuses by itself, in the role of web and workers and in that of the owner."""

from __future__ import annotations

import psycopg
import pytest

from apps.custody.models import Deposit
from tests.integration.custody.desk import Desk


def attempt(url: str, statement: str) -> str:
    """Execute and commit; returns the SQLSTATE of the refusal."""
    with psycopg.connect(url, autocommit=True) as database, pytest.raises(psycopg.Error) as refusal:
        database.execute(statement.encode())
    return str(refusal.value.sqlstate)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM custody_deposit",
        "DELETE FROM custody_webhook",
        "DELETE FROM custody_case",
        "TRUNCATE custody_depositstep CASCADE",
        "UPDATE custody_deposit SET business_id = '\\x00'",
        "UPDATE custody_deposit SET user_id = 7",
        "UPDATE custody_deposit SET entry_index = 7",
        "UPDATE custody_depositaddress SET user_id = 7",
        "UPDATE custody_depositstep SET reason = 'x'",
        "UPDATE custody_webhook SET body = ''",
        "UPDATE custody_case SET detail = ''",
        "UPDATE custody_assetnetwork SET min_confirmations = 1",
    ],
)
def test_trap_32_the_runtime_role_cannot_rewrite_what_happened(desk: Desk, statement: str) -> None:
    desk.arrive(8)
    desk.deliver()
    assert attempt(desk.database.app_url, statement) == "42501"


@pytest.mark.parametrize(
    ("statement", "sqlstate"),
    [
        ("UPDATE custody_deposit SET state = 'seen'", "23Q20"),
        ("UPDATE custody_deposit SET state = 'confirmed'", "23Q20"),
        ("UPDATE custody_deposit SET amount_atoms = 9", "23Q21"),
        ("UPDATE custody_deposit SET event_seq = 1 + event_seq", "23Q22"),
        ("UPDATE custody_deposit SET state = 'frozen'", "23Q23"),
        ("UPDATE custody_depositstep SET reason = 'x'", "23Q01"),
        ("DELETE FROM custody_depositstep", "23Q01"),
    ],
)
def test_not_even_the_owner_takes_a_step_that_does_not_exist(
    desk: Desk, statement: str, sqlstate: str
) -> None:
    desk.arrive(8)
    desk.deliver()
    assert attempt(desk.database.owner_url, statement) == sqlstate
    assert attempt(desk.database.superuser_url, statement) == sqlstate
    assert desk.states() == ["credited"]


def test_an_output_is_one_deposit(desk: Desk) -> None:
    desk.arrive(8)
    desk.deliver()
    fields = [f"{each.column}" for each in Deposit._meta.local_concrete_fields]
    fields.remove("id")
    columns = ", ".join(fields)
    chosen = columns.replace("business_id", "'\\x11'::bytea")
    target = f"INSERT INTO custody_deposit ({columns})"
    statement = f"{target} SELECT {chosen} FROM custody_deposit"  # noqa: S608 - our columns
    assert attempt(desk.database.app_url, statement) == "23505"
