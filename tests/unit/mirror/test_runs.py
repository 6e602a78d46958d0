"""From messages to runs: what is booked is dropped, what is missing is named."""

from __future__ import annotations

from collections import deque

import pytest

from apps.mirror.books import EventRun, Position
from apps.mirror.digest import BalanceDigest
from apps.mirror.errors import ChainBrokenError
from apps.mirror.runs import RUN_EVENTS_MAX, Gap, Message, next_step
from engine.proto.records import RECORD_BYTES
from engine.proto.stream import CHAIN_GENESIS, StreamBatch
from tests.engine_events import batches

GENESIS = Position(0, 0, 0, CHAIN_GENESIS, 0, BalanceDigest(), 0)
EVENTS = bytes(number % 251 for number in range(30 * RECORD_BYTES))


def messages(size: int = 10, epoch: int = 1) -> list[Message]:
    """Thirty events in messages of `size`."""
    found = batches(EVENTS, size=size, epoch=epoch)
    return [Message(number, batch) for number, batch in enumerate(found, start=101)]


def position_at(batch: StreamBatch) -> Position:
    """The books after a message."""
    return GENESIS._replace(last_event_seq=batch.last_event_seq, chain=batch.chain)


def test_messages_that_follow_one_another_become_one_run() -> None:
    found = messages()
    pending = deque(found)
    assert next_step(pending, GENESIS) == EventRun(
        epoch=1,
        first_event_seq=1,
        events=EVENTS,
        links=tuple((each.batch.last_event_seq, each.batch.chain) for each in found),
        stream_seq=103,
    )
    assert not pending


def test_booked_messages_are_dropped() -> None:
    found = messages()
    pending = deque(found)
    run = next_step(pending, position_at(found[1].batch))
    assert isinstance(run, EventRun)
    assert (run.first_event_seq, run.events) == (21, EVENTS[20 * RECORD_BYTES :])
    assert next_step(deque(found), position_at(found[2].batch)) is None


def test_the_booked_part_of_a_message_is_cut_off() -> None:
    pending = deque(messages(size=20))
    run = next_step(pending, GENESIS._replace(last_event_seq=15))
    assert isinstance(run, EventRun)
    assert (run.first_event_seq, run.events) == (16, EVENTS[15 * RECORD_BYTES :])


def test_a_message_that_ends_where_the_books_do_must_have_their_chain() -> None:
    found = messages()
    with pytest.raises(ChainBrokenError, match="chain hash at event 10 was"):
        next_step(deque(found), GENESIS._replace(last_event_seq=10, chain=bytes(32)))


def test_missing_events_are_a_gap_and_nothing_is_taken() -> None:
    found = messages()
    pending = deque([found[0], found[2]])
    first = next_step(pending, GENESIS)
    assert isinstance(first, EventRun)
    assert len(first.events) == 10 * RECORD_BYTES
    assert next_step(pending, position_at(found[0].batch)) == Gap(11, 20)
    assert list(pending) == [found[2]]


def test_messages_that_come_twice_are_taken_once() -> None:
    found = messages()
    pending = deque([found[0], found[0], found[1], found[0], found[2]])
    run = next_step(pending, GENESIS)
    assert isinstance(run, EventRun)
    assert run.events == EVENTS


def test_a_run_has_one_epoch() -> None:
    found = messages()
    later = [each._replace(batch=each.batch._replace(epoch=2)) for each in found[1:]]
    pending = deque([found[0], *later])
    runs = [next_step(pending, GENESIS), next_step(pending, position_at(found[0].batch))]
    assert [(run.epoch, run.first_event_seq) for run in runs if isinstance(run, EventRun)] == [
        (1, 1),
        (2, 11),
    ]


def test_a_run_has_a_greatest_size() -> None:
    events = bytes(3 * RUN_EVENTS_MAX * RECORD_BYTES)
    pending = deque(Message(1, batch) for batch in batches(events, size=400))
    run = next_step(pending, GENESIS)
    assert isinstance(run, EventRun)
    assert len(run.events) == RUN_EVENTS_MAX * RECORD_BYTES


def test_no_messages_give_no_run() -> None:
    assert next_step(deque(), GENESIS) is None
