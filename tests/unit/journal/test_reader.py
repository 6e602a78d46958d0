"""Readers get exactly the durable events, from any sequence, over segments and epochs."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.journal import EventSlice, Follower, JournalCorruptError, journal_records
from engine.journal.format import segment_path
from engine.journal.reader import SeekIndex
from tests.unit.journal.support import append, content, opened, written


def read_all(follower: Follower, events_max: int) -> list[EventSlice]:
    slices = []
    while (part := follower.read(events_max)) is not None:
        slices.append(part)
    return slices


@pytest.fixture
def journal_dir(tmp_path: Path) -> Path:
    """Three epochs over several segments."""
    for epoch in range(3):
        written(tmp_path, [content(epoch * 40 + n, 1 + n % 5, 5 + n % 7) for n in range(40)])
    return tmp_path


@pytest.fixture
def all_events(journal_dir: Path) -> bytes:
    return b"".join(bytes(record.events) for record in journal_records(journal_dir))


@pytest.mark.parametrize("events_max", [1, 7, 480, 100_000])
def test_slices_are_dense_bounded_and_of_one_epoch(
    journal_dir: Path, all_events: bytes, events_max: int
) -> None:
    follower = Follower(journal_dir)
    slices = read_all(follower, events_max)
    follower.close()
    assert b"".join(part.events for part in slices) == all_events
    following = 1
    for part in slices:
        assert part.first_event_seq == following
        assert len(part.events) == (part.last_event_seq - part.first_event_seq + 1) * 128
        assert len(part.events) <= events_max * 128
        following = part.last_event_seq + 1
    assert following == len(all_events) // 128 + 1
    assert sorted({part.epoch for part in slices}) == [1, 2, 3]


def test_every_event_can_be_addressed(journal_dir: Path, all_events: bytes) -> None:
    for seq in range(1, len(all_events) // 128 + 1, 13):
        follower = Follower(journal_dir, seq)
        part = follower.read(1)
        follower.close()
        assert part is not None
        assert part[1:] == (seq, seq, all_events[(seq - 1) * 128 : seq * 128])


def test_a_shared_index_changes_the_way_and_not_what_is_found(
    journal_dir: Path, all_events: bytes
) -> None:
    index = SeekIndex()
    last = len(all_events) // 128
    for seq in [last, 1, last // 2, *range(1, last, 29), *range(last, 0, -31)]:
        follower = Follower(journal_dir, seq, index)
        part = follower.read(2)
        follower.close()
        assert part is not None
        assert part.events == all_events[(seq - 1) * 128 : part.last_event_seq * 128]
    assert index.before(0) is None
    segments = len(list((journal_dir / "journal").glob("*.seg")))
    assert [index.before(10**9)] == [(segments, 512)]


def test_records_can_be_read_from_the_one_that_holds_an_event(journal_dir: Path) -> None:
    whole = list(journal_records(journal_dir))
    assert [record.epoch for record in whole] == [1] * 40 + [2] * 40 + [3] * 40
    middle = whole[77]
    assert next(journal_records(journal_dir, middle.last_event_seq)) == middle
    assert list(journal_records(journal_dir, whole[-1].last_event_seq + 1)) == []


def test_a_follower_waits_at_the_end_and_goes_on_after_a_restart(tmp_path: Path) -> None:
    with opened(tmp_path) as (journal, _):
        follower = Follower(tmp_path)
        assert follower.read(10) is None
        for n in range(200):
            batch = content(n, 1, 1 + n % 3)
            append(journal, batch)
            part = follower.read(10)
            assert part is not None
            assert part.events == batch.events
            assert follower.read(10) is None
    with opened(tmp_path) as (journal, _):
        assert follower.read(10) is None
        append(journal, content(1000))
        part = follower.read(10)
        assert part is not None
        assert (part.epoch, part.events) == (2, content(1000).events)
    follower.close()


def test_bytes_beyond_the_published_position_are_not_read(tmp_path: Path) -> None:
    with opened(tmp_path) as (journal, _):
        append(journal, content(1))
        published = (tmp_path / "durable").read_bytes()
        append(journal, content(2))
    (tmp_path / "durable").write_bytes(published)
    follower = Follower(tmp_path)
    assert [part.events for part in read_all(follower, 10)] == [content(1).events]
    follower.close()
    assert len(list(journal_records(tmp_path))) == 1


def test_a_reader_names_damage(tmp_path: Path) -> None:
    written(tmp_path, [content(1), content(2)])
    path = segment_path(tmp_path, 1)
    data = bytearray(path.read_bytes())
    data[512 + 320 + 100] ^= 1
    path.write_bytes(data)
    with pytest.raises(JournalCorruptError, match=r"0000000001\.seg at byte 832"):
        list(journal_records(tmp_path))


def test_a_sequence_below_one_or_an_empty_read_is_a_mistake(tmp_path: Path) -> None:
    written(tmp_path, [content(1)])
    with pytest.raises(ValueError, match="event sequence was 0, expected at least 1"):
        Follower(tmp_path, 0)
    follower = Follower(tmp_path)
    with pytest.raises(ValueError, match="events_max was 0, expected at least 1"):
        follower.read(0)
    follower.close()
