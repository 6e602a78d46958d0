"""Old segments may lie compressed elsewhere: every reader finds them, and misses a missing one."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path

import pytest

from engine.inspect.__main__ import main as inspect
from engine.inspect.verify import verify
from engine.journal import Follower, JournalCorruptError, JournalError, journal_records
from engine.journal.archive import (
    LOCATION_NAME,
    archive_dir,
    archive_segments,
    archived_numbers,
    archived_path,
    choose_archive,
    read_archived,
    stored_path,
)
from engine.journal.chain import ChainIndex
from engine.journal.format import segment_path
from engine.journal.segments import segment_headers, segment_numbers
from engine.kernel import load_kernel
from engine.replay import main as replay
from engine.snapshot import archive_old, make_snapshot
from engine.snapshot import main as snapshot
from tests.property.kernel.flow import Flow
from tests.unit.journal.exchange import Exchange, flown


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal of many segments with a snapshot in its middle and one further on."""
    data_dir = tmp_path_factory.mktemp("archive") / "engine"
    flow = Flow(4)
    flown(data_dir, flow, 60)
    assert make_snapshot(data_dir, "auto") is not None
    flown(data_dir, flow, 40)
    assert make_snapshot(data_dir, "auto") is not None
    flown(data_dir, flow, 20)
    return data_dir


@pytest.fixture
def data_dir(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "engine"))


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return tmp_path / "cold" / "archive"


def here(data_dir: Path) -> list[int]:
    return sorted(int(path.stem) for path in (data_dir / "journal").glob("*.seg"))


def everything(data_dir: Path) -> list[tuple[bytes, bytes]]:
    return [(bytes(r.commands), bytes(r.events)) for r in journal_records(data_dir)]


def test_segments_before_both_snapshots_are_moved_and_no_others(
    data_dir: Path, archive: Path
) -> None:
    before = everything(data_dir)
    numbers = segment_numbers(data_dir)
    sizes = [path.stat().st_size for path in sorted((data_dir / "journal").glob("*.seg"))]
    moved = archive_old(data_dir, archive)
    assert len(moved) >= 2
    assert moved == numbers[: len(moved)]
    assert here(data_dir) == numbers[len(moved) :]
    assert segment_numbers(data_dir) == numbers
    assert archived_numbers(data_dir) == moved
    assert sum(path.stat().st_size for path in archive.iterdir()) < sum(sizes[: len(moved)]) / 2
    assert everything(data_dir) == before
    assert archive_old(data_dir, archive) == []


def test_nothing_is_moved_before_there_are_two_snapshots(tmp_path: Path, archive: Path) -> None:
    flown(tmp_path / "engine", Flow(4), 60)
    make_snapshot(tmp_path / "engine", "auto")
    assert archive_old(tmp_path / "engine", archive) == []


def test_every_reader_finds_what_was_moved(
    data_dir: Path, archive: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    facts = verify(data_dir, lambda: load_kernel("auto"))
    chain = ChainIndex(data_dir).head(facts["events"])
    moved = archive_old(data_dir, archive)
    assert verify(data_dir, lambda: load_kernel("auto")) == facts
    assert ChainIndex(data_dir).head(facts["events"]) == chain
    follower = Follower(data_dir, 7)
    events = follower.read(facts["events"])
    assert events is not None
    while events.last_event_seq < facts["events"]:
        events = follower.read(facts["events"])
        assert events is not None
    follower.close()
    assert replay(["--data", str(data_dir)]) == 0
    assert json.loads(capsys.readouterr().out)["state_hash"] == facts["state_hash"]
    assert inspect(["list", str(data_dir)]) == 0
    rows = json.loads(capsys.readouterr().out)["segments"]
    assert [row["segment"] for row in rows if row["archived"]] == moved
    assert inspect(["replay", str(data_dir), "--to", "40", "--genesis"]) == 0
    assert json.loads(capsys.readouterr().out)["command_seq"] == 40


@pytest.mark.parametrize("snapshots", [True, False])
def test_an_engine_starts_and_goes_on(data_dir: Path, archive: Path, snapshots: bool) -> None:
    plain = Exchange(Path(shutil.copytree(data_dir, data_dir.with_name("plain"))), "auto")
    plain.close()
    archive_old(data_dir, archive)
    if not snapshots:
        shutil.rmtree(data_dir / "snapshots")
    exchange = Exchange(data_dir, "auto")
    assert exchange.kernel.state_hash() == plain.kernel.state_hash()
    exchange.apply(Flow(9).records(20))
    exchange.close()
    verify(data_dir, lambda: load_kernel("reference"))


def test_a_reader_that_was_there_before_reads_on_while_segments_are_moved(
    data_dir: Path, archive: Path
) -> None:
    expected = b"".join(events for _, events in everything(data_dir))
    follower = Follower(data_dir)
    first = follower.read(5)
    assert first is not None
    archive_old(data_dir, archive)
    parts = [first.events]
    while sum(map(len, parts)) < len(expected):
        part = follower.read(1_000)
        assert part is not None
        parts.append(part.events)
    follower.close()
    assert b"".join(parts) == expected


# --- damage -------------------------------------------------------------------------------------


def test_a_missing_archived_segment_is_refused_and_named(data_dir: Path, archive: Path) -> None:
    moved = archive_old(data_dir, archive)
    for number in (moved[0], moved[-1]):
        path = archived_path(archive, number)
        path.rename(archive / "hidden")
        with pytest.raises(JournalCorruptError, match="the segment is missing") as error:
            everything(data_dir)
        assert error.value.path == path
        with pytest.raises(JournalCorruptError, match="the segment is missing"):
            Exchange(data_dir)
        (archive / "hidden").rename(path)
    everything(data_dir)


def test_an_archive_that_is_gone_is_refused_and_named(data_dir: Path, archive: Path) -> None:
    archive_old(data_dir, archive)
    archive.rename(archive.with_name("elsewhere"))
    with pytest.raises(JournalError, match=f"archive {archive} of the journal"):
        everything(data_dir)
    (data_dir / LOCATION_NAME).write_text(str(archive.with_name("elsewhere")))
    everything(data_dir)


@pytest.mark.parametrize("part", [0.1, 0.5, 0.999])
def test_a_damaged_archived_segment_is_refused_and_named(
    data_dir: Path, archive: Path, part: float, capsys: pytest.CaptureFixture[str]
) -> None:
    moved = archive_old(data_dir, archive)
    path = archived_path(archive, moved[-1])
    data = bytearray(path.read_bytes())
    data[int(len(data) * part)] ^= 4
    path.write_bytes(data)
    with pytest.raises(JournalCorruptError) as error:
        everything(data_dir)
    assert error.value.path == path
    assert inspect(["verify", str(data_dir)]) == 6
    assert str(path) in capsys.readouterr().err


def test_a_cut_archived_segment_is_refused_and_named(data_dir: Path, archive: Path) -> None:
    path = archived_path(archive, archive_old(data_dir, archive)[0])
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(JournalCorruptError, match="does not unpack") as error:
        everything(data_dir)
    assert error.value.path == path


def test_a_segment_that_unpacks_to_another_number_is_refused(data_dir: Path, archive: Path) -> None:
    moved = archive_old(data_dir, archive)
    shutil.copy(archived_path(archive, moved[0]), archived_path(archive, moved[1]))
    with pytest.raises(JournalCorruptError, match=f"number was {moved[0]}, expected {moved[1]}"):
        everything(data_dir)


# --- moving -------------------------------------------------------------------------------------


def test_what_a_crash_left_in_both_places_is_read_once_and_moved_again(
    data_dir: Path, archive: Path
) -> None:
    before = everything(data_dir)
    moved = archive_old(data_dir, archive)
    path = segment_path(data_dir, moved[0])
    path.write_bytes(bytes(read_archived(archived_path(archive, moved[0]))))
    assert stored_path(data_dir, moved[0]) == path
    assert everything(data_dir) == before
    assert archive_segments(data_dir, moved[-1] + 1) == [moved[0]]
    assert everything(data_dir) == before


def test_the_archive_is_moved_only_with_all_its_files(data_dir: Path, archive: Path) -> None:
    archive_old(data_dir, archive)
    other = archive.with_name("other")
    with pytest.raises(JournalError, match="copy them there first"):
        choose_archive(data_dir, other)
    assert archive_dir(data_dir) == archive
    shutil.copytree(archive, other, dirs_exist_ok=True)
    choose_archive(data_dir, other)
    shutil.rmtree(archive)
    everything(data_dir)


def test_an_archive_that_cannot_be_written_leaves_the_journal_alone(
    data_dir: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    before = here(data_dir)
    with pytest.raises(JournalError, match="cannot be made"):
        archive_old(data_dir, tmp_path / "file" / "archive")
    assert here(data_dir) == before
    with pytest.raises(JournalError, match="no archive was chosen"):
        archive_segments(data_dir, 99)


def test_the_command_makes_a_snapshot_and_archives(data_dir: Path, archive: Path) -> None:
    arguments = ["--data", str(data_dir), "--kernel", "auto", "--archive-dir", str(archive)]
    assert snapshot(arguments) == 0
    assert archived_numbers(data_dir)
    assert snapshot(["--data", str(data_dir), "--archive-dir", str(archive.with_name("x"))]) == 1


def test_an_archived_segment_is_the_very_bytes(data_dir: Path, archive: Path) -> None:
    originals = {
        header.number: segment_path(data_dir, header.number).read_bytes()
        for header in segment_headers(data_dir)
    }
    for number in archive_old(data_dir, archive):
        with gzip.open(archived_path(archive, number)) as file:
            assert file.read() == originals[number]
