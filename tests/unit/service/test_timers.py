"""The sequencer and time: what is due goes before everything else, also after a restart."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path

from engine.journal import journal_records
from engine.proto.records import (
    RECORD_BYTES,
    Command,
    CommandType,
    EventHeader,
    EventType,
    Reason,
    TimeInForce,
    pack_command,
    unpack_command,
    unpack_event,
)
from engine.service.commands import packed, single
from tests.unit.service.test_core import LISTING, PLACE, Running

DEADMAN = Command(CommandType.SET_DEADMAN, user_id=7, quantity=20)
WAIT_S = 5.0


def headers(events: bytes) -> list[EventHeader]:
    return [unpack_event(events, at)[0] for at in range(0, len(events), RECORD_BYTES)]


async def wait_for_events(running: Running, event_seq: int) -> None:
    await asyncio.wait_for(running.sequencer.published_beyond(event_seq), WAIT_S)


async def test_an_idle_engine_wakes_for_a_timer_and_journals_a_lone_tick(tmp_path: Path) -> None:
    running = Running(tmp_path)
    await running.begin()
    await running.sequencer.submit(single(PLACE))
    await running.sequencer.submit(single(DEADMAN))
    await wait_for_events(running, running.sequencer.durable_event_seq)
    *_, armed, fired = journal_records(tmp_path)
    assert unpack_command(fired.commands).type == CommandType.TICK
    assert [header.type for header in headers(bytes(fired.events))] == [
        EventType.ORDER_CANCELED,
        EventType.DEADMAN_SET,
    ]
    assert 20_000 <= fired.time_us - armed.time_us < 20_000 + WAIT_S * 1e6
    assert running.kernel.open_order_count == 0
    await running.end()
    assert running.failures == []


async def test_a_timer_that_is_due_goes_before_the_commands_of_a_record(tmp_path: Path) -> None:
    """Rule 36: each caller still gets the events of his own commands and no others."""
    running = Running(tmp_path)
    await running.begin()
    gtd = PLACE._replace(
        time_in_force=TimeInForce.GTD, spare=time.time_ns() // 1000 + 30_000, quantity=3
    )
    await running.sequencer.submit(single(gtd))

    is_held = threading.Event()

    def hold(_: object) -> None:
        is_held.set()
        time.sleep(0.05)

    waiting = running.sequencer.query(hold)  # the writer is busy while the order's time comes
    assert await asyncio.to_thread(is_held.wait, WAIT_S)
    batches = [packed(pack_command(PLACE) * size) for size in (1, 2)]
    outcomes = await asyncio.gather(*map(running.sequencer.submit, batches))
    await waiting
    record = list(journal_records(tmp_path))[-1]
    first = unpack_command(record.commands)
    assert first.type == CommandType.TICK
    assert outcomes[0].first_command_seq == record.first_command_seq + 1
    assert [len(outcome.events) // RECORD_BYTES for outcome in outcomes] == [1, 2]
    kinds = {header.type for outcome in outcomes for header in headers(outcome.events)}
    assert kinds == {EventType.ORDER_ACCEPTED}
    expired = headers(bytes(record.events))[0]
    assert (expired.type, expired.reason) == (EventType.ORDER_EXPIRED, Reason.GTD)
    await running.end()


async def test_what_is_due_at_a_restart_fires_before_anything_else(tmp_path: Path) -> None:
    """Rule 36."""
    running = Running(tmp_path)
    await running.begin()
    await running.sequencer.submit(single(PLACE))
    await running.sequencer.submit(single(DEADMAN))
    await running.end()
    seq = running.kernel.command_seq
    await asyncio.sleep(0.03)
    again = Running(tmp_path)
    assert again.kernel.command_seq >= seq
    again.sequencer.start()
    again.sequencer.open()
    outcome = await again.sequencer.submit(single(LISTING[3]))
    assert [header.type for header in headers(outcome.events)] == [EventType.REQUEST_REPLAYED]
    types = [
        unpack_command(record.commands, at).type
        for record in journal_records(tmp_path)
        for at in range(0, len(record.commands), RECORD_BYTES)
    ]
    assert types.count(CommandType.TICK) == 1
    assert types.index(CommandType.TICK) < len(types) - 1 - types[::-1].index(CommandType.ADD_USER)
    assert again.kernel.open_order_count == 0
    await again.end()
