"""What the books say about the acknowledged commands: lost, doubled, missing sequences.

Reads the mirror's event archive as the runtime role. Invariant: a comparison is made only once the
books have reached the newest acknowledged event, so a difference is never just lag.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import psycopg

from apps.mirror.books import MIRROR_NAME
from engine.client import iterate_events
from engine.proto.records import (
    NO_REQUEST_ID,
    RECORD_BYTES,
    EventHeader,
    EventType,
    FundsMoved,
    FundsTransferred,
    OrderAccepted,
)

POLL_S: Final = 0.05
READ_AT_ONCE: Final = 5_000
_FUNDS: Final = int(EventType.FUNDS_DEPOSITED)  # movements of money share one space of ids
# A hold ends once, either way, under the id that began it.
_ENDS_OF_HOLDS: Final = dict.fromkeys(
    map(int, (EventType.HOLD_SETTLED, EventType.HOLD_RELEASED)), int(EventType.HOLD_SETTLED)
)


class Findings(NamedTuple):
    """Counts of what must all be 0; `first` tells of the first finding in words."""

    lost: int
    doubled: int
    gaps: int
    first: str


class CursorRow(NamedTuple):
    last_event_seq: int
    halted_reason: str


class Books:
    """The mirrored side of the installation at `database_url`."""

    def __init__(self, database_url: str) -> None:
        self._url = database_url

    async def cursor(self) -> CursorRow | None:
        """Where the mirror is; None while PostgreSQL cannot say."""
        try:
            async with await psycopg.AsyncConnection.connect(
                self._url, connect_timeout=2, autocommit=True
            ) as connection:
                row = await (
                    await connection.execute(
                        "SELECT last_event_seq, halted_reason FROM mirror_cursor WHERE name = %s",
                        (MIRROR_NAME,),
                    )
                ).fetchone()
        except psycopg.OperationalError:
            return None
        return CursorRow(*row) if row else None

    async def reach(self, event_seq: int, timeout_s: float) -> CursorRow | None:
        """Wait until the mirror has written `event_seq`; returns where it is, or where it stuck."""
        deadline = time.monotonic() + timeout_s
        while True:
            row = await self.cursor()
            if row is not None and (row.last_event_seq >= event_seq or row.halted_reason):
                return row
            if time.monotonic() > deadline:
                return row
            await asyncio.sleep(POLL_S)

    async def compare(self, acknowledged: Iterable[bytes]) -> Findings:
        """Hold every acknowledged event, and every identity, against the archive."""
        expected = dict(_by_sequence(acknowledged))
        seen_ids: set[tuple[int, bytes]] = set()
        lost = doubled = gaps = previous = 0
        first = ""
        async with (
            await psycopg.AsyncConnection.connect(self._url) as connection,
            connection.cursor(name="chaos_archive") as rows,
        ):
            rows.itersize = READ_AT_ONCE
            await rows.execute(
                "SELECT event_seq, record FROM mirror_engineevent ORDER BY event_seq"
            )
            async for event_seq, record in rows:
                if event_seq != previous + 1:
                    gaps += 1
                    first = first or f"event {event_seq} follows event {previous}"
                previous = event_seq
                was = expected.pop(event_seq, None)
                if was is not None and was != bytes(record):
                    lost += 1
                    first = first or f"event {event_seq} is not the one acknowledged"
                identity = _identity(bytes(record))
                if identity in seen_ids:
                    doubled += 1
                    first = first or f"event {event_seq} repeats what {identity} did"
                elif identity is not None:
                    seen_ids.add(identity)
        for event_seq in sorted(expected):
            lost += 1
            first = first or f"acknowledged event {event_seq} is not in the books"
        return Findings(lost, doubled, gaps, first)


def _by_sequence(acknowledged: Iterable[bytes]) -> Iterable[tuple[int, bytes]]:
    for records in acknowledged:
        for offset in range(0, len(records), RECORD_BYTES):
            record = records[offset : offset + RECORD_BYTES]
            yield int.from_bytes(record[:8], "little"), record


def _identity(record: bytes) -> tuple[int, bytes] | None:
    """What may happen once only: a movement of money, an order under its client order id."""
    pair: tuple[EventHeader, Any]
    (pair,) = iterate_events(record)
    header, body = pair
    if isinstance(body, FundsMoved) and body.request_id != NO_REQUEST_ID:
        return _ENDS_OF_HOLDS.get(header.type, _FUNDS), body.request_id
    if isinstance(body, FundsTransferred):
        return _FUNDS, body.request_id + bytes((body.leg,))
    if isinstance(body, OrderAccepted) and body.text:
        return int(header.type), body.text
    return None
