"""How an engine process ends, and why it may refuse a call before it becomes a command."""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar, TypeAlias

import grpc

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
from engine.proto import engine_pb2 as pb

ErrorReason: TypeAlias = "pb.Error.Reason.ValueType"


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
    SECURITY = 15  # a token or TLS file cannot be used


class PortTakenError(Exception):
    """The listening address cannot be bound."""


class SecurityError(Exception):
    """A token or TLS file cannot be used."""


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
    (SecurityError, ExitCode.SECURITY),
    (KernelUnavailableError, ExitCode.KERNEL_MISSING),
    (KernelFailedError, ExitCode.KERNEL_FAILED),
)
EXPECTED_ERRORS = tuple(kind for kind, _ in _CODES)


def exit_code(error: Exception) -> ExitCode:
    """The exit code for an error in EXPECTED_ERRORS."""
    return next(code for kind, code in _CODES if isinstance(error, kind))


class CallRefusedError(Exception):
    """A call that never became a command; nothing of it was or will be executed.

    `code` is its gRPC status, `reason` what a program can decide on (`Error.Reason`).
    """

    code: ClassVar[grpc.StatusCode]
    default_reason: ClassVar[ErrorReason] = pb.Error.UNSPECIFIED

    def __init__(self, text: str, reason: ErrorReason | None = None) -> None:
        super().__init__(text)
        self.reason = self.default_reason if reason is None else reason


class UnavailableError(CallRefusedError):
    """The engine is starting, stopping or unable to write."""

    code = grpc.StatusCode.UNAVAILABLE


class OverloadedError(CallRefusedError):
    """A stated limit is reached."""

    code = grpc.StatusCode.RESOURCE_EXHAUSTED
    default_reason = pb.Error.QUEUE_FULL


class InvalidCallError(CallRefusedError):
    """The call does not make a command."""

    code = grpc.StatusCode.INVALID_ARGUMENT
    default_reason = pb.Error.MALFORMED


class SessionRefusedError(InvalidCallError):
    """A session that a stream names cannot be opened."""

    default_reason = pb.Error.SESSION_REFUSED


class NotFoundError(CallRefusedError):
    """What is asked for is not there."""

    code = grpc.StatusCode.NOT_FOUND


class OutOfRangeError(CallRefusedError):
    """An event sequence beyond what is durable."""

    code = grpc.StatusCode.OUT_OF_RANGE
    default_reason = pb.Error.EVENT_SEQUENCE


class HistoryDiffersError(CallRefusedError):
    """A peer and this journal are not of the same history."""

    code = grpc.StatusCode.FAILED_PRECONDITION
    default_reason = pb.Error.CHAIN_DIFFERS


class UnauthenticatedError(CallRefusedError):
    """The call carries no token that this engine knows."""

    code = grpc.StatusCode.UNAUTHENTICATED
    default_reason = pb.Error.TOKEN_UNKNOWN


class NotPermittedError(CallRefusedError):
    """The client has not the role that this needs."""

    code = grpc.StatusCode.PERMISSION_DENIED
    default_reason = pb.Error.ROLE_MISSING


class DeadlinePassedError(CallRefusedError):
    """The caller's deadline passed before the command was put in its sequence."""

    code = grpc.StatusCode.DEADLINE_EXCEEDED
    default_reason = pb.Error.DEADLINE_PASSED
