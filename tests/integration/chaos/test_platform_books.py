"""The check of a campaign's orders and coins does find what is lost or doubled."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import psycopg

from engine.proto.records import EventHeader, EventType, OrderAccepted, pack_event
from quantatrade.chaos.platform_books import PlatformBooks
from tests.fixtures_database import DatabaseHandle


def archive(database: DatabaseHandle, orders: Sequence[tuple[int, str]]) -> None:
    """Accepted orders as the mirror keeps them: (order id, client order id)."""
    with psycopg.connect(database.mirror_url) as connection:
        for event_seq, (order_id, text) in enumerate(orders, 1):
            header = EventHeader(event_seq, event_seq, 1, EventType.ORDER_ACCEPTED, 0, 0, 1)
            body = OrderAccepted(order_id, 7, 100, 1, 0, 1, 257, text.encode())
            connection.execute(
                "INSERT INTO mirror_engineevent"
                " (event_seq, command_seq, type, occurred_at, record, chain)"
                " VALUES (%s, %s, %s, now(), %s, %s)",
                (event_seq, event_seq, header.type, pack_event(header, body), bytes(32)),
            )


def books(database: DatabaseHandle, directory: Path, transfers: dict[str, int]) -> PlatformBooks:
    """Books beside a custodian at which these transfers have arrived."""
    path = directory / "custodian.sqlite"
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("CREATE TABLE transfer (document TEXT)")
        file.executemany(
            "INSERT INTO transfer VALUES (?)",
            [[json.dumps({"id": key, "valueString": str(n)})] for key, n in transfers.items()],
        )
    return PlatformBooks(database_url=database.app_url, custodian_file=path)


async def test_orders_that_are_lost_or_doubled_are_found_by_their_keys(
    database: DatabaseHandle, tmp_path: Path
) -> None:
    archive(database, [(1, "a"), (2, "b"), (3, "b"), (4, "c"), (5, ""), (6, "")])
    watched = books(database, tmp_path, {})
    assert await watched.orders({"a": 1, "c": 4}) == (0, 1, "order b")
    assert await watched.orders({"a": 1, "d": 9}) == (1, 1, "order d")
    assert await watched.orders({"a": 2}) == (1, 1, "order a")  # another order than was told


async def test_coins_that_were_not_credited_are_found(
    database: DatabaseHandle, tmp_path: Path
) -> None:
    watched = books(database, tmp_path, {"one": 5, "two": 6})
    assert watched.arrived() == {("one", 5), ("two", 6)}
    lost, doubled, first = await watched.coins(timeout_s=0.1)
    assert (lost, doubled) == (2, 0)
    assert first in ("transfer ('one', 5)", "transfer ('two', 6)")
    assert not await watched.credited("one", timeout_s=0.1)
