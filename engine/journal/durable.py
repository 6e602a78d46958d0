"""The published position up to which the journal is durable, in a small shared file.

Bytes of the journal that are in the page cache only are not yet true: readers stop at this
position, which the engine moves after each fdatasync. Two slots are written in turn, each with a
rising counter and a CRC: a reader takes the valid slot with the higher counter, so neither a
concurrent write nor a kill in the middle of one can show it half a position.
"""

from __future__ import annotations

import mmap
import os
import struct
import zlib
from pathlib import Path
from typing import Final, NamedTuple

FILE_NAME: Final = "durable"
MAGIC: Final = b"QTDURAB\x01"
SLOT_BYTES: Final = 64
SLOT_COUNT: Final = 2
FILE_BYTES: Final = 4096
READ_ATTEMPTS_MAX: Final = 16

_SLOT: Final = struct.Struct("<8sQQQQQQ")
_CRC: Final = struct.Struct("<I")
assert _SLOT.size + _CRC.size <= SLOT_BYTES


class DurablePosition(NamedTuple):
    """Everything up to `event_seq` is on disk, ending at byte `offset` of segment `segment`."""

    epoch: int
    command_seq: int
    event_seq: int
    segment: int
    offset: int


class DurableFile:
    """The engine's end of the file: one writer, which holds the directory's lock."""

    def __init__(self, data_dir: Path) -> None:
        fd = os.open(data_dir / FILE_NAME, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            os.posix_fallocate(fd, 0, FILE_BYTES)
            self._map = mmap.mmap(fd, FILE_BYTES)
        finally:
            os.close(fd)
        newest = _newest(bytes(self._map[: SLOT_BYTES * SLOT_COUNT]))
        self._counter = newest[0] if newest else 0
        self.found: DurablePosition | None = newest[1] if newest else None

    def publish(self, position: DurablePosition) -> None:
        """Let readers see this position. Call only after the fdatasync that makes it true."""
        self._counter += 1
        body = _SLOT.pack(MAGIC, self._counter, *position)
        start = self._counter % SLOT_COUNT * SLOT_BYTES
        self._map[start : start + _SLOT.size + _CRC.size] = body + _CRC.pack(zlib.crc32(body))

    def close(self) -> None:
        self._map.close()


class DurableReader:
    """A reader's end: kept open, because a follower looks many times a second."""

    def __init__(self, data_dir: Path) -> None:
        with (data_dir / FILE_NAME).open("rb") as file:
            self._map = mmap.mmap(file.fileno(), FILE_BYTES, access=mmap.ACCESS_READ)

    def position(self) -> DurablePosition | None:
        """The newest position, or None if the file never held one."""
        for _ in range(READ_ATTEMPTS_MAX):
            newest = _newest(self._map[: SLOT_BYTES * SLOT_COUNT])
            if newest is not None:
                return newest[1]
        return None

    def close(self) -> None:
        self._map.close()


def read_position(data_dir: Path) -> DurablePosition | None:
    """The published position of a journal directory, None if there is none yet."""
    try:
        reader = DurableReader(data_dir)
    except (FileNotFoundError, ValueError):  # ValueError: the file is still shorter than its map
        return None
    try:
        return reader.position()
    finally:
        reader.close()


def _newest(slots: bytes) -> tuple[int, DurablePosition] | None:
    best: tuple[int, DurablePosition] | None = None
    for start in range(0, SLOT_BYTES * SLOT_COUNT, SLOT_BYTES):
        body = slots[start : start + _SLOT.size]
        (crc,) = _CRC.unpack_from(slots, start + _SLOT.size)
        magic, counter, *fields = _SLOT.unpack(body)
        valid = magic == MAGIC and crc == zlib.crc32(body)
        if valid and (best is None or counter > best[0]):
            best = (counter, DurablePosition(*fields))
    return best
