"""Reading records back from bytes: whole and right, incomplete at the very end, or damaged.

Invariant: a record is returned only if its length, counts, checksum, end mark and place in the
sequences are all right. The one thing ever forgiven is a last record which the disk did not take
whole; everything else is damage and is named with file and byte.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from engine.journal.errors import JournalCorruptError
from engine.journal.format import (
    END_MARK,
    RECORD_HEADER,
    SECTOR_BYTES,
    SEGMENT_HEADER_BYTES,
    RecordHeader,
    SegmentHeader,
    record_crc,
    record_length,
)
from engine.journal.log import Record
from engine.proto.records import RECORD_BYTES

_ZEROS: Final = bytes(1 << 20)


@dataclass
class Progress:
    """How far the sequences have come; what comes next must follow without a gap."""

    epoch: int = 0
    command_seq: int = 0
    event_seq: int = 0
    time_us: int = 0

    def admit(self, header: RecordHeader, path: Path, offset: int) -> None:
        """Move on by one record, or refuse one that does not follow."""
        starts = (header.first_command_seq, header.first_event_seq)
        expected = (self.command_seq + 1, self.event_seq + 1)
        if starts != expected:
            raise JournalCorruptError(
                path, offset, f"(command, event) sequence was {starts}, expected {expected}"
            )
        if header.epoch < self.epoch or header.time_us < self.time_us:
            raise JournalCorruptError(
                path,
                offset,
                f"(epoch, time) was {(header.epoch, header.time_us)}, "
                f"expected at least {(self.epoch, self.time_us)}",
            )
        self.epoch, self.time_us = header.epoch, header.time_us
        self.command_seq += header.command_count
        self.event_seq += header.event_count


def record_problem(data: memoryview, at: int) -> str | None:
    """What is wrong with the record at `at`, None if it is whole and right."""
    if len(data) - at < RECORD_HEADER.size:
        return f"{len(data) - at} bytes are left, expected a header of {RECORD_HEADER.size}"
    header = RecordHeader._make(RECORD_HEADER.unpack_from(data, at))
    problem = header_problem(header)
    if problem is not None:
        return problem
    if len(data) - at < header.length:
        return f"{len(data) - at} bytes are left, expected a record of {header.length}"
    end = at + header.length
    mark = bytes(data[end - len(END_MARK) : end])
    if mark != END_MARK:
        return f"end mark was {mark!r}, expected {END_MARK!r}"
    crc = record_crc(bytes(data[at : at + 4]), data[at + 8 : end])
    return None if crc == header.crc else f"checksum was {header.crc:08x}, expected {crc:08x}"


def header_problem(header: RecordHeader) -> str | None:
    """Whether a record header contradicts itself."""
    if header.context_bytes or header.reserved:
        return f"(context, reserved) was {(header.context_bytes, header.reserved)}, expected (0, 0)"
    if not 1 <= header.command_count <= header.event_count:
        return f"{header.command_count} commands with {header.event_count} events are impossible"
    length = record_length(header.command_count, header.event_count)
    if header.length != length:
        return f"length was {header.length}, expected {length} by its counts"
    return None


def read_record(data: memoryview, at: int, semantics: int) -> tuple[RecordHeader, Record]:
    """The record at `at`, of which `record_problem` said that it is right, in a segment of this
    version of the rules."""
    header = RecordHeader._make(RECORD_HEADER.unpack_from(data, at))
    commands = at + RECORD_HEADER.size
    events = commands + header.command_count * RECORD_BYTES
    end = events + header.event_count * RECORD_BYTES
    return header, Record(
        header.epoch,
        header.first_command_seq,
        header.first_event_seq,
        header.time_us,
        data[commands:events],
        data[events:end],
        semantics,
    )


class SegmentScan:
    """One pass over a whole segment at start. Afterwards `end` is where the next record goes.

    `torn` tells that an incomplete record was found at `end`; it is possible in the last segment
    only.
    """

    def __init__(
        self,
        data: memoryview,
        path: Path,
        header: SegmentHeader,
        *,
        last: bool,
        start: int = SEGMENT_HEADER_BYTES,
    ) -> None:
        self._data = data
        self._path = path
        self._header = header
        self._last = last
        self.end = start
        self.torn = False
        size = len(data)
        if size > header.segment_bytes or (not last and size < header.segment_bytes):
            raise JournalCorruptError(
                path,
                min(size, header.segment_bytes),
                f"the file was {size} bytes, expected {header.segment_bytes}",
            )

    def records(self, progress: Progress) -> Iterator[Record]:
        """Every whole record, in order."""
        data = self._data
        while not self._at_end():
            problem = record_problem(data, self.end)
            if problem is not None:
                self._judge(problem)
                return
            header, record = read_record(data, self.end, self._header.semantics)
            progress.admit(header, self._path, self.end)
            yield record
            self.end += header.length

    def _at_end(self) -> bool:
        if any(self._data[self.end : self.end + 4]):
            return False
        stray = first_nonzero(self._data, self.end)
        if stray is not None:
            raise JournalCorruptError(
                self._path, stray, "the byte was not zero, expected zeros behind the last record"
            )
        return True

    def _judge(self, problem: str) -> None:
        """Tell a record which the disk took only in part from one that is damaged."""
        data, start = self._data, self.end
        written = start + len(bytes(data[start:]).rstrip(b"\0"))
        zeros_from = -(-written // SECTOR_BYTES) * SECTOR_BYTES
        on_disk = min(zeros_from, len(data))
        if on_disk - start >= RECORD_HEADER.size:
            header = RecordHeader._make(RECORD_HEADER.unpack_from(data, start))
            end = start + header.length
            consistent = header_problem(header) is None and end <= self._header.segment_bytes
            self.torn = consistent and end > on_disk
        else:
            self.torn = True
        if not self.torn or not self._last:
            raise JournalCorruptError(self._path, start, f"in the record there, {problem}")


def first_nonzero(data: memoryview, start: int) -> int | None:
    """Where the first byte that is not zero stands, None if there is none."""
    for at in range(start, len(data), len(_ZEROS)):
        chunk = bytes(data[at : at + len(_ZEROS)])
        if chunk != _ZEROS[: len(chunk)]:
            return at + len(chunk) - len(chunk.lstrip(b"\0"))
    return None
