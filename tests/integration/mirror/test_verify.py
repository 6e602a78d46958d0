"""`verify` finds every kind of tampering with the books and names the first thing that differs.

The tamperer is the superuser with all triggers off: nothing less can change these tables.
"""

# ruff: noqa: S608, ISC004 - statements are made of the constants below

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from django.conf import settings

from apps.mirror.verification.report import ViolationError
from engine.client import SyncEngineClient
from engine.proto.records import RECORD_BYTES
from engine.proto.stream import CHAIN_GENESIS, chain_extend
from tests.engine_events import EngineScript
from tests.fixtures_database import DatabaseHandle
from tests.fixtures_engine import EngineFactory
from tests.integration.mirror.books_support import TABLES, booked, one, opened, verified

REPOSITORY = Path(__file__).resolve().parents[3]
Tamper = Callable[[str], None]


@pytest.fixture(scope="module")
def script() -> EngineScript:
    """Events of all kinds."""
    return EngineScript().prepare(users=4).run(400, users=4)


@pytest.fixture
def books(database: DatabaseHandle, script: EngineScript) -> DatabaseHandle:
    """A database with the script booked."""
    booked(database, script)
    return database


@pytest.fixture
def tamper(books: DatabaseHandle) -> Iterator[Tamper]:
    """Run a statement that nothing but a superuser without triggers could."""
    with psycopg.connect(books.superuser_url, autocommit=True) as connection:

        def run(statement: str) -> None:
            for table in TABLES:
                connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER ALL")
            assert connection.execute(statement).rowcount > 0

        yield run


LEG = "(SELECT id FROM ledger_leg ORDER BY id OFFSET 100 LIMIT 1)"
TRANSACTION = "(SELECT id FROM ledger_transaction ORDER BY id OFFSET 30 LIMIT 1)"
ORDER = "(SELECT order_id FROM trading_openorder ORDER BY order_id LIMIT 1)"
CLOSED = "(SELECT order_id FROM trading_orderhistory ORDER BY order_id OFFSET 5 LIMIT 1)"
TRADE = "(SELECT event_seq FROM trading_trade ORDER BY event_seq OFFSET 5 LIMIT 1)"
BALANCE = "(SELECT id FROM ledger_balance WHERE user_id > 0 ORDER BY id LIMIT 1)"


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        (
            f"UPDATE ledger_leg SET amount = amount + 1 WHERE id = {LEG}",
            r"transaction \d+ in asset \d: the sum was 1\.0+, expected 0",
        ),
        (
            f"DELETE FROM ledger_leg WHERE header_id = {TRANSACTION}",
            r"transaction 31: its header says \d legs, there are None",
        ),
        (
            f"UPDATE ledger_leg SET user_id = user_id % 4 + 1 WHERE header_id = {TRANSACTION} "
            "AND account = 'customer_funds'",
            r"user \d, asset \d: total was [-\d.]+, expected [-\d.]+",
        ),
        (
            "UPDATE ledger_leg SET account = 'suspense' WHERE account = 'custody' "
            f"AND header_id <= {TRANSACTION}",
            r"event \d+: ledger_leg\.account of id \d+ was suspense, expected custody",
        ),
        (
            f"DELETE FROM ledger_transaction WHERE id = {TRANSACTION}",
            r"transactions had \(count, first, last\)",
        ),
        (
            f"UPDATE ledger_transaction SET transaction_id = 'other' WHERE id = {TRANSACTION}",
            r"event \d+: ledger_transaction\.transaction_id of id 31 was other, expected \w+:",
        ),
        (
            f"UPDATE ledger_transaction SET occurred_at = occurred_at + interval '1 us' "
            f"WHERE id = {TRANSACTION}",
            r"event \d+: ledger_transaction\.occurred_at of id 31 was ",
        ),
        (
            f"UPDATE trading_trade SET price = price + 1 WHERE event_seq = {TRADE}",
            r"event \d+: trading_trade\.price of event_seq \d+ was ",
        ),
        (
            f"DELETE FROM trading_trade WHERE event_seq = {TRADE}",
            r"event \d+: trading_trade\.event_seq of event_seq \d+ was \d+, expected \d+",
        ),
        (
            "INSERT INTO trading_trade SELECT event_seq + 1000000, market_id, trade_id + 1000000, "
            "taker_side, maker_order_id, taker_order_id, maker_user_id, taker_user_id, price, "
            "quantity, quote_quantity, maker_fee, taker_fee, maker_fee_asset_id, "
            f"taker_fee_asset_id, executed_at, day FROM trading_trade WHERE event_seq = {TRADE}",
            r"trading_trade has a row that no event explains: ",
        ),
        (
            f"UPDATE trading_orderhistory SET by_operator = NOT by_operator "
            f"WHERE order_id = {CLOSED}",
            r"event \d+: trading_orderhistory\.by_operator of order_id \d+ was ",
        ),
        (
            f"DELETE FROM trading_orderhistory WHERE order_id = {CLOSED}",
            r"event \d+: trading_orderhistory\.order_id of order_id \d+ was ",
        ),
        (
            f"UPDATE trading_openorder SET reserved = reserved + 1 WHERE order_id = {ORDER}",
            r"user \d, asset \d: locked was ",
        ),
        (
            f"UPDATE trading_openorder SET price = price + 1 WHERE order_id = {ORDER}",
            r"after event \d+: trading_openorder\.price of order_id \d+ was ",
        ),
        (
            "UPDATE ledger_balance SET total = total + 1, available = available + 1 "
            f"WHERE id = {BALANCE}",
            r"user 1, asset 1: total was ",
        ),
        (
            f"UPDATE ledger_balance SET available = available - locked - 1, "
            f"locked = locked + locked + 1 WHERE id = {BALANCE}",
            r"user 1, asset 1: locked was ",
        ),
        (
            f"UPDATE ledger_balance SET last_event_seq = 3 WHERE id = {BALANCE}",
            r"after event \d+: ledger_balance\.last_event_seq of id 65537 was 3, expected ",
        ),
        (
            "UPDATE ledger_assettotal SET deposited = deposited + 1, withdrawn = withdrawn + 1",
            r"after event \d+: ledger_assettotal\.deposited of asset_id 1 was ",
        ),
        (
            "UPDATE accounts_tradingaccount SET status = 'SUSPENDED' WHERE user_id = 3",
            r"accounts_tradingaccount\.status of user_id 3 was SUSPENDED, expected ACTIVE",
        ),
        (
            "UPDATE markets_market SET taker_fee = taker_fee + 1 WHERE market_id = 2",
            r"markets_market\.taker_fee of id 2 was 2501, expected 2500",
        ),
        (
            "UPDATE mirror_engineevent SET chain = sha256(chain) WHERE event_seq = 50",
            r"event 50: mirror_engineevent\.chain was ",
        ),
        (
            "UPDATE mirror_engineevent SET record = set_byte(record, 60, 1) WHERE event_seq = 50",
            r"event 50: mirror_engineevent\.chain was ",
        ),
        (
            "UPDATE mirror_engineevent SET command_seq = 1 WHERE event_seq = 50",
            r"event 50: mirror_engineevent \(event_seq, command_seq, type, time_us\) was \(50, 1,",
        ),
        (
            "DELETE FROM mirror_engineevent WHERE event_seq = 50",
            r"events had \(count, first, last\)",
        ),
        (
            "UPDATE mirror_cursor SET chain = sha256(chain)",
            r"the cursor has \(chain, digest, rows\)",
        ),
        ("UPDATE mirror_cursor SET row_count = 1", r"the cursor has \(chain, digest, rows\)"),
        (
            "UPDATE mirror_cursor SET last_event_seq = last_event_seq + 1",
            r"events had \(count, first, last\)",
        ),
        ("UPDATE mirror_cursor SET halted_reason = 'why'", r"^why$"),
    ],
)
def test_tampering_is_found_and_named(
    books: DatabaseHandle, tamper: Tamper, statement: str, words: str
) -> None:
    tamper(statement)
    with pytest.raises(ViolationError, match=words):
        verified(books)


def test_a_forged_event_with_a_consistent_chain_is_found_by_what_follows_from_it(
    books: DatabaseHandle, script: EngineScript, tamper: Tamper
) -> None:
    """A deposit of one atom more, all later links recomputed: balances and checkpoints disagree."""
    events = bytearray(script.events)
    at = next(
        offset
        for offset in range(0, len(events), RECORD_BYTES)
        if events[offset + 24] == 10  # FUNDS_DEPOSITED
    )
    events[at + 48] ^= 1  # the amount
    with psycopg.connect(books.superuser_url, autocommit=True) as connection:
        connection.execute("ALTER TABLE mirror_engineevent DISABLE TRIGGER ALL")
        chain = CHAIN_GENESIS
        for seq, offset in enumerate(range(0, len(events), RECORD_BYTES), start=1):
            record = bytes(events[offset : offset + RECORD_BYTES])
            chain = chain_extend(chain, record)
            connection.execute(
                "UPDATE mirror_engineevent SET record = %s, chain = %s WHERE event_seq = %s",
                (record, chain, seq),
            )
        connection.execute("UPDATE mirror_cursor SET chain = %s", [chain])
    with pytest.raises(ViolationError, match=r"event \d+: ledger_leg\.amount of id \d+ was "):
        verified(books)


def test_empty_books_are_proved(database: DatabaseHandle) -> None:
    assert {each.outcome for each in verified(database).results} == {"proved"}
    with opened(database):
        pass  # the cursor is there now
    assert one(database, "SELECT last_event_seq FROM mirror_cursor") == (0,)
    assert {each.outcome for each in verified(database).results} == {"proved"}


def verify_command(
    database: DatabaseHandle, *arguments: str, address: str = "127.0.0.1:1", var: Path
) -> subprocess.CompletedProcess[str]:
    """Run `manage.py verify` as an operator does."""
    return subprocess.run(
        [sys.executable, "-m", "django", "verify", *arguments],
        cwd=REPOSITORY,
        env={
            **os.environ,
            **database.environment,
            "ENGINE_ADDRESS": address,
            "QT_VAR": str(var),
            "DJANGO_SETTINGS_MODULE": settings.SETTINGS_MODULE,
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_command_lists_its_checks_and_exits_with_the_violation(
    books: DatabaseHandle, tamper: Tamper, tmp_path: Path
) -> None:
    sound = verify_command(books, "ledger", var=tmp_path)
    assert (sound.returncode, sound.stderr) == (0, "")
    assert "10 of 10 checks proved, none violated" in sound.stdout
    tamper(f"UPDATE trading_trade SET price = price + 1 WHERE event_seq = {TRADE}")
    broken = verify_command(books, "ledger", "--json", var=tmp_path)
    assert broken.returncode == 1
    report = json.loads(broken.stdout)
    assert report["ok"] is False
    assert "trading_trade.price" in report["violation"]
    assert [each["outcome"] for each in report["checks"]] == ["proved"] * 8 + ["violated"]
    assert broken.stderr.startswith("violated: ledger: every row follows from the archived events")


def test_an_engine_that_is_down_is_no_proof(database: DatabaseHandle, tmp_path: Path) -> None:
    result = verify_command(database, "engine", var=tmp_path)
    assert result.returncode == 2
    assert "verification could not be finished: EngineUnavailable" in result.stderr


def test_books_of_another_engine_are_found(
    books: DatabaseHandle, engine_process: EngineFactory, tmp_path: Path
) -> None:
    engine = engine_process()
    with SyncEngineClient(engine.address) as client:
        client.add_asset(asset_id=1, code="BTC", decimals=8, max_total_atoms=10**18)
    result = verify_command(books, "all", address=engine.address, var=tmp_path)
    assert result.returncode == 1
    assert "the engine does not have events 1.." in result.stderr


def test_a_journal_that_is_not_here_is_not_counted_as_proved(
    database: DatabaseHandle, engine_process: EngineFactory, tmp_path: Path
) -> None:
    engine = engine_process()
    result = verify_command(database, "all", address=engine.address, var=tmp_path / "elsewhere")
    assert result.returncode == 0
    assert "not checked engine: the journal from genesis gives the live state hash" in result.stdout
    assert "15 of 16 checks proved, none violated" in result.stdout
