"""What the sequencer needs from a durable log of commands, whatever stores it.

Invariant of every backend: when `append` returns, the record survives the loss of power; if it
cannot promise that, it raises and the caller must not acknowledge anything of that record.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

Bytes = bytes | bytearray | memoryview


class Record(NamedTuple):
    """One batch: its commands, the events they caused, and where both stand in the sequences.

    `semantics` is the version of the rules that gave these events.
    """

    epoch: int
    first_command_seq: int
    first_event_seq: int
    time_us: int
    commands: memoryview
    events: memoryview
    semantics: int

    @property
    def last_command_seq(self) -> int:
        return self.first_command_seq + len(self.commands) // 128 - 1

    @property
    def last_event_seq(self) -> int:
        return self.first_event_seq + len(self.events) // 128 - 1


class Place(NamedTuple):
    """Where a record stands; its checksum tells it from any other that may come to stand there."""

    segment: int
    offset: int
    length: int
    crc: int

    @property
    def end(self) -> int:
        """Where the next record of the segment begins."""
        return self.offset + self.length


class CommandLog(Protocol):
    """An append-only log of batches with one writer."""

    @property
    def epoch(self) -> int:
        """Rises with every opening of the log; fences whoever wrote before."""

    @property
    def command_seq(self) -> int:
        """Last durable command, 0 before the first."""

    @property
    def event_seq(self) -> int:
        """Last durable event, 0 before the first."""

    def recover(self, after: Place | None = None) -> Iterator[Record]:
        """Every record behind the one at `after` (None: from the first on); must be exhausted
        before the first `prepare`."""

    def prepare(self, command_count: int, event_count_max: int) -> None:
        """Make sure that a record of this size can be written. JournalFullError if not."""

    def append(self, commands: Bytes, events: Bytes, time_us: int) -> None:
        """Write one batch and return when it is durable. JournalWriteError ends the process."""

    def close(self) -> None:
        """Release the log. Idempotent."""
