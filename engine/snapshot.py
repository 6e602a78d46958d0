"""`python -m engine.snapshot`: make one snapshot of an engine's state, from its journal alone.

With `--archive-dir` it then moves the segments that no usable snapshot needs any more there.

Starts from the newest usable snapshot, replays what the journal has beyond it up to the durable
end, comparing every event, and writes the state it arrives at. The engine may run meanwhile or not;
nothing of it is touched, and this process gives way to every other. The engine starts it by itself;
by hand it shortens the next start. Prints one line of JSON. Invariant: it writes nothing if any
event differs from the journaled one.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Final

import structlog

from engine.journal import JournalError, Place, placed_records, record_at
from engine.journal.archive import archive_segments, choose_archive
from engine.journal.replay import ReplayMismatchError, apply_record
from engine.journal.snapshots import (
    GENERATIONS,
    SnapshotBusyError,
    SnapshotHeader,
    check_snapshot,
    load_newest,
    prune_snapshots,
    snapshot_lock,
    snapshot_paths,
    write_snapshot,
)
from engine.kernel import KernelUnavailableError, load_kernel
from engine.kernel.interface import Kernel
from engine.telemetry import configure_logging

NICENESS: Final = 19
PR_SET_PDEATHSIG: Final = 1
EXIT_FAILED: Final = 1
EXIT_BUSY: Final = 4
log = structlog.get_logger(__name__)


def make_snapshot(data_dir: Path, kernel_name: str) -> SnapshotHeader | None:
    """Write a snapshot of the durable state; the newest older one is kept beside it.

    None if there is nothing newer than the newest snapshot. JournalError says what is wrong.
    """
    if not data_dir.is_dir():
        raise JournalError(f"data directory {data_dir} does not exist")
    with snapshot_lock(data_dir):
        loaded = load_newest(data_dir, lambda: load_kernel(kernel_name))
        kernel: Kernel = loaded.kernel if loaded else load_kernel(kernel_name)
        place: Place | None = loaded.header.place if loaded else None
        before = kernel.command_seq
        for here, record in placed_records(data_dir, place):
            apply_record(kernel, record)
            place = here
        if place is None or kernel.command_seq == before:
            return None
        epoch = record_at(data_dir, place).epoch
        header = write_snapshot(data_dir, kernel, place, epoch)
        prune_snapshots(data_dir, {before, header.command_seq})
    return header


def archive_old(data_dir: Path, directory: Path) -> list[int]:
    """Move the full segments that are older than the newest two snapshots; which were moved.

    Nothing is moved before there are two that can be used. JournalError says what is wrong.
    """
    with snapshot_lock(data_dir):
        choose_archive(data_dir, directory)
        segments = []
        for path in snapshot_paths(data_dir)[:GENERATIONS]:
            header, _ = check_snapshot(data_dir, path)
            segments.append(header.segment)
        if len(segments) < GENERATIONS:
            return []
        return archive_segments(data_dir, min(segments))


def _end_with(parent: int) -> None:
    """Let the kernel end this process when its parent ends, so that no engine leaves one behind."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it ended before it could be said
        sys.exit(EXIT_FAILED)


def main(arguments: list[str] | None = None) -> int:
    """Return the exit code: 0 done or nothing to do, 1 failed, 4 another one is at work."""
    parser = argparse.ArgumentParser(prog="python -m engine.snapshot", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the engine's directory")
    parser.add_argument("--kernel", choices=("auto", "compiled", "reference"), default="auto")
    parser.add_argument("--parent", type=int, help="end when this process, the parent, ends")
    parser.add_argument("--archive-dir", type=Path, help="where segments go that are seldom needed")
    options = parser.parse_args(arguments)
    if options.parent is not None:
        _end_with(options.parent)
    os.nice(NICENESS)
    configure_logging("engine.snapshot")
    started = time.monotonic()
    try:
        header = make_snapshot(options.data, options.kernel)
        if options.archive_dir is not None:
            archive_old(options.data, options.archive_dir)
    except SnapshotBusyError as error:
        log.warning("snapshot_busy", detail=str(error))
        return EXIT_BUSY
    except (JournalError, KernelUnavailableError, ReplayMismatchError, OSError) as error:
        log.error("snapshot_failed", detail=str(error))
        return EXIT_FAILED
    if header is None:
        log.info("snapshot_not_needed")
        return 0
    facts = {
        "command_seq": header.command_seq,
        "event_seq": header.event_seq,
        "bytes": header.body_bytes,
        "state_hash": header.state_hash.hex(),
        "seconds": round(time.monotonic() - started, 3),
    }
    log.info("snapshot_made", **facts)
    sys.stdout.write(json.dumps(facts) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
