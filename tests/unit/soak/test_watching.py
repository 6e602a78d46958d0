"""What a soak reads: log files as they grow, and the memory of processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from quantatrade.bootstrap.log_files import rotate
from quantatrade.soak.log_watch import LogWatch, is_error
from quantatrade.soak.memory import memory_bytes

MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("process", "line", "expected"),
    [
        ("web", '{"level": "error", "event": "request"}', True),
        ("web", '{"level": "critical", "event": "x"}', True),
        ("web", '{"level": "warning", "event": "error"}', False),
        ("web", "Traceback (most recent call last):", True),
        ("web", "[INFO] an ERROR in plain text", False),
        ("web", '{"level": "err', False),
        ("postgres", "2026-11-22 23:14:18.292 UTC [1] a@b ERROR:  no such table", True),
        ("postgres", "2026-11-22 23:14:18.292 UTC [1] a@b FATAL:  starting up", True),
        ("postgres", "2026-11-22 23:14:18.292 UTC [1] LOG:  checkpoint starting", False),
        ("nats", "[1] 2026/11/22 23:14:18.199737 [ERR] JetStream failed", True),
        ("nats", "[1] 2026/11/22 23:14:18.199737 [WRN] slow", False),
        ("redis", "27:M 22 Nov 2026 23:14:18.155 # Failed opening the RDB file", True),
        ("redis", "27:M 22 Nov 2026 23:14:18.155 * Ready", False),
        ("supervisor", "2026-11-22T23:14:18.190 web ended with signal SIGKILL; again", True),
        ("supervisor", "2026-11-22T23:14:18.190 edge is not healthy: not listening", True),
        ("supervisor", "2026-11-22T23:14:18.190 edge is healthy again", False),
    ],
)
def test_lines_of_error_level_are_known_in_every_form(
    process: str, line: str, expected: bool
) -> None:
    assert is_error(process, line) is expected


def test_only_what_is_new_is_read_once_and_whole(tmp_path: Path) -> None:
    log, error = tmp_path / "web.log", '{"level": "error", "event": "boom"}'
    log.write_text(f"{error}\n")
    watch = LogWatch(tmp_path)
    assert watch.errors() == []
    with log.open("a") as file:
        file.write(error[:10])
    assert watch.errors() == []
    with log.open("a") as file:
        file.write(f"{error[10:]}\n")
    (tmp_path / "edge.log").write_text(f"{error}\n")  # a process that started meanwhile
    assert watch.errors() == [f"edge: {error}", f"web: {error}"]
    assert watch.errors() == []


def test_a_rotated_log_is_read_from_its_beginning(tmp_path: Path) -> None:
    log, error = tmp_path / "web.log", '{"level": "error", "event": "boom"}'
    log.write_text("x" * 1_000 + "\n")
    watch = LogWatch(tmp_path)
    assert rotate(log, bytes_max=100)
    log.write_text(f"{error}\n")
    assert watch.errors() == [f"web: {error}"]


def test_memory_is_that_of_a_process_and_its_children() -> None:
    child = f"import sys; held = bytearray(b'x' * {40 * MIB}); print(flush=True); sys.stdin.read()"
    program = (
        "import subprocess, sys\n"
        f"subprocess.run([sys.executable, '-c', {child!r}], stdin=sys.stdin)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        whole = memory_bytes({"trial": process.pid})["trial"]
        alone = memory_bytes({"trial": process.pid}, apart=frozenset({"trial"}))["trial"]
        process.communicate()
    assert 40 * MIB < whole < 120 * MIB
    assert alone < whole - 40 * MIB
    assert memory_bytes({"gone": process.pid}) == {"gone": 0}
    assert memory_bytes({"self": os.getpid()})["self"] > MIB
