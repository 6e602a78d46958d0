"""What recovery forgives (a last record that the disk took in part) and what it never does."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.journal.errors import (
    JournalBehindError,
    JournalCorruptError,
    JournalError,
)
from engine.journal.format import SEGMENT_HEADER_BYTES, segment_path, unpack_segment_header
from engine.journal.scan import Progress, SegmentScan
from tests.unit.journal.support import (
    SEGMENT_BYTES,
    Crash,
    append,
    content,
    copy_of,
    crashed,
    opened,
    written,
)


def flip(path: Path, offset: int, mask: int = 0xFF) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= mask
    path.write_bytes(data)


def scan(data: bytes, path: Path) -> SegmentScan:
    """Scan a last segment completely."""
    view = memoryview(data)
    one = SegmentScan(view, path, unpack_segment_header(view, path), last=True)
    for _ in one.records(Progress()):
        pass
    return one


def test_everything_written_comes_back_over_segments_and_restarts(tmp_path: Path) -> None:
    batches = [content(n, 1 + n % 5, 1 + n % 5 + n % 7) for n in range(200)]
    written(tmp_path, batches[:120])
    with opened(tmp_path) as (journal, found):
        assert found == batches[:120]
        for batch in batches[120:]:
            append(journal, batch)
    with opened(tmp_path) as (journal, found):
        assert found == batches
        assert journal.command_seq == sum(len(batch.commands) // 128 for batch in batches)
        assert journal.event_seq == sum(len(batch.events) // 128 for batch in batches)
        assert journal.epoch == 3
    assert len(list((tmp_path / "journal").glob("*.seg"))) > 3


def test_a_last_record_cut_short_at_any_byte_is_truncated(tmp_path: Path) -> None:
    crash = crashed(tmp_path / "whole", [content(1), content(2, 2, 3)], content(3))
    whole = crash.segment.read_bytes()
    for cut in range(crash.last_at, crash.last_end):
        torn = copy_of(crash, tmp_path / "torn")
        torn.segment.write_bytes(whole[:cut])
        with opened(torn.data_dir) as (journal, found):
            assert found == crash.before, cut
            append(journal, crash.last)
        assert torn.segment.stat().st_size == SEGMENT_BYTES
        with opened(torn.data_dir) as (_, found):
            assert found == [*crash.before, crash.last], cut


def test_a_last_record_zero_from_any_sector_on_is_truncated(tmp_path: Path) -> None:
    crash = crashed(tmp_path / "whole", [content(1), content(2, 2, 3)], content(3, 10, 12))
    whole = crash.segment.read_bytes()
    boundaries = range(-(-crash.last_at // 512) * 512, crash.last_end, 512)
    assert len(boundaries) >= 5
    for boundary in boundaries:
        torn = copy_of(crash, tmp_path / "torn")
        torn.segment.write_bytes(whole[:boundary].ljust(SEGMENT_BYTES, b"\0"))
        with opened(torn.data_dir) as (journal, found):
            assert found == crash.before, boundary
            assert torn.segment.read_bytes()[crash.last_at :].count(0) == (
                SEGMENT_BYTES - crash.last_at
            )
            append(journal, crash.last)
        with opened(torn.data_dir) as (_, found):
            assert found == [*crash.before, crash.last], boundary


def test_a_record_zeroed_from_inside_a_sector_is_damage_and_not_torn(tmp_path: Path) -> None:
    crash = crashed(tmp_path, [content(1)], content(2, 3, 3))
    whole = crash.segment.read_bytes()
    last_sector = crash.last_end // 512 * 512
    for start in range(max(last_sector, crash.last_at) + 1, crash.last_end):
        data = whole[:start].ljust(SEGMENT_BYTES, b"\0")
        with pytest.raises(JournalCorruptError) as refused:
            scan(data, crash.segment)
        assert refused.value.offset == crash.last_at


@pytest.mark.parametrize("mask", [0x01, 0x80, 0xFF])
def test_a_flipped_byte_anywhere_refuses_and_is_named(tmp_path: Path, mask: int) -> None:
    batches = [content(1), content(2, 2, 3), content(3)]
    written(tmp_path, batches)
    path = segment_path(tmp_path, 1)
    whole = path.read_bytes()
    starts = [SEGMENT_HEADER_BYTES]
    for batch in batches:
        starts.append(starts[-1] + 64 + len(batch.commands) + len(batch.events))
    end = starts[-1]
    for offset in [*range(end), *range(end, SEGMENT_BYTES, 97), SEGMENT_BYTES - 1]:
        data = bytearray(whole)
        data[offset] ^= mask
        with pytest.raises(JournalCorruptError) as refused:
            scan(bytes(data), path)
        assert refused.value.path == path
        if offset >= SEGMENT_HEADER_BYTES:
            record = max((start for start in starts if start <= offset), default=0)
            named = refused.value.offset
            assert record <= named <= offset, (offset, named)
            assert f"{path} at byte {named}" in str(refused.value)


def test_a_flipped_byte_refuses_the_whole_start_and_changes_nothing(tmp_path: Path) -> None:
    written(tmp_path, [content(n, 4, 8) for n in range(60)])
    path = segment_path(tmp_path, 1)
    flip(path, 2000)
    damaged = path.read_bytes()
    with pytest.raises(JournalCorruptError, match=r"0000000001\.seg at byte \d+"), opened(tmp_path):
        pass
    assert path.read_bytes() == damaged


def test_an_incomplete_record_in_an_earlier_segment_is_damage(tmp_path: Path) -> None:
    written(tmp_path, [content(n, 4, 8) for n in range(60)])
    path = segment_path(tmp_path, 1)
    whole = path.read_bytes()
    path.write_bytes(whole[: SEGMENT_BYTES - 4096].ljust(SEGMENT_BYTES, b"\0"))
    with pytest.raises(JournalCorruptError, match=r"0000000001\.seg"), opened(tmp_path):
        pass
    path.write_bytes(whole[: SEGMENT_BYTES - 4096])
    with pytest.raises(JournalCorruptError, match="the file was 61440 bytes"), opened(tmp_path):
        pass


def test_a_missing_segment_refuses(tmp_path: Path) -> None:
    written(tmp_path, [content(n, 4, 8) for n in range(120)])
    segment_path(tmp_path, 2).unlink()
    with pytest.raises(JournalCorruptError, match=r"0000000002\.seg at byte 0.*missing"):  # noqa: SIM117
        with opened(tmp_path):
            pass


def test_a_segment_of_another_journal_refuses(tmp_path: Path) -> None:
    written(tmp_path / "one", [content(n, 4, 8) for n in range(60)])
    written(tmp_path / "two", [content(n, 4, 9) for n in range(60)])
    segment_path(tmp_path / "one", 2).write_bytes(segment_path(tmp_path / "two", 2).read_bytes())
    with pytest.raises(JournalCorruptError, match="sequence was"), opened(tmp_path / "one"):
        pass


def test_a_journal_that_lost_acknowledged_records_refuses_until_the_loss_is_accepted(
    tmp_path: Path,
) -> None:
    batches = written(tmp_path, [content(1), content(2), content(3)])
    path = segment_path(tmp_path, 1)
    cut = SEGMENT_HEADER_BYTES + 2 * 320
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(JournalBehindError, match="ends at event 2, but event 3"), opened(tmp_path):
        pass
    with opened(tmp_path, accept_loss=True) as (_, found):
        assert found == batches[:2]
    with opened(tmp_path) as (_, found):
        assert found == batches[:2]


def test_a_journal_whose_segments_are_gone_refuses(tmp_path: Path) -> None:
    written(tmp_path, [content(1)])
    segment_path(tmp_path, 1).unlink()
    with pytest.raises(JournalBehindError, match="ends at event 0, but event 1"), opened(tmp_path):
        pass


def test_an_epoch_file_older_than_the_journal_refuses(tmp_path: Path) -> None:
    for n in range(3):
        written(tmp_path, [content(n)])
    (tmp_path / "epoch").write_text("1\n")
    with pytest.raises(JournalError, match="already in epoch 3"), opened(tmp_path):
        pass


def test_an_unreadable_epoch_refuses(tmp_path: Path) -> None:
    written(tmp_path, [content(1)])
    (tmp_path / "epoch").write_text("one\n")
    with pytest.raises(JournalError, match="was 'one', expected a number"), opened(tmp_path):
        pass


def test_an_unfinished_spare_segment_is_no_segment(tmp_path: Path) -> None:
    batches = written(tmp_path, [content(1)])
    (tmp_path / "journal" / "spare.tmp").write_bytes(b"\0" * 100)
    with opened(tmp_path) as (_, found):
        assert found == batches


def test_recovering_is_repeatable(tmp_path: Path) -> None:
    crash: Crash = crashed(tmp_path, [content(1)], content(2, 9, 9))
    whole = crash.segment.read_bytes()
    crash.segment.write_bytes(whole[: crash.last_at + 600])
    for epoch in (2, 3, 4):
        with opened(tmp_path) as (journal, found):
            assert found == crash.before
            assert journal.epoch == epoch
