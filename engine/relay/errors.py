"""Why a relay stops for good. Each has an exit code of its own, so that a supervisor can tell.

Everything else (the server or the network is gone, a time-out) is waited out and retried.
"""

from __future__ import annotations

from typing import ClassVar


class RelayError(Exception):
    """A condition that waiting does not mend. The message is for an operator."""

    exit_code: ClassVar[int] = 1


class AlreadyRunningError(RelayError):
    """Another relay holds this directory."""

    exit_code = 10


class StaleRelayError(RelayError):
    """The stream has gone on without this journal: a newer engine and relay own it."""

    exit_code = 11


class ForeignStreamError(RelayError):
    """The stream's last message is not from this journal."""

    exit_code = 12


class StreamConfigError(RelayError):
    """The stream exists with settings that could lose or reorder events."""

    exit_code = 13


class EngineRefusedError(RelayError):
    """The engine does not recognise the history that was published from its journal."""

    exit_code = 14


class JournalDamagedError(RelayError):
    """The journal does not read where it is said to be durable."""

    exit_code = 15
