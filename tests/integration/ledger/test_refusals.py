"""What the database refuses by itself, shown statement by statement in the roles of production."""

# ruff: noqa: S608 - statements are made of the constants below

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import Connection, errors

from tests.fixtures_database import DatabaseHandle

HEADER_SQL = """
INSERT INTO ledger_transaction (id, transaction_id, kind, event_seq, leg_count, day, occurred_at)
VALUES (%(id)s, %(name)s, 'DEPOSIT', %(id)s, %(legs)s, %(day)s, '2026-01-01 12:00:00+00')
"""
LEGS_SQL = """
COPY ledger_leg (id, header_id, leg_number, account, user_id, asset_id, amount, day) FROM STDIN
"""
DAY = "2026-01-01"
APPEND_ONLY_TABLES = {
    "ledger_transaction": "kind",
    "ledger_leg": "amount",
    "mirror_engineevent": "record",
    "trading_trade": "price",
    "trading_orderhistory": "status",
}


@pytest.fixture
def mirror(database: DatabaseHandle) -> Iterator[Connection]:
    """A connection as qt_mirror, the only role that writes to the books."""
    with psycopg.connect(database.mirror_url) as connection:
        yield connection
        connection.rollback()


def add_header(connection: Connection, number: int = 1, legs: int = 2, day: str = DAY) -> None:
    """Insert a header as the mirror does."""
    values = {"id": number, "name": f"t{number}", "legs": legs, "day": day}
    connection.execute(HEADER_SQL, values)


def add_legs(
    connection: Connection, header: int, *legs: tuple[int, str, str], day: str = DAY
) -> None:
    """Copy legs (number, account, amount) in one statement."""
    with connection.cursor() as cursor, cursor.copy(LEGS_SQL) as copy:
        for number, account, amount in legs:
            user = 7 if account == "customer_funds" else None
            copy.write_row((header * 64 + number, header, number, account, user, 1, amount, day))


DEBIT = (1, "custody", "5")
CREDIT = (2, "customer_funds", "-5")


def add_sound(connection: Connection, number: int = 1) -> None:
    """Commit a sound transaction."""
    add_header(connection, number)
    add_legs(connection, number, DEBIT, CREDIT)
    connection.commit()


def refusal(sqlstate: str) -> pytest.RaisesExc[errors.IntegrityError]:
    """Expect an integrity error of this code."""
    return pytest.raises(errors.IntegrityError, check=lambda error: error.sqlstate == sqlstate)


def test_a_sound_transaction_is_taken_and_names_the_database_transaction(
    mirror: Connection,
) -> None:
    add_header(mirror)
    add_legs(mirror, 1, DEBIT, CREDIT)
    own = mirror.execute("SELECT pg_current_xact_id()::text").fetchone()
    mirror.commit()
    assert mirror.execute("SELECT made_in::text FROM ledger_transaction").fetchone() == own
    assert mirror.execute("SELECT count(*), sum(amount) FROM ledger_leg").fetchone() == (2, 0)


def test_unbalanced_legs_are_refused(mirror: Connection) -> None:
    add_header(mirror)
    with refusal("23Q02") as caught:
        add_legs(mirror, 1, DEBIT, (2, "customer_funds", "-4.999999999999999999"))
    assert "ledger transaction 1 is unbalanced" in str(caught.value)


def test_legs_balanced_only_across_assets_are_refused(mirror: Connection) -> None:
    add_header(mirror)
    rows = [(65, 1, 1, "custody", None, 1, "5", DAY), (66, 1, 2, "customer_funds", 7, 2, "-5", DAY)]
    with refusal("23Q02"), mirror.cursor() as cursor, cursor.copy(LEGS_SQL) as copy:
        for row in rows:
            copy.write_row(row)


def test_one_unbalanced_transaction_among_sound_ones_of_a_statement_is_refused(
    mirror: Connection,
) -> None:
    rows: list[tuple[object, ...]] = []
    for number in range(1, 51):
        add_header(mirror, number)
        amount = "-6" if number == 33 else "-5"
        rows.append((number * 64 + 1, number, 1, "custody", None, 1, "5", DAY))
        rows.append((number * 64 + 2, number, 2, "customer_funds", 7, 1, amount, DAY))
    with refusal("23Q02") as caught, mirror.cursor() as cursor, cursor.copy(LEGS_SQL) as copy:
        for row in rows:
            copy.write_row(row)
    assert "ledger transaction 33 is unbalanced" in str(caught.value)


def test_a_missing_leg_is_refused(mirror: Connection) -> None:
    add_header(mirror, legs=3)
    with refusal("23Q03") as caught:
        add_legs(mirror, 1, DEBIT, CREDIT)
    assert "got 2 legs numbered 1..2" in str(caught.value)
    assert "expected 1..3" in str(caught.value)


def test_legs_with_a_hole_in_their_numbers_are_refused(mirror: Connection) -> None:
    add_header(mirror)
    with refusal("23Q03"):
        add_legs(mirror, 1, DEBIT, (3, "customer_funds", "-5"))


def test_doubled_legs_in_one_statement_are_refused(mirror: Connection) -> None:
    add_header(mirror, legs=4)
    with pytest.raises(errors.UniqueViolation):
        add_legs(mirror, 1, DEBIT, CREDIT, DEBIT, CREDIT)


def test_trap_3_legs_doubled_by_a_second_copy_are_refused(mirror: Connection) -> None:
    add_header(mirror)
    add_legs(mirror, 1, DEBIT, CREDIT)
    with pytest.raises(errors.UniqueViolation):
        add_legs(mirror, 1, DEBIT, CREDIT)


def test_more_legs_by_a_second_copy_are_refused(mirror: Connection) -> None:
    add_header(mirror)
    add_legs(mirror, 1, DEBIT, CREDIT)
    with refusal("23Q03"):
        add_legs(mirror, 1, (3, "custody", "1"), (4, "customer_funds", "-1"))


def test_legs_of_one_transaction_in_two_statements_are_refused(mirror: Connection) -> None:
    add_header(mirror, legs=4)
    with refusal("23Q03"):
        add_legs(mirror, 1, DEBIT, CREDIT)


def test_a_header_without_legs_is_refused_at_commit(mirror: Connection) -> None:
    add_header(mirror)
    with refusal("23Q04") as caught:
        mirror.commit()
    assert "ledger transaction 1 has no legs" in str(caught.value)


def test_legs_without_a_header_are_refused(mirror: Connection) -> None:
    with refusal("23Q03"):
        add_legs(mirror, 1, DEBIT, CREDIT)


def test_legs_added_to_an_old_transaction_are_refused(mirror: Connection) -> None:
    add_sound(mirror)
    with refusal("23Q03"):
        add_legs(mirror, 1, (3, "custody", "1"), (4, "customer_funds", "-1"))


def test_legs_may_not_be_inserted_for_a_header_of_another_database_transaction(
    database: DatabaseHandle, mirror: Connection
) -> None:
    """Even complete and balanced ones: the header alone was let in with triggers switched off."""
    with psycopg.connect(database.superuser_url, autocommit=True) as tamperer:
        tamperer.execute("ALTER TABLE ledger_transaction DISABLE TRIGGER ledger_require_legs")
        add_header(tamperer)
        tamperer.execute("ALTER TABLE ledger_transaction ENABLE ALWAYS TRIGGER ledger_require_legs")
    with refusal("23Q03"):
        add_legs(mirror, 1, DEBIT, CREDIT)


def test_legs_inside_a_savepoint_belong_to_the_same_transaction(mirror: Connection) -> None:
    add_header(mirror)
    with mirror.transaction():
        add_legs(mirror, 1, DEBIT, CREDIT)
    mirror.commit()
    assert mirror.execute("SELECT count(*) FROM ledger_leg").fetchone() == (2,)


def test_a_leg_of_another_day_is_refused(mirror: Connection) -> None:
    add_header(mirror)
    with refusal("23Q03"):
        add_legs(mirror, 1, DEBIT, CREDIT, day="2026-01-02")


def test_made_in_cannot_be_forged(mirror: Connection) -> None:
    mirror.execute(
        "INSERT INTO ledger_transaction (id, transaction_id, kind, event_seq, leg_count, day, "
        "occurred_at, recorded_at, made_in) "
        "VALUES (1, 't', 'DEPOSIT', 1, 2, %s, now(), '1999-01-01', '42')",
        [DAY],
    )
    row = mirror.execute(
        "SELECT made_in = pg_current_xact_id(), recorded_at = now() FROM ledger_transaction"
    ).fetchone()
    assert row == (True, True)


def test_trap_1_the_same_business_id_is_in_the_books_once(mirror: Connection) -> None:
    add_sound(mirror)
    with pytest.raises(errors.UniqueViolation):
        mirror.execute(HEADER_SQL, {"id": 2, "name": "t1", "legs": 2, "day": DAY})


def test_an_event_makes_one_transaction(mirror: Connection) -> None:
    add_sound(mirror)
    with pytest.raises(errors.UniqueViolation, match="event_seq"):
        mirror.execute(
            "INSERT INTO ledger_transaction (id, transaction_id, kind, event_seq, leg_count, day, "
            "occurred_at) VALUES (2, 'other', 'DEPOSIT', 1, 2, %s, now())",
            [DAY],
        )


@pytest.mark.parametrize(
    ("account", "user", "amount", "constraint"),
    [
        ("vault", None, "5", "ledger_leg_account_known"),
        ("customer_funds", None, "5", "ledger_leg_user_of_account"),
        ("customer_funds", 0, "5", "ledger_leg_user_of_account"),
        ("fee_revenue", 7, "5", "ledger_leg_user_of_account"),
        ("custody", 7, "5", "ledger_leg_user_of_account"),
        ("custody", None, "0", "ledger_leg_amount_not_zero"),
    ],
)
def test_a_leg_that_says_nothing_sound_is_refused(
    mirror: Connection, account: str, user: int | None, amount: str, constraint: str
) -> None:
    add_header(mirror)
    with (
        pytest.raises(errors.CheckViolation, match=constraint),
        mirror.cursor() as cursor,
        cursor.copy(LEGS_SQL) as copy,
    ):
        copy.write_row((65, 1, 1, account, user, 1, amount, DAY))


CHANGES = [
    *(f"TRUNCATE {table}" for table in APPEND_ONLY_TABLES),
    *(f"DELETE FROM {table}" for table in APPEND_ONLY_TABLES),
    *(f"UPDATE {table} SET {column} = {column}" for table, column in APPEND_ONLY_TABLES.items()),
]


@pytest.mark.parametrize("role", ["owner", "app", "mirror", "superuser"])
def test_what_is_written_can_be_changed_by_no_role(database: DatabaseHandle, role: str) -> None:
    with psycopg.connect(getattr(database, f"{role}_url"), autocommit=True) as connection:
        if role == "superuser":  # even with ordinary triggers switched off
            connection.execute("SET session_replication_role = replica")
        for change in CHANGES:
            if role in ("app", "mirror"):
                with pytest.raises(errors.InsufficientPrivilege):
                    connection.execute(change)
            else:
                with refusal("23Q01") as caught:
                    connection.execute(change)
                assert "is refused: what is written there stays" in str(caught.value)


def test_an_upsert_cannot_change_a_leg(database: DatabaseHandle, mirror: Connection) -> None:
    add_sound(mirror)
    with psycopg.connect(database.owner_url) as owner, refusal("23Q01"):
        owner.execute(
            "INSERT INTO ledger_leg (id, header_id, leg_number, account, asset_id, amount, day) "
            "VALUES (65, 1, 1, 'custody', 1, 9, %s) ON CONFLICT (id) DO UPDATE SET amount = 9",
            [DAY],
        )


@pytest.mark.parametrize(
    ("total", "available", "locked", "constraint"),
    [
        (5, -1, 6, "ledger_balance_available_not_negative"),
        (5, 6, -1, "ledger_balance_locked_not_negative"),
        (5, 5, 1, "ledger_balance_adds_up"),
    ],
)
def test_a_balance_that_does_not_add_up_is_refused(
    mirror: Connection, total: int, available: int, locked: int, constraint: str
) -> None:
    with pytest.raises(errors.CheckViolation, match=constraint):
        mirror.execute(
            "INSERT INTO ledger_balance "
            "(id, user_id, asset_id, total, available, locked, last_event_seq) "
            "VALUES (65537, 1, 1, %s, %s, %s, 1)",
            (total, available, locked),
        )


def test_an_asset_total_that_is_not_conserved_is_refused(mirror: Connection) -> None:
    with pytest.raises(errors.CheckViolation, match="ledger_assettotal_conserved"):
        mirror.execute("INSERT INTO ledger_assettotal VALUES (1, 5, 6, 0, 0)")


MIRRORED = {
    "accounts_tradingaccount": "SELECT INSERT UPDATE",
    "ledger_account": "SELECT",
    "ledger_assettotal": "SELECT INSERT UPDATE",
    "ledger_balance": "SELECT INSERT UPDATE",
    "ledger_leg": "SELECT INSERT",
    "ledger_transaction": "SELECT INSERT",
    "markets_asset": "SELECT INSERT UPDATE",
    "markets_market": "SELECT INSERT UPDATE",
    "mirror_cursor": "SELECT INSERT UPDATE",
    "mirror_engineevent": "SELECT INSERT",
    "trading_openorder": "SELECT INSERT UPDATE DELETE",
    "trading_orderhistory": "SELECT INSERT",
    "trading_trade": "SELECT INSERT",
}
RIGHTS = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER", "MAINTAIN")


def test_each_role_has_exactly_its_rights_on_mirrored_tables(database: DatabaseHandle) -> None:
    with psycopg.connect(database.owner_url) as connection:
        found = {
            role: {
                table: " ".join(
                    right
                    for right in RIGHTS
                    if connection.execute(
                        "SELECT has_table_privilege(%s, %s, %s)", (role, table, right)
                    ).fetchone()
                    == (True,)
                )
                for table in MIRRORED
            }
            for role in ("qt_mirror", "qt_app")
        }
    assert found["qt_mirror"] == MIRRORED
    assert found["qt_app"] == dict.fromkeys(MIRRORED, "SELECT")


@pytest.mark.parametrize("role", ["app", "mirror"])
def test_runtime_roles_cannot_make_or_drop_tables(database: DatabaseHandle, role: str) -> None:
    url = getattr(database, f"{role}_url")
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in (
            "CREATE TABLE own (id int)",
            "CREATE TEMPORARY TABLE ledger_transaction (id int)",
            "DROP TABLE ledger_leg",
            "ALTER TABLE ledger_leg DISABLE TRIGGER ALL",
        ):
            with pytest.raises(errors.InsufficientPrivilege):
                connection.execute(statement)
