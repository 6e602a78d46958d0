"""Appending: room, rotation, the published position and the lock."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine.journal.durable import read_position
from engine.journal.errors import DirectoryInUseError, JournalError, JournalWriteError
from engine.journal.format import segment_path
from engine.journal.writer import Journal
from tests.unit.journal.support import SEGMENT_BYTES, append, content, opened, written


def test_a_second_journal_on_the_directory_is_refused_with_the_holder_named(
    tmp_path: Path,
) -> None:
    with opened(tmp_path):
        with pytest.raises(DirectoryInUseError) as refused:
            Journal(tmp_path, segment_bytes=SEGMENT_BYTES)
        assert str(refused.value) == (
            f"data directory {tmp_path} is in use by another engine (process {os.getpid()}); "
            "stop that one first or choose another --data"
        )
    with opened(tmp_path) as (journal, _):
        assert journal.epoch == 2


def test_the_published_position_moves_with_each_record(tmp_path: Path) -> None:
    with opened(tmp_path) as (journal, _):
        start = read_position(tmp_path)
        assert start is not None
        assert (start.event_seq, start.segment, start.offset) == (0, 1, 512)
        append(journal, content(1, 2, 5))
        assert read_position(tmp_path) == (1, 2, 5, 1, 512 + 64 + 7 * 128)


def test_a_record_larger_than_a_segment_gets_a_segment_of_its_own(tmp_path: Path) -> None:
    batches = [content(1), content(2, 1, 900), content(3, 30, 30)]
    written(tmp_path, batches)
    with opened(tmp_path) as (_, found):
        assert found == batches
    assert segment_path(tmp_path, 2).stat().st_size == 118_784
    assert segment_path(tmp_path, 3).stat().st_size == SEGMENT_BYTES


def test_more_events_than_expected_go_to_the_spare_segment(tmp_path: Path) -> None:
    with opened(tmp_path) as (journal, _):
        for n in range(1, 10):
            append(journal, content(n, 10, 40))
        journal.prepare(4, 400)  # the worst case; usually it is 16 events
        append_without_prepare = content(10, 4, 300)
        journal.append(*append_without_prepare)
        assert journal.position().segment == 2
    with opened(tmp_path) as (_, found):
        assert found[-1] == append_without_prepare


def test_a_failed_write_names_the_segment_and_byte(tmp_path: Path) -> None:
    with opened(tmp_path) as (journal, _):
        append(journal, content(1))
        before = read_position(tmp_path)
        os.close(journal._fd)
        journal._fd = os.open(segment_path(tmp_path, 1), os.O_RDONLY)
        with pytest.raises(JournalWriteError, match=r"0000000001\.seg .* at byte 832"):
            append(journal, content(2))
        assert read_position(tmp_path) == before


@pytest.mark.parametrize("segment_bytes", [0, 4096, (64 << 10) + 1, 1 << 40])
def test_a_segment_size_outside_the_limits_is_refused(tmp_path: Path, segment_bytes: int) -> None:
    with pytest.raises(JournalError, match=f"segment size was {segment_bytes} bytes"):
        Journal(tmp_path, segment_bytes=segment_bytes)


def test_a_data_directory_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError, match="cannot be used"):
        Journal(tmp_path / "file", segment_bytes=SEGMENT_BYTES)
