"""The feed: batches without gap, within one epoch and the limit, each with the chain's head."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.journal.writer import Journal
from engine.proto.records import EventHeader, EventType, UserSet, pack_event
from engine.proto.stream import BATCH_EVENTS_MAX, CHAIN_GENESIS, chain_extend
from engine.relay.feed import (
    NOTHING_DURABLE,
    DurableMark,
    JournalFeed,
    durable_mark,
    event_time_us,
)
from engine.relay.progress import GENESIS, Anchor

COMMAND = bytes(128)
TIME_US = 1_700_000_000_000_000


def events(first: int, count: int) -> bytes:
    """Return events that carry their number as user id and in their time stamp."""
    return b"".join(
        pack_event(
            EventHeader(seq, seq, TIME_US + seq, EventType.USER_ADDED, 0, 0, 0), UserSet(seq, 1)
        )
        for seq in range(first, first + count)
    )


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """An open journal with 1000 events in records of 250."""
    journal = Journal(tmp_path, segment_bytes=64 << 10)
    assert list(journal.recover()) == []
    for first in (1, 251, 501, 751):
        append(journal, first, 250)
    yield journal
    journal.close()


def append(journal: Journal, first: int, count: int) -> None:
    """Append one record of so many commands with one event each."""
    journal.prepare(count, count)
    journal.append(COMMAND * count, events(first, count), TIME_US + first)


def test_batches_are_filled_over_records_and_chained(tmp_path: Path, journal: Journal) -> None:
    feed = JournalFeed(tmp_path, GENESIS)
    chain = CHAIN_GENESIS
    for first, last in ((1, 480), (481, 960), (961, 1000)):
        fed = feed.next_batch()
        assert fed is not None
        chain = chain_extend(chain, events(first, last - first + 1))
        assert fed.batch == (1, first, last, chain, events(first, last - first + 1))
        assert fed.first_time_us == TIME_US + first
        assert feed.anchor == Anchor(last, chain)
    assert feed.next_batch() is None
    assert BATCH_EVENTS_MAX == 480
    feed.close()


def test_a_feed_goes_on_from_an_anchor_inside_a_record(tmp_path: Path, journal: Journal) -> None:
    chain = chain_extend(CHAIN_GENESIS, events(1, 600))
    feed = JournalFeed(tmp_path, Anchor(600, chain))
    fed = feed.next_batch()
    assert fed is not None
    assert (fed.batch.first_event_seq, fed.batch.last_event_seq) == (601, 1000)
    assert fed.batch.chain == chain_extend(CHAIN_GENESIS, events(1, 1000))
    feed.close()


def test_a_feed_stops_where_it_is_told(tmp_path: Path, journal: Journal) -> None:
    feed = JournalFeed(tmp_path, GENESIS)
    assert feed.next_batch(last_event_seq=3) is not None
    assert feed.anchor == Anchor(3, chain_extend(CHAIN_GENESIS, events(1, 3)))
    feed.close()


def test_a_batch_ends_with_its_epoch(tmp_path: Path, journal: Journal) -> None:
    journal.close()
    second = Journal(tmp_path, segment_bytes=64 << 10)
    assert len(list(second.recover())) == 4
    append(second, 1001, 10)
    feed = JournalFeed(tmp_path, Anchor(900, bytes(32)))
    seen = [feed.next_batch(), feed.next_batch()]
    assert [fed and fed.batch[:3] for fed in seen] == [(1, 901, 1000), (2, 1001, 1010)]
    feed.close()
    second.close()


def test_a_feed_sees_what_is_appended_after_it_reached_the_end(
    tmp_path: Path, journal: Journal
) -> None:
    feed = JournalFeed(tmp_path, Anchor(1000, bytes(32)))
    assert feed.next_batch() is None
    append(journal, 1001, 2)
    fed = feed.next_batch()
    assert fed is not None
    assert fed.batch[:3] == (1, 1001, 1002)
    feed.close()


def test_the_durable_mark_names_epoch_and_event(tmp_path: Path, journal: Journal) -> None:
    assert durable_mark(tmp_path) == DurableMark(1, 1000)


def test_a_directory_that_no_engine_wrote_to_has_nothing_durable(tmp_path: Path) -> None:
    assert durable_mark(tmp_path) == NOTHING_DURABLE


def test_the_time_of_one_event_can_be_looked_up(tmp_path: Path, journal: Journal) -> None:
    assert event_time_us(tmp_path, 777) == TIME_US + 777
    with pytest.raises(ValueError, match="event 1001 is not durable"):
        event_time_us(tmp_path, 1001)
