"""What the tests of the books share: running events through `Books`, and looking at the result."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql

from apps.mirror.books import Books, EventRun
from apps.mirror.verification.ledger import verify_ledger
from apps.mirror.verification.report import Report
from apps.mirror.verification.snapshot import Snapshot
from engine.proto.records import RECORD_BYTES
from engine.proto.stream import StreamBatch
from tests.engine_events import EngineScript, batches
from tests.fixtures_database import DatabaseHandle

TABLES = (
    "accounts_tradingaccount",
    "ledger_assettotal",
    "ledger_balance",
    "ledger_leg",
    "ledger_transaction",
    "markets_asset",
    "markets_market",
    "mirror_cursor",
    "mirror_engineevent",
    "mirror_enginesetting",
    "trading_openorder",
    "trading_orderhistory",
    "trading_trade",
)
NOT_FROM_EVENTS = {
    "ledger_transaction": {"recorded_at", "made_in"},
    "mirror_cursor": {"updated_at", "stream_seq"},
}


@contextmanager
def opened(database: DatabaseHandle) -> Iterator[Books]:
    """The books of a database, open."""
    books = Books(database.mirror_url)
    books.open()
    try:
        yield books
    finally:
        books.close()


def run_of(messages: list[StreamBatch], stream_seq: int | None = None) -> EventRun:
    """Messages that follow one another, as a run."""
    return EventRun(
        epoch=messages[0].epoch,
        first_event_seq=messages[0].first_event_seq,
        events=b"".join(each.events for each in messages),
        links=tuple((each.last_event_seq, each.chain) for each in messages),
        stream_seq=stream_seq,
    )


def book_all(books: Books, events: bytes, *, size: int = 100, join: int = 4) -> None:
    """Book the events that follow the cursor, in messages of `size` and runs of `join` messages."""
    done = books.position.last_event_seq
    messages = batches(
        events[done * RECORD_BYTES :], size=size, first=done + 1, chain=books.position.chain
    )
    for start in range(0, len(messages), join):
        books.apply(run_of(messages[start : start + join]))


def booked(database: DatabaseHandle, script: EngineScript) -> None:
    """Book all events of a script into an empty database."""
    with opened(database) as books:
        book_all(books, script.events)


def contents(database: DatabaseHandle) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every mirrored table, but for what the moment of booking decides."""
    found = {}
    with psycopg.connect(database.owner_url) as connection:
        for table in TABLES:
            cursor = connection.execute(
                sql.SQL("SELECT * FROM {} ORDER BY 1").format(sql.Identifier(table))
            )
            names = [column.name for column in cursor.description or ()]
            kept = [
                index
                for index, name in enumerate(names)
                if name not in NOT_FROM_EVENTS.get(table, set())
            ]
            found[table] = [tuple(row[index] for index in kept) for row in cursor]
    return found


def verified(database: DatabaseHandle) -> Report:
    """The report of `verify ledger`; a ViolationError passes through."""
    report = Report(show=lambda _: None)
    with Snapshot(database.app_url) as snapshot:
        verify_ledger(report, snapshot)
    return report


def one(database: DatabaseHandle, statement: str) -> tuple[Any, ...] | None:
    """The first row of a query, as the web processes would see it."""
    with psycopg.connect(database.app_url) as connection:
        return connection.execute(statement).fetchone()
