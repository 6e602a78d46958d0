"""When the engine starts its snapshot process, and what it makes of its failure."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from engine.__main__ import parse_arguments
from engine.journal.format import segment_path
from engine.journal.snapshots import snapshot_lock, snapshot_paths
from engine.service.config import SNAPSHOT_BYTES_DEFAULT
from engine.service.snapshots import SnapshotStarter
from tests.fixtures_engine import REPOSITORY
from tests.property.kernel.flow import Flow
from tests.unit.journal.exchange import flown

WAIT_S = 60
ARGUMENTS = ["--data", "/nowhere", "--listen", "127.0.0.1:0"]


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def runs(outcome: str) -> float:
    return REGISTRY.get_sample_value("engine_snapshots_total", {"outcome": outcome}) or 0.0


def test_a_snapshot_is_made_when_enough_was_journaled_and_only_then(tmp_path: Path) -> None:
    kernel = flown(tmp_path, Flow(1), 5)
    journaled = (kernel.command_seq + kernel.event_seq) * 128
    before = runs("made")
    waiting = SnapshotStarter(tmp_path, "auto", every_bytes=journaled + 1)
    waiting.start()
    starter = SnapshotStarter(tmp_path, "auto", every_bytes=journaled)
    starter.start()
    wait_until(lambda: runs("made") == before + 1)
    time.sleep(1.5)  # the same journal is not worth a second one
    starter.stop()
    waiting.stop()
    assert runs("made") == before + 1
    assert [int(path.stem) for path in snapshot_paths(tmp_path)] == [kernel.command_seq]
    assert REGISTRY.get_sample_value("engine_snapshot_command_seq") == kernel.command_seq


def test_a_failed_snapshot_is_told_and_leaves_no_file(tmp_path: Path) -> None:
    flown(tmp_path, Flow(1), 5)
    path = segment_path(tmp_path, 1)
    data = bytearray(path.read_bytes())
    data[5_000] ^= 1
    path.write_bytes(data)
    before = runs("failed")
    starter = SnapshotStarter(tmp_path, "reference", every_bytes=1)
    with capture_logs() as logs:
        starter.start()
        wait_until(lambda: runs("failed") == before + 1)
        starter.stop()
    assert [entry["exit_code"] for entry in logs if entry["event"] == "snapshot_failed"] == [1]
    assert snapshot_paths(tmp_path) == []


def test_a_snapshot_at_work_ends_with_its_engine(tmp_path: Path) -> None:
    flown(tmp_path, Flow(1), 5)
    starter = SnapshotStarter(tmp_path, "reference", every_bytes=1)
    starter.start()
    wait_until((tmp_path / "snapshots" / "lock").exists)  # the process is on its way
    started = time.monotonic()
    starter.stop()
    assert time.monotonic() - started < 10
    with snapshot_lock(tmp_path):  # nobody holds it any more
        assert len(snapshot_paths(tmp_path)) <= 1


def test_a_snapshot_process_whose_engine_is_gone_does_nothing(tmp_path: Path) -> None:
    flown(tmp_path, Flow(1), 3)
    not_its_parent = 1
    process = subprocess.run(
        [
            *(sys.executable, "-m", "engine.snapshot"),
            *("--data", str(tmp_path), "--parent", str(not_its_parent)),
        ],
        cwd=REPOSITORY,
        check=False,
        timeout=WAIT_S,
    )
    assert process.returncode == 1
    assert snapshot_paths(tmp_path) == []


def test_the_distance_of_snapshots_can_be_set_within_reason(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert parse_arguments(ARGUMENTS).snapshot_bytes == SNAPSHOT_BYTES_DEFAULT
    assert parse_arguments([*ARGUMENTS, "--snapshot-bytes", "0"]).snapshot_bytes == 0
    for wrong in ("-1", "100"):
        with pytest.raises(SystemExit) as ended:
            parse_arguments([*ARGUMENTS, "--snapshot-bytes", wrong])
        assert ended.value.code == 2
        assert f"was {wrong}, expected 0 or at least 65536" in capsys.readouterr().err
