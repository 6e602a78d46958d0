"""Full segments that are seldom needed, compressed, in a directory of their own.

The journal is never deleted, but what lies before the newest snapshots is read only by
verification, by a mirror that is built anew and by a replay from the beginning: it may lie on
another, cheaper disk. The file `archive` in the data directory says where; every reader follows it
by itself, so a segment is found by its number wherever it is. The process that makes snapshots
moves them.

Invariant: at every moment each segment is whole in at least one of the two places. The original is
removed only after its copy was synced, read back, unpacked and found to be the same bytes.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import threading
import zlib
from collections import OrderedDict
from pathlib import Path
from typing import Final

import structlog

from engine.journal.directory import JOURNAL_DIR, fsync_directory, write_durably
from engine.journal.errors import JournalCorruptError, JournalError
from engine.journal.faults import reach
from engine.journal.format import SEGMENT_BYTES_MAX, SEGMENT_HEADER_BYTES, segment_path

LOCATION_NAME: Final = "archive"
LOCATION_BYTES_MAX: Final = 4096
COMPRESSION_LEVEL: Final = 6
UNPACKED_SEGMENTS_MAX: Final = 2  # kept for the next reader
_SUFFIX: Final = ".seg.gz"
_NAME: Final = re.compile(r"(\d{10})\.seg\.gz")
_READ_BYTES: Final = 1 << 20
log = structlog.get_logger(__name__)


def archive_dir(data_dir: Path) -> Path | None:
    """Where this journal's old segments are, None if none were ever moved."""
    try:
        text = (data_dir / LOCATION_NAME).read_bytes()[:LOCATION_BYTES_MAX].decode().strip()
    except FileNotFoundError:
        return None
    return data_dir / text if text else None


def archived_path(directory: Path, number: int) -> Path:
    return directory / f"{number:010d}{_SUFFIX}"


def archived_numbers(data_dir: Path) -> list[int]:
    """Numbers of the segments in the archive. JournalError if it is gone as a whole."""
    directory = archive_dir(data_dir)
    if directory is None:
        return []
    try:
        names = [path.name for path in directory.iterdir()]
    except OSError as error:
        raise JournalError(
            f"archive {directory} of the journal in {data_dir} cannot be read: {error.strerror}; "
            f"mount or restore it, or write where it is now into {data_dir / LOCATION_NAME}"
        ) from error
    return sorted(int(match[1]) for match in map(_NAME.fullmatch, names) if match)


def find_archived(data_dir: Path, number: int) -> Path | None:
    """The archived file of a segment, None if it is not there."""
    directory = archive_dir(data_dir)
    if directory is None:
        return None
    path = archived_path(directory, number)
    return path if path.exists() else None


def is_archived(path: Path) -> bool:
    """Whether a segment's path is that of a compressed one."""
    return path.name.endswith(_SUFFIX)


# --- reading ------------------------------------------------------------------------------------


class _Unpacked:
    """The last few unpacked segments, so that readers who follow each other share the work."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, int, int], bytes] = OrderedDict()

    def get(self, path: Path) -> bytes:
        stat = path.stat()
        key = (str(path), stat.st_mtime_ns, stat.st_size)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        data = _unpack(path, SEGMENT_BYTES_MAX)
        with self._lock:
            self._kept[key] = data
            while len(self._kept) > UNPACKED_SEGMENTS_MAX:
                self._kept.popitem(last=False)
        return data


_unpacked: Final = _Unpacked()


def read_archived(path: Path) -> memoryview:
    """A whole segment out of the archive. JournalCorruptError names a damaged file."""
    try:
        return memoryview(_unpacked.get(path))
    except OSError as error:
        raise JournalError(f"segment {path} cannot be read: {error.strerror}") from error


def read_archived_header(path: Path) -> bytes:
    """The first bytes of a segment in the archive; the rest is not looked at."""
    return _unpack(path, SEGMENT_HEADER_BYTES, whole=False)


def _unpack(path: Path, bytes_max: int, *, whole: bool = True) -> bytes:
    """Unpack a file; all of it, with its checksum, or only so many bytes of it."""
    parts: list[bytes] = []
    size = 0
    try:
        with gzip.open(path) as file:
            while size < bytes_max and (part := file.read(min(_READ_BYTES, bytes_max - size))):
                parts.append(part)
                size += len(part)
            if whole and file.read(1):
                raise JournalCorruptError(path, 0, f"unpacked it is more than {bytes_max} bytes")
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise JournalCorruptError(
            path, 0, f"the archived segment does not unpack behind its byte {size}: {error}"
        ) from error
    return b"".join(parts)


# --- moving -------------------------------------------------------------------------------------


def choose_archive(data_dir: Path, directory: Path) -> None:
    """Let readers look for old segments in `directory` from now on.

    JournalError if segments are archived elsewhere: they must be moved there first.
    """
    directory = directory.absolute()
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise JournalError(f"archive {directory} cannot be made: {error.strerror}") from error
    before = archive_dir(data_dir)
    if before is not None and before.absolute() == directory:
        return
    missing = [
        number
        for number in archived_numbers(data_dir)
        if not archived_path(directory, number).exists()
    ]
    if missing:
        raise JournalError(
            f"archive was {before} and holds segment {missing[0]}, expected its files in "
            f"{directory}: copy them there first"
        )
    write_durably(data_dir / LOCATION_NAME, f"{directory}\n".encode())


def archive_segments(data_dir: Path, below: int) -> list[int]:
    """Move the segments with numbers below this one into the chosen archive; which were moved.

    JournalError, and the original stays, if a copy cannot be made or is not the same.
    """
    directory = archive_dir(data_dir)
    if directory is None:
        raise JournalError(f"no archive was chosen for the journal in {data_dir}")
    moved: list[int] = []
    for path in sorted((data_dir / JOURNAL_DIR).glob("*.seg")):
        number = int(path.stem)
        if number < below:
            _move(path, archived_path(directory, number))
            moved.append(number)
    if moved:
        log.info("segments_archived", first=moved[0], last=moved[-1], directory=str(directory))
    return moved


def _move(path: Path, target: Path) -> None:
    temporary = target.with_name(target.name + ".tmp")
    try:
        digest = _pack(path, temporary)
        reach("archive-packed")
        if hashlib.sha256(_unpack(temporary, SEGMENT_BYTES_MAX)).digest() != digest:
            raise JournalError(f"archived copy {temporary} of {path} is not the same bytes")
        temporary.replace(target)
        fsync_directory(target.parent)
        reach("archive-named")
        path.unlink()
        fsync_directory(path.parent)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise JournalError(f"segment {path} cannot be archived: {error}") from error


def _pack(path: Path, temporary: Path) -> bytes:
    """Write a compressed copy, durably; the hash of what went into it."""
    digest = hashlib.sha256()
    with (
        path.open("rb") as source,
        temporary.open("wb") as raw,
        gzip.GzipFile("", "wb", COMPRESSION_LEVEL, raw, mtime=0) as packed,
    ):
        while part := source.read(_READ_BYTES):
            digest.update(part)
            packed.write(part)
    fd = os.open(temporary, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
    return digest.digest()


def stored_path(data_dir: Path, number: int) -> Path:
    """Where a segment is now: in the journal, else in the archive, else where it should be."""
    path = segment_path(data_dir, number)
    if path.exists():
        return path
    return find_archived(data_dir, number) or path
