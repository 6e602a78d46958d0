"""Reading the journal while the engine writes it, addressed by event sequence.

Used by the relay, the event service and verification, in any process. Invariant: nothing is ever
returned that lies beyond the published durable position, and every record returned was whole, right
and next in sequence.
"""

from __future__ import annotations

import os
import threading
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from engine.journal.archive import is_archived, read_archived
from engine.journal.durable import DurablePosition, DurableReader, read_position
from engine.journal.errors import JournalCorruptError, JournalError
from engine.journal.format import (
    RECORD_HEADER,
    SEGMENT_HEADER_BYTES,
    RecordHeader,
    segment_path,
)
from engine.journal.log import Place, Record
from engine.journal.scan import Progress, header_problem, read_record, record_problem
from engine.journal.segments import located_header, segment_headers
from engine.proto.records import RECORD_BYTES

CHUNK_BYTES: Final = 256 << 10
INDEX_STRIDE_BYTES: Final = 64 << 10
INDEX_PLACES_MAX: Final = 1 << 20


class EventSlice(NamedTuple):
    """Consecutive events of one epoch, `events` being n x 128 bytes."""

    epoch: int
    first_event_seq: int
    last_event_seq: int
    events: bytes


class SeekIndex:
    """Where some records begin, so that those who seek often need not walk a whole segment.

    Thread-safe, shared by readers of one directory. It grows as they walk: one place every 64 KiB.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._places: list[tuple[int, int, int]] = []

    def before(self, event_seq: int) -> tuple[int, int] | None:
        """(segment, offset) of the nearest known record that begins at or before an event."""
        with self._lock:
            at = bisect_right(self._places, event_seq, key=lambda place: place[0]) - 1
            return self._places[at][1:] if at >= 0 else None

    def note(self, first_event_seq: int, segment: int, offset: int) -> None:
        """Remember a record, unless one close before it is known."""
        with self._lock:
            at = bisect_right(self._places, first_event_seq, key=lambda place: place[0])
            if at and self._places[at - 1][1:] > (segment, offset - INDEX_STRIDE_BYTES):
                return
            if len(self._places) < INDEX_PLACES_MAX:
                self._places.insert(at, (first_event_seq, segment, offset))


class Follower:
    """Follows the events from one sequence on, as far as they are durable.

    Not thread-safe. It survives restarts of the engine: segments are never deleted.
    """

    def __init__(
        self, data_dir: Path, from_event_seq: int = 1, index: SeekIndex | None = None
    ) -> None:
        if from_event_seq < 1:
            raise ValueError(f"event sequence was {from_event_seq}, expected at least 1")
        self._durable = DurableReader(data_dir)
        self._records = _RecordReader(data_dir, index or SeekIndex())
        self._from = from_event_seq
        self._epoch = 0
        self._rest = memoryview(b"")
        self._located = False

    @property
    def next_event_seq(self) -> int:
        """The first event that `read` has not returned yet."""
        return self._from

    def position(self) -> DurablePosition | None:
        """How far the journal is durable now."""
        return self._durable.position()

    def read(self, events_max: int) -> EventSlice | None:
        """The next 1..events_max events, None while there are no more durable ones."""
        if events_max < 1:
            raise ValueError(f"events_max was {events_max}, expected at least 1")
        bound = self._durable.position()
        if bound is None or bound.event_seq < self._from:
            return None
        if not self._located:
            self._records.seek(self._from, bound)
            record = self._load(bound)
            self._rest = record.events[(self._from - record.first_event_seq) * RECORD_BYTES :]
            self._located = True
        parts: list[memoryview] = []
        epoch = self._epoch
        wanted = min(events_max, bound.event_seq - self._from + 1) * RECORD_BYTES
        while wanted:
            if not self._rest:
                self._load(bound)
            if not parts:
                epoch = self._epoch
            elif epoch != self._epoch:
                break
            part = self._rest[:wanted]
            self._rest = self._rest[len(part) :]
            parts.append(part)
            wanted -= len(part)
        events = b"".join(parts)
        first = self._from
        self._from += len(events) // RECORD_BYTES
        return EventSlice(epoch, first, self._from - 1, events)

    def _load(self, bound: DurablePosition) -> Record:
        record = self._records.next(bound)
        if record is None:
            raise JournalError(
                f"journal ended before event {self._from}, although {bound.event_seq} is durable"
            )
        self._epoch = record.epoch
        self._rest = record.events
        return record

    def close(self) -> None:
        self._records.close()
        self._durable.close()


def journal_records(data_dir: Path, from_event_seq: int = 1) -> Iterator[Record]:
    """Every durable record from the one that holds `from_event_seq` on, with its commands.

    Ends at the position that was durable when the iteration began.
    """
    bound = read_position(data_dir)
    if bound is None or bound.event_seq < from_event_seq:
        return
    reader = _RecordReader(data_dir, SeekIndex())
    try:
        reader.seek(from_event_seq, bound)
        while (record := reader.next(bound)) is not None:
            yield record
    finally:
        reader.close()


def placed_records(data_dir: Path, after: Place | None = None) -> Iterator[tuple[Place, Record]]:
    """Every durable record behind the one at `after` (None: from the first on), and its place.

    Ends at the position that was durable when the iteration began. JournalError if `after` is not
    a record of this journal.
    """
    bound = read_position(data_dir)
    if bound is None or (after is None and not bound.event_seq):
        return
    reader = _RecordReader(data_dir, SeekIndex())
    try:
        if after is None:
            reader.seek(1, bound)
        else:
            reader.pass_over(after, bound)
        while (record := reader.next(bound)) is not None:
            yield reader.place, record
    finally:
        reader.close()


def record_at(data_dir: Path, place: Place) -> Record:
    """The record at a place, durable or not yet known to be. JournalError: it is not there."""
    path = segment_path(data_dir, place.segment)
    try:
        path, header_of_segment = located_header(data_dir, place.segment)
        semantics = header_of_segment.semantics
        if is_archived(path):
            data = read_archived(path)[place.offset : place.end]
        else:
            with path.open("rb") as file:
                file.seek(place.offset)
                data = memoryview(file.read(place.length))
    except OSError as error:
        raise JournalError(f"segment {path} cannot be read: {error.strerror}") from error
    problem = record_problem(data, 0)
    if problem is not None:
        raise JournalCorruptError(path, place.offset, f"in the record there, {problem}")
    header, record = read_record(data, 0, semantics)
    if (header.length, header.crc) != (place.length, place.crc):
        raise JournalCorruptError(
            path,
            place.offset,
            f"(length, checksum) was {(header.length, header.crc)}, "
            f"expected {(place.length, place.crc)}",
        )
    return record


class _RecordReader:
    """Records one after the other, over segments, up to a durable position.

    `place` is that of the record which `next` gave last.
    """

    def __init__(self, data_dir: Path, index: SeekIndex) -> None:
        self._data_dir = data_dir
        self._index = index
        self._fd = -1
        self._number = 0
        self._semantics = 0
        self._path = data_dir
        self._offset = 0
        self._chunk = memoryview(b"")
        self._chunk_at = 0
        self._progress: Progress | None = None
        self.place = Place(0, 0, 0, 0)

    def pass_over(self, place: Place, bound: DurablePosition) -> None:
        """Stand behind the record at a place, which must be there and durable."""
        if (place.segment, place.end) > (bound.segment, bound.offset):
            raise JournalError(
                f"journal in {self._data_dir} is durable up to byte {bound.offset} of segment "
                f"{bound.segment}, expected {place.end} of {place.segment} at least"
            )
        record = record_at(self._data_dir, place)
        list(segment_headers(self._data_dir))  # a missing segment is found here
        self._open(place.segment)
        self._offset = place.end
        self._progress = Progress(
            record.epoch, record.last_command_seq, record.last_event_seq, record.time_us
        )

    def seek(self, event_seq: int, bound: DurablePosition) -> None:
        """Stand before the record that holds `event_seq`, which must be durable."""
        headers = list(segment_headers(self._data_dir))
        at = bisect_right(headers, event_seq, key=lambda header: header.first_event_seq) - 1
        if at < 0:
            raise JournalError(f"journal in {self._data_dir} has no segment for event {event_seq}")
        self._open(headers[at].number)
        known = self._index.before(event_seq)
        if known is not None and known[0] == self._number:
            self._offset = known[1]
        while True:
            header = self._header(bound)
            if header is None:
                raise JournalError(
                    f"journal in {self._data_dir} has no event {event_seq}, "
                    f"although {bound.event_seq} is durable"
                )
            self._index.note(header.first_event_seq, self._number, self._offset)
            if header.first_event_seq + header.event_count > event_seq:
                return
            self._offset += header.length

    def next(self, bound: DurablePosition) -> Record | None:
        """The next record, None at the end of what is durable."""
        header = self._header(bound)
        if header is None:
            return None
        data = self._bytes(self._offset, header.length, bound)
        problem = record_problem(data, 0)
        if problem is not None:
            raise JournalCorruptError(self._path, self._offset, f"in the record there, {problem}")
        header, record = read_record(data, 0, self._semantics)
        if self._progress is None:
            self._progress = Progress(
                command_seq=header.first_command_seq - 1, event_seq=header.first_event_seq - 1
            )
        self._progress.admit(header, self._path, self._offset)
        self.place = Place(self._number, self._offset, header.length, header.crc)
        self._offset += header.length
        return record

    def _header(self, bound: DurablePosition) -> RecordHeader | None:
        """Header of the record at the current place, moving over to the next segment if need be."""
        while True:
            here = (self._number, self._offset)
            if here >= (bound.segment, bound.offset):
                return None
            data = self._bytes(self._offset, RECORD_HEADER.size, bound)
            if len(data) >= 4 and any(data[:4]):
                break
            if self._number == bound.segment:
                raise JournalCorruptError(
                    self._path, self._offset, f"no record, expected records up to {bound.offset}"
                )
            self._open(self._number + 1)
        if len(data) < RECORD_HEADER.size:
            raise JournalCorruptError(self._path, self._offset, "the file ends inside a record")
        header = RecordHeader._make(RECORD_HEADER.unpack_from(data))
        problem = header_problem(header)
        if problem is not None:
            raise JournalCorruptError(self._path, self._offset, f"in the record there, {problem}")
        return header

    def _bytes(self, at: int, count: int, bound: DurablePosition) -> memoryview:
        """Up to `count` bytes from `at` on. Records are read in chunks: most are small.

        A chunk never reaches beyond the durable position, where the bytes may still change.
        """
        start = at - self._chunk_at
        if self._fd >= 0 and (start < 0 or start + count > len(self._chunk)):
            size = max(count, CHUNK_BYTES)
            if self._number == bound.segment:
                size = min(size, bound.offset - at)
            self._chunk = memoryview(os.pread(self._fd, size, at))
            self._chunk_at = at
            start = 0
        return self._chunk[start : start + count]

    def _open(self, number: int) -> None:
        self.close()
        self._path, header = located_header(self._data_dir, number)
        self._semantics = header.semantics
        self._number = number
        self._offset = SEGMENT_HEADER_BYTES
        self._chunk = memoryview(b"")
        self._chunk_at = 0
        if is_archived(self._path):
            self._chunk = read_archived(self._path)  # a chunk that is the whole segment
        else:
            self._open_file()

    def _open_file(self) -> None:
        try:
            self._fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:  # it has just been moved
            self._path, _ = located_header(self._data_dir, self._number)
            self._chunk = read_archived(self._path)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
