"""Rebuilding a kernel's state from the journal, and proving on the way that nothing differs.

A snapshot may stand for the beginning of the journal. Invariant: after `recover` the kernel is in
the state that the journaled commands give, all those behind the snapshot were applied, and exactly
the journaled events came out; anything else raises.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

from engine.journal.errors import JournalBehindError, JournalError, JournalVersionError
from engine.journal.format import SEMANTICS_VERSION
from engine.journal.log import CommandLog, Place, Record
from engine.journal.segments import segment_headers
from engine.journal.snapshots import Loaded, load_newest, newest_claim
from engine.kernel.interface import Kernel
from engine.proto.records import RECORD_BYTES

PROGRESS_EVERY_S: Final = 2.0
log = structlog.get_logger(__name__)


class ReplayMismatchError(JournalError):
    """The kernel does not answer the journaled commands with the journaled events."""


class ReplayStoppedError(Exception):
    """The process was asked to end while it was replaying."""


def recover(
    journal: CommandLog,
    data_dir: Path,
    make_kernel: Callable[[], Kernel],
    stopped: Callable[[], bool] = bool,
    *,
    accept_loss: bool = False,
) -> Kernel:
    """The state at the end of the journal: the newest usable snapshot, and what follows on it.

    JournalBehindError if a snapshot tells of events that the journal has not.
    """
    loaded = load_newest(data_dir, make_kernel)
    if loaded is None:
        kernel = make_kernel()
        replay(journal, kernel, stopped)
    else:
        kernel, header = loaded
        log.info("snapshot_loaded", command_seq=header.command_seq, event_seq=header.event_seq)
        replay(journal, kernel, stopped, after=header.place)
    claim = newest_claim(data_dir)
    if claim is not None and claim.event_seq > journal.event_seq:
        text = (
            f"journal in {data_dir} ends at event {journal.event_seq}, but a snapshot was made "
            f"at event {claim.event_seq}"
        )
        if not accept_loss:
            raise JournalBehindError(
                f"{text}: restore the missing part, or start with --accept-loss"
            )
        log.warning("journal_loss_accepted", detail=text)
    return kernel


def replay(
    journal: CommandLog,
    kernel: Kernel,
    stopped: Callable[[], bool] = bool,
    *,
    after: Place | None = None,
) -> None:
    """Apply every journaled command behind `after` and compare the events byte for byte.

    The kernel is empty, or at the last command of the record at `after`.
    """
    if kernel.command_seq and after is None:
        raise ValueError(f"kernel was at command {kernel.command_seq}, expected an empty one")
    started = reported = time.monotonic()
    first = kernel.command_seq
    for record in journal.recover(after):
        apply_record(kernel, record)
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
        commands=kernel.command_seq - first,
        event_seq=kernel.event_seq,
        seconds=round(time.monotonic() - started, 3),
        kernel=kernel.name,
    )


def beginning(data_dir: Path, make_kernel: Callable[[], Kernel]) -> Loaded | None:
    """What a replay of the whole journal begins at: None, the empty state, or, where an older
    version of the rules wrote its first part, the state at the end of that part."""
    for header in segment_headers(data_dir):
        if header.semantics == SEMANTICS_VERSION:
            return None
        break
    return load_newest(data_dir, make_kernel, semantics_max=SEMANTICS_VERSION - 1)


def check_semantics(record: Record) -> None:
    """Refuse to decide commands again which were decided under other rules."""
    if record.semantics != SEMANTICS_VERSION:
        raise JournalVersionError(
            f"commands {record.first_command_seq}..{record.last_command_seq} were journaled under "
            f"version {record.semantics} of the rules and this program replays version "
            f"{SEMANTICS_VERSION} only: it needs a snapshot behind the last of them, which "
            "`python -m engine.snapshot` of the program that wrote them makes"
        )


def apply_record(kernel: Kernel, record: Record) -> None:
    """Apply one journaled batch. ReplayMismatchError names the first event that differs."""
    check_semantics(record)
    events = kernel.apply(record.commands, record.time_us)
    if events != bytes(record.events):
        raise _mismatch(record, events)


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
