"""Segment files: which there are, reading one whole, and making the next one ahead of need.

Old ones may be in the archive: for a reader that makes no difference. Invariant: a file carries a
segment's name only after its full size is allocated and its header is durable. A segment that has a
name is therefore never half made, and writing into it needs no further room on the disk.
"""

from __future__ import annotations

import errno
import os
import re
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final

from engine.journal.archive import (
    archive_dir,
    archived_numbers,
    archived_path,
    is_archived,
    read_archived,
    read_archived_header,
    stored_path,
)
from engine.journal.directory import JOURNAL_DIR, fsync_directory
from engine.journal.errors import JournalCorruptError, JournalError, JournalFullError
from engine.journal.faults import reach
from engine.journal.format import (
    SEGMENT_HEADER_BYTES,
    SEMANTICS_VERSION_FIRST,
    SegmentHeader,
    pack_segment_header,
    segment_path,
    unpack_segment_header,
)

SPARE_NAME: Final = "spare.tmp"
SPARE_RETRY_S: Final = 1.0
FILL_BYTES: Final = 1 << 20
_NAME: Final = re.compile(r"(\d{10})\.seg")
_NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def segment_numbers(data_dir: Path) -> list[int]:
    """Numbers of the segments there are, 1..n. A missing one is refused."""
    directory = data_dir / JOURNAL_DIR
    here = {
        int(match[1])
        for match in (_NAME.fullmatch(path.name) for path in directory.iterdir())
        if match
    }
    # The archive is looked at second: what is moved meanwhile is then seen in one place at least.
    found = sorted(here.union(archived_numbers(data_dir)))
    for expected, number in enumerate(found, start=1):
        if number != expected:
            raise JournalCorruptError(
                _missing_path(data_dir, expected, number in here),
                0,
                f"the segment is missing, {number} is there",
            )
    return found


def _missing_path(data_dir: Path, number: int, next_is_here: bool) -> Path:
    """Where a missing segment should be: before the archive's end in the archive."""
    directory = archive_dir(data_dir)
    archived = archived_numbers(data_dir)
    if directory is None or (next_is_here and number > max(archived, default=0) + 1):
        return segment_path(data_dir, number)
    return archived_path(directory, number)


def read_header(path: Path) -> SegmentHeader:
    if is_archived(path):
        return unpack_segment_header(read_archived_header(path), path)
    with path.open("rb") as file:
        return unpack_segment_header(file.read(SEGMENT_HEADER_BYTES), path)


def located_header(data_dir: Path, number: int) -> tuple[Path, SegmentHeader]:
    """A segment's path now and its header, also while it is being moved to the archive."""
    path = stored_path(data_dir, number)
    try:
        header = read_header(path)
    except FileNotFoundError:
        path = stored_path(data_dir, number)
        header = read_header(path)
    if header.number != number:
        raise JournalCorruptError(path, 0, f"number was {header.number}, expected {number}")
    return path, header


def read_segment(path: Path) -> memoryview:
    """The whole file. Read, not mapped: a failing disk then is an error instead of a signal."""
    if is_archived(path):
        return read_archived(path)
    try:
        return memoryview(path.read_bytes())
    except OSError as error:
        raise JournalError(f"segment {path} cannot be read: {error.strerror}") from error


def segment_headers(data_dir: Path) -> Iterator[SegmentHeader]:
    """Headers in order, each checked to be that of its file, the version of the rules rising."""
    semantics = SEMANTICS_VERSION_FIRST
    for number in segment_numbers(data_dir):
        path, header = located_header(data_dir, number)
        if header.semantics < semantics:
            raise JournalCorruptError(
                path,
                0,
                f"version of the rules was {header.semantics}, expected at least {semantics}",
            )
        semantics = header.semantics
        yield header


class SpareSegment:
    """The next segment, allocated and zeroed by a thread while the current one fills.

    Zeros are really written: a disk then only overwrites, and an fdatasync need not also make new
    blocks durable.
    """

    def __init__(self, data_dir: Path, segment_bytes: int) -> None:
        self._data_dir = data_dir
        self._path = data_dir / JOURNAL_DIR / SPARE_NAME
        self.segment_bytes = segment_bytes
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spare-segment")
        self._fd: Future[int] | None = None
        self._failed_at: float | None = None

    def begin(self) -> None:
        """Start making one, if none is there or under way."""
        if self._fd is None:
            self._fd = self._pool.submit(_allocate, self._path, self.segment_bytes)

    def ensure(self) -> None:
        """Wait for the spare. JournalFullError if there is no room for it, asked once a second."""
        if self._failed_at is not None and time.monotonic() - self._failed_at < SPARE_RETRY_S:
            raise self._full()
        self.begin()
        assert self._fd is not None
        try:
            self._fd.result()
        except OSError as error:
            self._fd = None
            self._failed_at = time.monotonic()
            if error.errno in _NO_ROOM:
                raise self._full() from error
            raise JournalError(f"segment {self._path} cannot be made: {error.strerror}") from error
        self._failed_at = None

    def _full(self) -> JournalFullError:
        return JournalFullError(
            f"disk full: no room for the next journal segment of {self.segment_bytes} bytes "
            f"in {self._path.parent}"
        )

    def turn_into(self, header: SegmentHeader) -> int:
        """Make the spare a segment and return its file descriptor."""
        self.ensure()
        assert self._fd is not None
        fd = self._fd.result()
        self._fd = None
        return _name_segment(self._data_dir, self._path, fd, header)

    def close(self) -> None:
        """Stop, and remove a spare that was not used."""
        self._pool.shutdown(wait=True)
        if self._fd is not None and self._fd.exception() is None:
            os.close(self._fd.result())
        self._fd = None
        self._path.unlink(missing_ok=True)


def make_segment(data_dir: Path, header: SegmentHeader) -> int:
    """Make a segment of its own size at once; for one that a spare would be too small for."""
    path = data_dir / JOURNAL_DIR / f"{header.number}.tmp"
    try:
        fd = _allocate(path, header.segment_bytes)
    except OSError as error:
        raise JournalFullError(f"segment {path} cannot be made: {error.strerror}") from error
    return _name_segment(data_dir, path, fd, header)


def remove_leftovers(data_dir: Path) -> None:
    """Remove what an earlier process had begun and not named."""
    for path in (data_dir / JOURNAL_DIR).glob("*.tmp"):
        path.unlink()


def extend_to(fd: int, path: Path, segment_bytes: int) -> None:
    """Give a segment that was cut short its full size again, with zeros."""
    try:
        os.posix_fallocate(fd, 0, segment_bytes)
    except OSError as error:
        raise JournalFullError(f"segment {path} cannot be extended: {error.strerror}") from error


def _allocate(path: Path, segment_bytes: int) -> int:
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    try:
        os.posix_fallocate(fd, 0, segment_bytes)
        zeros = bytes(FILL_BYTES)
        for at in range(0, segment_bytes, FILL_BYTES):
            os.pwrite(fd, zeros[: segment_bytes - at], at)
        os.fsync(fd)
    except OSError:
        os.close(fd)
        path.unlink(missing_ok=True)
        raise
    return fd


def _name_segment(data_dir: Path, temporary: Path, fd: int, header: SegmentHeader) -> int:
    reach("segment-allocated")
    os.pwrite(fd, pack_segment_header(header), 0)
    os.fsync(fd)
    reach("segment-headed")
    temporary.rename(segment_path(data_dir, header.number))
    fsync_directory(temporary.parent)
    reach("segment-named")
    return fd
