"""The journal as the engine writes it: recover, then append batches with one fdatasync each.

Invariants: `append` returns only when the record is on disk and the durable position says so. A
record is never split over segments. Room is made before a batch is applied, so a full disk is found
while nothing has happened yet; a failure after that ends the process, because nobody can know then
what the disk holds.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import structlog

from engine.journal.archive import stored_path
from engine.journal.directory import DirectoryLock, prepare_directory, raise_epoch
from engine.journal.durable import DurableFile, DurablePosition
from engine.journal.errors import (
    JournalBehindError,
    JournalCorruptError,
    JournalError,
    JournalFullError,
    JournalWriteError,
)
from engine.journal.faults import is_set, reach
from engine.journal.format import (
    END_MARK,
    RECORD_BYTES_MAX,
    SEGMENT_BYTES_DEFAULT,
    SEGMENT_BYTES_MAX,
    SEGMENT_BYTES_MIN,
    SEGMENT_HEADER_BYTES,
    SEMANTICS_VERSION,
    RecordHeader,
    SegmentHeader,
    pack_record_header,
    record_length,
    segment_path,
)
from engine.journal.log import Bytes, Place, Record
from engine.journal.reader import record_at
from engine.journal.scan import Progress, SegmentScan
from engine.journal.segments import (
    SpareSegment,
    extend_to,
    make_segment,
    read_segment,
    remove_leftovers,
    segment_headers,
)
from engine.proto.records import RECORD_BYTES

USUAL_EVENTS_PER_COMMAND: Final = 4
log = structlog.get_logger(__name__)


class Journal:
    """The file backend of `CommandLog`. Opening it takes the lock and raises the epoch."""

    def __init__(
        self,
        data_dir: Path,
        *,
        segment_bytes: int = SEGMENT_BYTES_DEFAULT,
        accept_loss: bool = False,
    ) -> None:
        if not SEGMENT_BYTES_MIN <= segment_bytes <= SEGMENT_BYTES_MAX or segment_bytes % 4096:
            raise JournalError(
                f"segment size was {segment_bytes} bytes, expected a multiple of 4096 "
                f"in {SEGMENT_BYTES_MIN}..{SEGMENT_BYTES_MAX}"
            )
        prepare_directory(data_dir)
        self._lock: DirectoryLock | None = DirectoryLock(data_dir)
        self._data_dir = data_dir
        self._accept_loss = accept_loss
        self.epoch = raise_epoch(data_dir)
        reach("epoch-raised")
        self._durable = DurableFile(data_dir)
        self._spare = SpareSegment(data_dir, segment_bytes)
        self._fd = -1
        self._number = 0
        self._segment_bytes = 0
        self._offset = 0
        self._progress = Progress()

    @property
    def command_seq(self) -> int:
        return self._progress.command_seq

    @property
    def event_seq(self) -> int:
        return self._progress.event_seq

    def position(self) -> DurablePosition:
        """The end of the journal; all before it is durable."""
        return DurablePosition(
            self.epoch, self.command_seq, self.event_seq, self._number, self._offset
        )

    # --- start ----------------------------------------------------------------------------------

    def recover(self, after: Place | None = None) -> Iterator[Record]:
        """Yield every record behind the one at `after`; at the end the journal is ready for the
        first `prepare`. Segments before that of `after` are counted and not read."""
        remove_leftovers(self._data_dir)
        headers = list(segment_headers(self._data_dir))
        progress = self._progress
        if after is not None:
            record = record_at(self._data_dir, after)
            progress.command_seq, progress.event_seq = (
                record.last_command_seq,
                record.last_event_seq,
            )
            progress.epoch, progress.time_us = record.epoch, record.time_us
        for header in headers:
            if after is not None and header.number < after.segment:
                continue
            path = stored_path(self._data_dir, header.number)
            start = SEGMENT_HEADER_BYTES
            if after is not None and header.number == after.segment:
                start = after.end
            else:
                self._check_start(header, path)
                progress.epoch = header.epoch
            scan = SegmentScan(
                read_segment(path), path, header, last=header is headers[-1], start=start
            )
            yield from scan.records(progress)
            if header is headers[-1]:
                self._check_published()
                self._reopen(scan, header, path)
        if not headers:
            self._check_published()
        if not headers or headers[-1].semantics != SEMANTICS_VERSION:
            self._rotate(0)  # no segment holds commands of two versions of the rules
        if progress.epoch >= self.epoch and headers:
            raise JournalError(
                f"epoch file of {self._data_dir} said {self.epoch - 1}, but the journal is already "
                f"in epoch {progress.epoch}: the file is older than the journal, restore it"
            )
        progress.epoch = self.epoch
        self._durable.publish(self.position())
        self._spare.begin()

    def _check_start(self, header: SegmentHeader, path: Path) -> None:
        starts = (header.first_command_seq, header.first_event_seq)
        expected = (self.command_seq + 1, self.event_seq + 1)
        if starts != expected or header.epoch < self._progress.epoch:
            raise JournalCorruptError(
                path,
                0,
                f"first (command, event) sequence was {starts} in epoch {header.epoch}, "
                f"expected {expected} in epoch {self._progress.epoch} or later",
            )

    def _check_published(self) -> None:
        """Refuse a journal that ends before what was acknowledged: that is loss, not a torn write.

        The published position is only ever moved after an fdatasync, so it cannot be too high.
        """
        found = self._durable.found
        if found is None or found.event_seq <= self.event_seq:
            return
        text = (
            f"journal in {self._data_dir} ends at event {self.event_seq}, but event "
            f"{found.event_seq} (segment {found.segment}, byte {found.offset}) was durable"
        )
        if not self._accept_loss:
            raise JournalBehindError(
                f"{text}: restore the missing part, or start with --accept-loss"
            )
        log.warning("journal_loss_accepted", detail=text)

    def _reopen(self, scan: SegmentScan, header: SegmentHeader, path: Path) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        size = os.fstat(self._fd).st_size
        if scan.torn:
            log.warning(
                "journal_truncated",
                file=str(path),
                byte=scan.end,
                detail="the last record was incomplete: it was never acknowledged",
            )
            os.ftruncate(self._fd, scan.end)
        if scan.torn or size < header.segment_bytes:
            extend_to(self._fd, path, header.segment_bytes)
        os.fsync(self._fd)
        self._number = header.number
        self._segment_bytes = header.segment_bytes
        self._offset = scan.end

    # --- writing --------------------------------------------------------------------------------

    def prepare(self, command_count: int, event_count_max: int) -> None:
        """Make room for a record, in the current segment or together with the spare one."""
        room = self._segment_bytes - self._offset
        if record_length(command_count, event_count_max) <= room:
            return
        usual = min(event_count_max, USUAL_EVENTS_PER_COMMAND * command_count)
        if record_length(command_count, usual) > room:
            self._rotate(0)
        else:
            self._spare.ensure()

    def append(self, commands: Bytes, events: Bytes, time_us: int) -> None:
        command_count = len(commands) // RECORD_BYTES
        event_count = len(events) // RECORD_BYTES
        length = record_length(command_count, event_count)
        try:
            if length > self._segment_bytes - self._offset:
                self._rotate(length)
            progress = self._progress
            header = pack_record_header(
                RecordHeader(
                    0,
                    0,
                    self.epoch,
                    progress.command_seq + 1,
                    progress.event_seq + 1,
                    time_us,
                    command_count,
                    event_count,
                    0,
                    0,
                ),
                commands,
                events,
            )
            self._write([header, commands, events, END_MARK], length)
            reach("record-written")
            os.fdatasync(self._fd)
            reach("record-synced")
        except (OSError, JournalError) as error:
            raise JournalWriteError(
                f"journal segment {segment_path(self._data_dir, self._number)} could not be "
                f"written at byte {self._offset}: {error}"
            ) from error
        self._offset += length
        progress.command_seq += command_count
        progress.event_seq += event_count
        progress.time_us = time_us
        self._durable.publish(self.position())
        reach("position-published")

    def _write(self, parts: list[Bytes], length: int) -> None:
        if is_set("record-half-written"):
            os.pwrite(self._fd, b"".join(parts)[: length // 2], self._offset)
            reach("record-half-written")
        written = os.pwritev(self._fd, parts, self._offset)
        if written == length:
            return
        rest = memoryview(b"".join(parts))[written:]  # rare: a signal or a nearly full disk
        while rest:
            count = os.pwrite(self._fd, rest, self._offset + length - len(rest))
            rest = rest[count:]

    def _rotate(self, length_min: int) -> None:
        """Begin the next segment, of the usual size or large enough for one huge record."""
        if length_min > RECORD_BYTES_MAX:
            raise JournalFullError(f"record was {length_min} bytes, expected <= {RECORD_BYTES_MAX}")
        usual = self._spare.segment_bytes
        size = max(usual, -(-(SEGMENT_HEADER_BYTES + length_min) // 4096) * 4096)
        header = SegmentHeader(
            self._number + 1, self.epoch, self.command_seq + 1, self.event_seq + 1, size
        )
        huge = size > usual
        fd = make_segment(self._data_dir, header) if huge else self._spare.turn_into(header)
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = fd
        self._number = header.number
        self._segment_bytes = size
        self._offset = SEGMENT_HEADER_BYTES
        self._spare.begin()

    def close(self) -> None:
        """Release files and lock. What was appended is durable already."""
        if self._lock is None:
            return
        self._spare.close()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        self._durable.close()
        self._lock.release()
        self._lock = None
