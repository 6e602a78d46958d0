"""What stops a mirror, each by its own name.

A `HaltError` says that the books and the engine contradict each other: the mirror stays where it
is until a person has looked. The others end the process, and starting it again is right.
"""

from __future__ import annotations


class MirrorError(Exception):
    """The mirror cannot go on."""


class DatabaseNotReadyError(MirrorError):
    """The database lacks a table or a right that migrating gives."""


class MirrorFencedError(MirrorError):
    """Another mirror of the same name moved the cursor."""


class HaltError(MirrorError):
    """What was read contradicts what is stored; going on would make the books wrong."""


class PoisonEventError(HaltError):
    """An event that the books have no rule for, or that does not fit the events before it."""

    def __init__(self, event_seq: int, detail: str) -> None:
        super().__init__(f"event {event_seq} cannot be booked: {detail}")
        self.event_seq = event_seq


class ChainBrokenError(HaltError):
    """The chain hash of what was received is not that of what follows from our own."""


class CheckpointMismatchError(HaltError):
    """The balances differ from the engine's at the same event."""


class LowerEpochError(HaltError):
    """A message comes from an engine older than the one whose events are in the books."""


class GapError(HaltError):
    """Events are missing and the engine cannot give them."""


class WrongEngineError(HaltError):
    """The engine's journal is not the one whose events are in the books."""


class BooksRefusedError(HaltError):
    """The database refused rows that follow from events."""
