"""How an engine process ends, and why it may refuse a call before it becomes a command."""

from __future__ import annotations

from enum import IntEnum

from engine.journal.errors import (
    DirectoryInUseError,
    JournalBehindError,
    JournalCorruptError,
    JournalError,
    JournalFullError,
    JournalVersionError,
    JournalWriteError,
)
from engine.journal.replay import ReplayMismatchError
from engine.kernel import KernelUnavailableError


class ExitCode(IntEnum):
    """Exit codes of `python -m engine`: one for each thing an operator would do differently."""

    OK = 0
    USAGE = 2
    DIRECTORY = 3  # cannot be used
    IN_USE = 4  # another engine holds the directory
    PORT_TAKEN = 5
    JOURNAL_DAMAGED = 6
    REPLAY_DIFFERS = 7
    JOURNAL_WRITE = 8  # a write or fdatasync failed while running
    DISK_FULL = 9  # at start; while running the engine waits for room
    PEER_AHEAD = 10  # a relay or mirror has events that this journal has not
    KERNEL_MISSING = 11
    KERNEL_FAILED = 12  # the kernel raised: a defect
    JOURNAL_BEHIND = 13  # the journal ends before what was acknowledged
    JOURNAL_VERSION = 14  # it was written under other rules, and no snapshot stands at their end


class PortTakenError(Exception):
    """The listening address cannot be bound."""


class PeerAheadError(Exception):
    """A peer has seen events beyond this engine's: this is an old journal."""


class KernelFailedError(Exception):
    """The kernel raised; its state can no longer be trusted."""


_CODES: tuple[tuple[type[Exception], ExitCode], ...] = (
    (DirectoryInUseError, ExitCode.IN_USE),
    (JournalCorruptError, ExitCode.JOURNAL_DAMAGED),
    (JournalBehindError, ExitCode.JOURNAL_BEHIND),
    (JournalFullError, ExitCode.DISK_FULL),
    (JournalWriteError, ExitCode.JOURNAL_WRITE),
    (JournalVersionError, ExitCode.JOURNAL_VERSION),
    (ReplayMismatchError, ExitCode.REPLAY_DIFFERS),
    (JournalError, ExitCode.DIRECTORY),
    (PortTakenError, ExitCode.PORT_TAKEN),
    (PeerAheadError, ExitCode.PEER_AHEAD),
    (KernelUnavailableError, ExitCode.KERNEL_MISSING),
    (KernelFailedError, ExitCode.KERNEL_FAILED),
)
EXPECTED_ERRORS = tuple(kind for kind, _ in _CODES)


def exit_code(error: Exception) -> ExitCode:
    """The exit code for an error in EXPECTED_ERRORS."""
    return next(code for kind, code in _CODES if isinstance(error, kind))


class CallRefusedError(Exception):
    """A call that never became a command; nothing of it was or will be executed."""


class UnavailableError(CallRefusedError):
    """The engine is starting, stopping or unable to write."""


class OverloadedError(CallRefusedError):
    """A stated limit of the queue is reached."""


class InvalidCallError(CallRefusedError):
    """The call does not make a command."""
