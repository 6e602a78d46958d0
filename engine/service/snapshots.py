"""When a snapshot is due, and the process that makes it.

The engine only starts `python -m engine.snapshot` when enough has been journaled since the last
one, one at a time, and waits for it in a thread of its own. That process replays the journal by
itself at the lowest priority: so the writer never pauses and nothing of the engine's memory is
copied. Invariant: whatever happens to it, the engine goes on; a failure is told and tried again.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Final

import structlog

from engine.journal.archive import archived_numbers
from engine.journal.durable import read_position
from engine.journal.errors import JournalError
from engine.journal.snapshots import newest_claim
from engine.proto.records import RECORD_BYTES
from engine.service import metrics

CHECK_EVERY_S: Final = 1.0
RETRY_AFTER_S: Final = 60.0
RUN_TIMEOUT_S: Final = 3600.0
LAST_TIMEOUT_S: Final = 600.0
STOP_TIMEOUT_S: Final = 5.0
_ROOT: Final = Path(__file__).resolve().parents[2]
log = structlog.get_logger(__name__)


class SnapshotStarter:
    """Keeps the snapshots of one data directory recent while its engine runs."""

    def __init__(
        self, data_dir: Path, kernel: str, *, every_bytes: int, archive_dir: Path | None = None
    ) -> None:
        self._data_dir = data_dir.resolve()
        self._kernel = kernel
        self._every_bytes = every_bytes
        self._archive_dir = archive_dir
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="snapshots", daemon=True)

    def start(self) -> None:
        """Begin, if snapshots are wanted at all."""
        if self._every_bytes:
            self._thread.start()

    def stop(self) -> None:
        """End a process that is at work; what it has not finished is no snapshot."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(2 * STOP_TIMEOUT_S)

    def make_last(self) -> None:
        """Make one at the very end of the journal. Call after `stop` and the last record.

        The next start then has nothing to replay, and a later version of the rules can take over.
        """
        started = time.monotonic()
        code = self._run_process(threading.Event(), LAST_TIMEOUT_S)
        facts = {"exit_code": code, "seconds": round(time.monotonic() - started, 3)}
        if code:
            log.error("last_snapshot_failed", **facts)
        else:
            log.info("last_snapshot_made", **facts)

    def _is_due(self, last_bytes: int) -> int | None:
        """How many bytes were journaled, if that is enough since `last_bytes`."""
        position = read_position(self._data_dir)
        if position is None:
            return None
        journaled = (position.command_seq + position.event_seq) * RECORD_BYTES
        return journaled if journaled - last_bytes >= self._every_bytes else None

    def _journaled_at_newest(self) -> int:
        """Bytes journaled up to the newest snapshot, which the metrics then name."""
        newest = newest_claim(self._data_dir)
        if newest is None:
            return 0
        metrics.SNAPSHOT_COMMAND_SEQ.set(newest.command_seq)
        return (newest.command_seq + newest.event_seq) * RECORD_BYTES

    def _run(self) -> None:
        last_bytes = self._journaled_at_newest()
        while not self._stopping.wait(CHECK_EVERY_S):
            due = self._is_due(last_bytes)
            if due is None:
                continue
            if self._make_one():
                last_bytes = due
            elif self._stopping.wait(RETRY_AFTER_S):
                return

    def _make_one(self) -> bool:
        started = time.monotonic()
        code = self._run_process(self._stopping, RUN_TIMEOUT_S)
        if self._stopping.is_set():
            return False
        seconds = round(time.monotonic() - started, 3)
        metrics.SNAPSHOTS.labels("failed" if code else "made").inc()
        metrics.SNAPSHOT_SECONDS.set(seconds)
        self._journaled_at_newest()
        metrics.ARCHIVED_SEGMENTS.set(self._archived())
        if code:
            log.error("snapshot_failed", exit_code=code, seconds=seconds)
        return not code

    def _archived(self) -> int:
        try:
            return len(archived_numbers(self._data_dir))
        except JournalError as error:
            log.error("archive_unreadable", detail=str(error))
            return 0

    def _run_process(self, stopping: threading.Event, timeout_s: float) -> int:
        archive = [] if self._archive_dir is None else ["--archive-dir", str(self._archive_dir)]
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "engine.snapshot"),
                *("--data", str(self._data_dir), "--kernel", self._kernel),
                *("--parent", str(os.getpid())),
                *archive,
            ],
            cwd=_ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + timeout_s
        while process.poll() is None:
            if stopping.wait(CHECK_EVERY_S / 10) or time.monotonic() > deadline:
                process.terminate()
                try:
                    process.wait(STOP_TIMEOUT_S)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
        return process.returncode
