"""The event archive's rows in COPY's binary form, there and back.

Each row is of one size, so a batch of events is packed without any text in between.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import Final, NamedTuple

from engine.proto.records import EVENT_HEADER, RECORD_BYTES

_SIGNATURE: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER: Final = b"\xff\xff"
_POSTGRES_EPOCH_US: Final = 946_684_800_000_000  # 2000-01-01 in Unix microseconds
_ROW: Final = struct.Struct(">hiqiqihiqi128si32s")
_SHAPE: Final = (6, 8, 8, 2, 8, 128, 32)  # columns, then the size of each


class ArchivedEvent(NamedTuple):
    """A row of the archive."""

    event_seq: int
    command_seq: int
    type: int
    time_us: int
    record: bytes
    chain: bytes


def chained(chain: bytes, events: bytes | memoryview) -> list[bytes]:
    """Return the chain hash after each event when `chain` was the one before the first."""
    view = memoryview(events)
    links = []
    for offset in range(0, len(view), RECORD_BYTES):
        chain = sha256(chain + view[offset : offset + RECORD_BYTES]).digest()
        links.append(chain)
    return links


def pack_rows(events: bytes | memoryview, links: Iterable[bytes]) -> bytes:
    """Return what COPY ... (FORMAT binary) takes for events and their chain hashes."""
    view = memoryview(events)
    parts = [_SIGNATURE]
    for index, chain in enumerate(links):
        record = bytes(view[index * RECORD_BYTES : (index + 1) * RECORD_BYTES])
        event_seq, command_seq, time_us, kind, *_ = EVENT_HEADER.unpack_from(record)
        occurred = time_us - _POSTGRES_EPOCH_US
        parts.append(
            _ROW.pack(6, 8, event_seq, 8, command_seq, 2, kind, 8, occurred, 128, record, 32, chain)
        )
    parts.append(_TRAILER)
    return b"".join(parts)


def unpack_rows(blocks: Iterable[bytes | bytearray | memoryview]) -> Iterator[ArchivedEvent]:
    """Yield the rows in what COPY ... TO (FORMAT binary) gives.

    ValueError if a row has not the shape that the archive's columns have.
    """
    pending = bytearray()
    started = False
    for block in blocks:
        pending += block
        if not started:
            if len(pending) < len(_SIGNATURE):
                continue
            del pending[: len(_SIGNATURE)]
            started = True
        whole = len(pending) - len(pending) % _ROW.size
        for offset in range(0, whole, _ROW.size):
            yield _unpack(pending, offset)
        del pending[:whole]
    if bytes(pending) != _TRAILER:
        raise ValueError(f"the archive ended in {len(pending)} bytes, expected the trailer")


def _unpack(rows: bytearray, offset: int) -> ArchivedEvent:
    row = _ROW.unpack_from(rows, offset)
    if (row[0], *row[1::2]) != _SHAPE:
        raise ValueError(f"an archived event near {row[2]} has another shape than expected")
    event_seq, command_seq, kind, occurred, record, chain = row[2::2]
    return ArchivedEvent(event_seq, command_seq, kind, occurred + _POSTGRES_EPOCH_US, record, chain)
