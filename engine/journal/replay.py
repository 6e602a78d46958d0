"""Rebuilding a kernel's state from the journal, and proving on the way that nothing differs.

Invariant: after `replay` the kernel has applied exactly the journaled commands and produced exactly
the journaled events; anything else raises.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import structlog

from engine.journal.errors import JournalError
from engine.journal.log import CommandLog, Record
from engine.kernel.interface import Kernel
from engine.proto.records import RECORD_BYTES

PROGRESS_EVERY_S: Final = 2.0
log = structlog.get_logger(__name__)


class ReplayMismatchError(JournalError):
    """The kernel does not answer the journaled commands with the journaled events."""


class ReplayStoppedError(Exception):
    """The process was asked to end while it was replaying."""


def replay(journal: CommandLog, kernel: Kernel, stopped: Callable[[], bool] = bool) -> None:
    """Apply every journaled command to an empty kernel and compare the events byte for byte."""
    if kernel.command_seq:
        raise ValueError(f"kernel was at command {kernel.command_seq}, expected an empty one")
    started = reported = time.monotonic()
    for record in journal.recover():
        events = kernel.apply(record.commands, record.time_us)
        if events != bytes(record.events):
            raise _mismatch(record, events)
        now = time.monotonic()
        if now - reported >= PROGRESS_EVERY_S:
            reported = now
            log.info("replaying", command_seq=kernel.command_seq, event_seq=kernel.event_seq)
        if stopped():
            raise ReplayStoppedError
    if (kernel.command_seq, kernel.event_seq) != (journal.command_seq, journal.event_seq):
        raise ReplayMismatchError(
            f"kernel was at (command, event) {(kernel.command_seq, kernel.event_seq)} after the "
            f"replay, expected {(journal.command_seq, journal.event_seq)}"
        )
    log.info(
        "replayed",
        command_seq=kernel.command_seq,
        event_seq=kernel.event_seq,
        seconds=round(time.monotonic() - started, 3),
        kernel=kernel.name,
    )


def _mismatch(record: Record, events: bytes) -> ReplayMismatchError:
    journaled = bytes(record.events)
    count = min(len(journaled), len(events)) // RECORD_BYTES
    at = next(
        (
            n
            for n in range(count)
            if journaled[n * RECORD_BYTES : (n + 1) * RECORD_BYTES]
            != events[n * RECORD_BYTES : (n + 1) * RECORD_BYTES]
        ),
        count,
    )
    return ReplayMismatchError(
        f"replay differs from the journal at event {record.first_event_seq + at}: journaled "
        f"{journaled[at * RECORD_BYTES : (at + 1) * RECORD_BYTES].hex()}, replayed "
        f"{events[at * RECORD_BYTES : (at + 1) * RECORD_BYTES].hex()}; the journal was written "
        "under other matching rules, or this kernel is not the one that wrote it"
    )
