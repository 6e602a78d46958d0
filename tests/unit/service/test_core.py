"""The sequencer on a real kernel and a real journal: order, durability, limits, queries."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine.journal import journal_records, read_position
from engine.journal.errors import JournalWriteError
from engine.journal.replay import replay
from engine.journal.writer import Journal
from engine.kernel import load_kernel
from engine.kernel.interface import Kernel
from engine.proto.records import (
    Command,
    CommandType,
    EventType,
    OrderAccepted,
    OrderType,
    Side,
    TimeInForce,
    pack_command,
    unpack_event,
)
from engine.service.commands import packed, single
from engine.service.core import QUEUE_COMMANDS_MAX, Outcome, Sequencer
from engine.service.errors import DeadlinePassedError, OverloadedError, UnavailableError

NEVER_S = 1e6
LISTING = (
    Command(CommandType.ADD_ASSET, asset_id=1, quantity=8, amount=10**17, text=b"BTC"),
    Command(CommandType.ADD_ASSET, asset_id=2, quantity=8, amount=10**18, text=b"USDT"),
    Command(
        CommandType.ADD_MARKET,
        market_id=1,
        asset_id=1,
        order_id=2,
        price=10**6,
        quantity=10**3,
        text=b"BTCUSDT",
    ),
    Command(CommandType.ADD_USER, user_id=7),
    Command(
        CommandType.DEPOSIT, user_id=7, asset_id=2, amount=10**15, request_id=b"0123456789abcdef"
    ),
)
PLACE = Command(
    CommandType.PLACE,
    side=Side.BID,
    order_type=OrderType.LIMIT,
    time_in_force=TimeInForce.GTC,
    market_id=1,
    user_id=7,
    price=10,
    quantity=1,
)


class Running:
    """A sequencer with what is around it."""

    def __init__(self, data_dir: Path, checkpoint_every_s: float = NEVER_S) -> None:
        self.journal = Journal(data_dir, segment_bytes=1 << 20)
        self.kernel = load_kernel("reference")
        replay(self.journal, self.kernel)
        self.failures: list[Exception] = []
        self.sequencer = Sequencer(
            self.kernel,
            self.journal,
            self.failures.append,
            checkpoint_every_s=checkpoint_every_s,
        )

    async def begin(self) -> None:
        self.sequencer.start()
        self.sequencer.open()
        for command in LISTING:
            await self.sequencer.submit(single(command))

    async def end(self) -> None:
        await self.sequencer.stop()
        self.journal.close()


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    running = Running(tmp_path)
    await running.begin()
    yield running
    await running.end()


def order_ids(outcome: Outcome) -> list[int]:
    bodies = [unpack_event(outcome.events, at)[1] for at in range(0, len(outcome.events), 128)]
    return [body.order_id for body in bodies if isinstance(body, OrderAccepted)]


async def test_waiting_batches_share_a_record_and_each_gets_its_own_events(
    running: Running, tmp_path: Path
) -> None:
    records_before = len(list(journal_records(tmp_path)))
    batches = [packed(pack_command(PLACE) * size) for size in (1, 5, 2, 300, 1)]
    futures = [running.sequencer.submit(batch) for batch in batches]
    outcomes = await asyncio.gather(*futures)
    assert [order_ids(outcome) for outcome in outcomes] == [
        [1],
        [2, 3, 4, 5, 6],
        [7, 8],
        list(range(9, 309)),
        [309],
    ]
    assert [outcome.first_command_seq for outcome in outcomes] == [6, 7, 12, 14, 314]
    assert len(list(journal_records(tmp_path))) - records_before <= 2


async def test_an_answer_is_durable_when_it_is_given(running: Running, tmp_path: Path) -> None:
    for _ in range(50):
        outcome = await running.sequencer.submit(single(PLACE))
        position = read_position(tmp_path)
        assert position is not None
        assert position.command_seq == outcome.first_command_seq
        assert running.sequencer.durable_event_seq == position.event_seq


async def test_a_record_holds_at_most_4096_commands(running: Running, tmp_path: Path) -> None:
    batch = pack_command(PLACE) * 1500
    outcomes = await asyncio.gather(*(running.sequencer.submit(packed(batch)) for _ in range(9)))
    assert [len(outcome.events) // 128 for outcome in outcomes] == [1500] * 9
    sizes = [len(record.commands) // 128 for record in journal_records(tmp_path)]
    assert max(sizes) <= 4096
    assert sum(sizes) == 5 + 9 * 1500


async def test_the_queue_is_bounded_and_the_brake_holds_senders(running: Running) -> None:
    batch = pack_command(PLACE._replace(user_id=99)) * 4096
    futures = [running.sequencer.submit(packed(batch)) for _ in range(QUEUE_COMMANDS_MAX // 4096)]
    with pytest.raises(OverloadedError, match="65536 commands are waiting"):
        running.sequencer.submit(single(PLACE))
    await running.sequencer.room()
    futures.append(running.sequencer.submit(single(PLACE)))
    await asyncio.gather(*futures)
    assert order_ids(futures[-1].result()) == [QUEUE_COMMANDS_MAX + 1]


async def test_stamps_never_go_back(running: Running, tmp_path: Path) -> None:
    for _ in range(20):
        await running.sequencer.submit(single(PLACE))
    stamps = [record.time_us for record in journal_records(tmp_path)]
    assert stamps == sorted(stamps)
    assert running.kernel.time_us == stamps[-1]


async def test_a_query_sees_what_was_answered_before_it(running: Running) -> None:
    def count(kernel: Kernel) -> tuple[int, int]:
        return kernel.open_order_count, kernel.event_seq

    for number in range(1, 20):
        outcome = await running.sequencer.submit(single(PLACE))
        event_seq = unpack_event(outcome.events)[0].event_seq
        assert await running.sequencer.query(count) == (number, event_seq)

    def broken(kernel: Kernel) -> int:
        raise LookupError(kernel.name)

    with pytest.raises(LookupError, match="reference"):
        await running.sequencer.query(broken)


async def test_commands_are_refused_before_the_start_and_after_the_end(tmp_path: Path) -> None:
    running = Running(tmp_path)
    with pytest.raises(UnavailableError, match="the engine is starting"):
        running.sequencer.submit(single(PLACE))
    with pytest.raises(UnavailableError, match="the engine is starting"):
        running.sequencer.query(lambda kernel: kernel.event_seq)
    await running.begin()
    running.sequencer.close("closed for a test")
    with pytest.raises(UnavailableError, match="closed for a test"):
        running.sequencer.submit(single(PLACE))
    await running.end()
    with pytest.raises(UnavailableError, match="closed for a test"):
        running.sequencer.query(lambda kernel: kernel.event_seq)
    assert running.failures == []


async def test_stopping_finishes_the_queue_and_journals_a_checkpoint(tmp_path: Path) -> None:
    running = Running(tmp_path)
    await running.begin()
    futures = [running.sequencer.submit(packed(pack_command(PLACE) * 1000)) for _ in range(10)]
    await running.end()
    await asyncio.gather(*futures)
    assert [len(future.result().events) // 128 for future in futures] == [1000] * 10
    last = list(journal_records(tmp_path))[-1]
    assert last.commands[0] == CommandType.CHECKPOINT
    again = Running(tmp_path)
    assert again.kernel.state_hash() == running.kernel.state_hash()
    again.journal.close()


async def test_a_checkpoint_comes_by_itself_when_a_balance_changed(tmp_path: Path) -> None:
    running = Running(tmp_path, checkpoint_every_s=0.05)
    await running.begin()
    await asyncio.sleep(0.3)
    seq = running.sequencer.durable_event_seq
    types = [record.commands[0] for record in journal_records(tmp_path)]
    assert CommandType.CHECKPOINT in types
    await asyncio.sleep(0.3)
    assert running.sequencer.durable_event_seq == seq
    await running.end()
    kinds = {record.events[-128 + 24] for record in journal_records(tmp_path)}
    assert EventType.CHECKPOINT in kinds


async def test_followers_wake_when_something_is_durable(running: Running) -> None:
    seq = running.sequencer.durable_event_seq
    waiting = asyncio.create_task(running.sequencer.published_beyond(seq))
    await asyncio.sleep(0.02)
    assert not waiting.done()
    await running.sequencer.submit(single(PLACE))
    await asyncio.wait_for(waiting, 1)
    assert running.sequencer.durable_event_seq == seq + 1


async def test_after_halt_nothing_is_acknowledged(running: Running) -> None:
    future = running.sequencer.submit(single(PLACE))
    running.sequencer.halt("halted for a test")
    await asyncio.sleep(0.2)
    assert not future.done()
    with pytest.raises(UnavailableError, match="halted for a test"):
        running.sequencer.submit(single(PLACE))


async def test_a_failed_write_is_reported_and_not_acknowledged(tmp_path: Path) -> None:
    running = Running(tmp_path)
    await running.begin()
    running.journal._fd, good = -1, running.journal._fd
    future = running.sequencer.submit(single(PLACE))
    await asyncio.sleep(0.3)
    assert not future.done()
    (failure,) = running.failures
    assert isinstance(failure, JournalWriteError)
    running.journal._fd = good
    await running.end()


async def test_a_caller_that_went_away_before_its_turn_disturbs_nothing(running: Running) -> None:
    futures = [running.sequencer.submit(single(PLACE)) for _ in range(10)]
    futures[3].cancel()
    rest = await asyncio.gather(*futures, return_exceptions=True)
    assert [order_ids(one) for one in rest if isinstance(one, Outcome)] == [
        [1],
        [2],
        [3],
        [4],
        [5],
        [6],
        [7],
        [8],
        [9],
    ]
    assert running.kernel.open_order_count == 9


async def test_what_has_its_turn_after_its_deadline_is_not_executed(running: Running) -> None:
    now = time.monotonic()
    late = running.sequencer.submit(single(PLACE), now - 1)
    in_time = running.sequencer.submit(single(PLACE), now + 60)
    assert order_ids(await in_time) == [1]
    with pytest.raises(DeadlinePassedError, match="before the command had its turn"):
        await late
    assert running.kernel.open_order_count == 1
    assert order_ids(await running.sequencer.submit(single(PLACE))) == [2]
