"""A stream with genuine events, and waiting for the mirror to have come somewhere."""

from __future__ import annotations

import asyncio
import time

import nats
import psycopg

from engine.proto.stream import STREAM_NAME, STREAM_SUBJECT, StreamBatch, pack_batch
from engine.relay.stream import STREAM_BYTES_DEFAULT, ensure_stream
from tests.fixtures_database import DatabaseHandle

WAIT_S = 60.0
POLL_S = 0.05


def publish(url: str, messages: list[StreamBatch] | list[bytes]) -> None:
    """Put messages into the stream, which is made as the relay makes it."""

    async def send() -> None:
        client = await nats.connect(url, allow_reconnect=False)
        js = client.jetstream()
        await ensure_stream(js, STREAM_BYTES_DEFAULT)
        for each in messages:
            payload = each if isinstance(each, bytes) else pack_batch(each)
            await js.publish(STREAM_SUBJECT, payload, stream=STREAM_NAME)
        await client.close()

    asyncio.run(send())


def cursor_of(database: DatabaseHandle) -> tuple[int, str]:
    """Last event and halted reason of the mirror; (0, '') before there is one."""
    with psycopg.connect(database.app_url) as connection:
        row = connection.execute(
            "SELECT last_event_seq, halted_reason FROM mirror_cursor"
        ).fetchone()
    return (row[0], row[1]) if row else (0, "")


def wait_for_event(database: DatabaseHandle, event_seq: int) -> None:
    """Wait until the books have come to an event; a mirror that halts meanwhile fails."""
    deadline = time.monotonic() + WAIT_S
    while (found := cursor_of(database))[0] < event_seq:
        if time.monotonic() > deadline or found[1]:
            raise AssertionError(f"the cursor was at {found}, expected event {event_seq}")
        time.sleep(POLL_S)


def wait_for_halt(database: DatabaseHandle) -> str:
    """Wait until the database says why the mirror halted, and return it."""
    deadline = time.monotonic() + WAIT_S
    while not (reason := cursor_of(database)[1]):
        if time.monotonic() > deadline:
            raise AssertionError("no reason for a halt is on record")
        time.sleep(POLL_S)
    return reason
