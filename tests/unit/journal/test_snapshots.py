"""A snapshot saves the replay of what is before it, and is passed over if anything is wrong."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import structlog
from structlog.testing import capture_logs

from engine.journal.errors import JournalBehindError
from engine.journal.snapshots import (
    HEADER_BYTES,
    SnapshotBusyError,
    SnapshotError,
    check_snapshot,
    load_newest,
    read_header,
    snapshot_lock,
    snapshot_path,
    snapshot_paths,
)
from engine.kernel import Limits, load_kernel
from engine.kernel.interface import Kernel
from engine.kernel.state import SECTIONS, canonical_bytes
from engine.snapshot import make_snapshot
from tests.property.kernel.flow import Flow
from tests.unit.journal.exchange import Exchange, flown

KERNELS = ("auto", "reference")


@pytest.fixture(autouse=True)
def fresh_logger(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that no earlier set-up of logging has been kept in."""
    monkeypatch.setattr("engine.journal.snapshots.log", structlog.get_logger())


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two epochs over several segments, a snapshot in each and more behind the second."""
    data_dir = tmp_path_factory.mktemp("snapshots") / "engine"
    flow = Flow(4)
    flown(data_dir, flow, 12)
    assert make_snapshot(data_dir, "reference") is not None
    flown(data_dir, flow, 12)
    assert make_snapshot(data_dir, "auto") is not None
    flown(data_dir, flow, 6)
    return data_dir


@pytest.fixture
def data_dir(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "engine"))


@pytest.fixture(scope="module")
def expected(original: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The state that a replay of the whole journal gives."""
    plain = Path(shutil.copytree(original, tmp_path_factory.mktemp("plain") / "engine"))
    shutil.rmtree(plain / "snapshots")
    return state_of(plain)[0]


def state_of(data_dir: Path, kernel: str = "reference") -> tuple[bytes, int]:
    """The recovered state, and how many commands had to be replayed for it."""
    exchange = Exchange(data_dir, kernel)
    exchange.close()
    return canonical_bytes(exchange.kernel), exchange.recovered


def passed_over(data_dir: Path) -> tuple[bytes, int, list[str]]:
    with capture_logs() as logs:
        state, recovered = state_of(data_dir)
    return (
        state,
        recovered,
        [entry["detail"] for entry in logs if entry["event"] == "snapshot_passed_over"],
    )


def sequences(data_dir: Path) -> list[int]:
    return [int(path.stem) for path in snapshot_paths(data_dir)]


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_restart_replays_only_what_is_behind_the_newest_snapshot(
    data_dir: Path, expected: bytes, kernel: str
) -> None:
    newest, older = sequences(data_dir)
    assert 0 < older < newest
    for _ in range(2):
        state, recovered = state_of(data_dir, kernel)
        assert state == expected
        assert 0 < recovered < 150
    assert sequences(data_dir) == [newest, older]


def test_what_comes_after_a_restart_is_the_same_as_without_one(tmp_path: Path) -> None:
    flows = Flow(8), Flow(8)
    for data_dir, flow in zip((tmp_path / "one", tmp_path / "two"), flows, strict=True):
        flown(data_dir, flow, 9)
    for _ in range(3):
        make_snapshot(tmp_path / "one", "auto")
        one, two = (
            flown(tmp_path / name, flow, 5)
            for name, flow in zip(("one", "two"), flows, strict=True)
        )
        assert canonical_bytes(one) == canonical_bytes(two)
    assert len(sequences(tmp_path / "one")) == 2
    assert sequences(tmp_path / "two") == []
    files = [
        sorted(path.read_bytes() for path in (tmp_path / name / "journal").glob("*.seg"))
        for name in ("one", "two")
    ]
    assert files[0] == files[1]


def test_a_snapshot_is_made_once_for_a_state_and_two_are_kept(data_dir: Path) -> None:
    newest, _ = sequences(data_dir)
    (data_dir / "snapshots" / "00000000000000000001.tmp").write_bytes(b"begun")
    header = make_snapshot(data_dir, "reference")
    assert header is not None
    assert sequences(data_dir) == [header.command_seq, newest]
    assert make_snapshot(data_dir, "reference") is None
    assert sorted(path.suffix for path in (data_dir / "snapshots").iterdir()) == [
        "",
        ".snap",
        ".snap",
    ]


def regions(path: Path) -> list[int]:
    """Offsets in every region of a snapshot: header fields, tags, counts and rows."""
    data = path.read_bytes()
    offsets = [*range(0, 200, 7), 400, HEADER_BYTES - 1, HEADER_BYTES, HEADER_BYTES + 10]
    for section in SECTIONS:
        at = data.index(section.tag, HEADER_BYTES)
        rows = section.layout.size * int.from_bytes(data[at + 4 : at + 12], "little")
        offsets += [at, at + 4, at + 12 + rows // 2 if rows else at + 11]
    return [*offsets, len(data) - 1]


def test_damage_in_any_region_is_found(data_dir: Path) -> None:
    path = snapshot_paths(data_dir)[0]
    whole = path.read_bytes()
    for offset in regions(path):
        damaged = bytearray(whole)
        damaged[offset] ^= 0x10
        path.write_bytes(damaged)
        with pytest.raises(SnapshotError, match=path.name):
            check_snapshot(data_dir, path)
    for size in (0, 100, HEADER_BYTES, HEADER_BYTES + 1, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(SnapshotError, match=path.name):
            check_snapshot(data_dir, path)
    path.write_bytes(whole)
    assert check_snapshot(data_dir, path)[0].command_seq == int(path.stem)


@pytest.mark.parametrize("offset", [20, 200, HEADER_BYTES + 4, -1])
def test_a_damaged_snapshot_falls_back_to_the_older_and_then_to_the_beginning(
    data_dir: Path, expected: bytes, offset: int
) -> None:
    newest, older = snapshot_paths(data_dir)
    for damaged in ((newest,), (newest, older)):
        data = bytearray(damaged[-1].read_bytes())
        data[offset] ^= 1
        damaged[-1].write_bytes(data)
        state, recovered, said = passed_over(data_dir)
        assert state == expected
        assert [path.name in line for path, line in zip(damaged, said, strict=True)] == [
            True for _ in damaged
        ]
        assert (recovered > 600) == (len(damaged) == 2)
    header = make_snapshot(data_dir, "reference")
    assert header is not None
    assert sequences(data_dir) == [header.command_seq]
    assert state_of(data_dir) == (expected, 0)


def test_an_empty_snapshot_is_never_the_truth(data_dir: Path, expected: bytes) -> None:
    for path in snapshot_paths(data_dir):
        path.write_bytes(b"")
    state, _, said = passed_over(data_dir)
    assert state == expected
    assert len(said) == 2
    assert "ends inside its header, at byte 0" in said[0]


def test_a_snapshot_of_another_journal_is_passed_over(data_dir: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    kernel: Kernel = flown(other, Flow(77), 40)
    (other / "snapshots").mkdir()
    for path in snapshot_paths(data_dir):
        shutil.copy(path, other / "snapshots")
    state, recovered, said = passed_over(other)
    assert state == canonical_bytes(kernel)
    assert recovered == kernel.command_seq
    assert ["does not stand behind a record of this journal" in line for line in said] == [True] * 2


def test_a_snapshot_made_under_other_limits_is_passed_over(data_dir: Path) -> None:
    limits = Limits(users_max=12)
    with capture_logs() as logs:
        loaded = load_newest(data_dir, lambda: load_kernel("reference", limits), limits=limits)
    assert loaded is None
    assert ["other limits" in entry["detail"] for entry in logs] == [True, True]


def test_a_journal_that_ends_before_a_snapshot_is_refused(data_dir: Path, tmp_path: Path) -> None:
    old = tmp_path / "old"
    flown(old, Flow(4), 6)
    shutil.copytree(data_dir / "snapshots", old / "snapshots")
    with pytest.raises(JournalBehindError, match="but a snapshot was made at event"):
        Exchange(old)
    Exchange(old, accept_loss=True).close()


def test_only_one_process_makes_a_snapshot(data_dir: Path) -> None:
    with snapshot_lock(data_dir), pytest.raises(SnapshotBusyError, match="another process"):
        make_snapshot(data_dir, "reference")


def test_a_snapshot_that_the_disk_does_not_take_leaves_nothing(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = sequences(data_dir)
    (data_dir / "snapshots" / "00000000000000000001.snap").mkdir()  # cannot be read or replaced
    state, _, said = passed_over(data_dir)
    assert said == []
    (data_dir / "snapshots" / "00000000000000000001.snap").rmdir()
    target = Exchange(data_dir)
    last = target.kernel.command_seq
    target.close()
    snapshot_path(data_dir, last).mkdir()
    with pytest.raises(SnapshotError, match="cannot be written: Is a directory"):
        make_snapshot(data_dir, "reference")
    assert sequences(data_dir)[1:] == before
    assert list((data_dir / "snapshots").glob("*.tmp")) == []
    assert state


def test_the_header_says_what_the_snapshot_is_of(data_dir: Path) -> None:
    path = snapshot_paths(data_dir)[0]
    header = read_header(path)
    loaded = load_newest(data_dir, lambda: load_kernel("auto"))
    assert loaded is not None
    assert loaded.header == header
    assert loaded.kernel.state_hash() == header.state_hash
    assert (header.command_seq, header.epoch) == (int(path.stem), 2)
    assert path.stat().st_size == HEADER_BYTES + header.body_bytes
