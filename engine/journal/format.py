"""The bytes of a journal segment: a 512-byte header, then records, then zeros to its full size.

    segment   header (512 bytes, CRC over all of it) | record | record | ... | zeros
    record    u32 length | u32 crc32 | u64 epoch | u64 first command seq | u64 first event seq
              | i64 time_us | u32 commands | u32 events | u32 context length | u32 reserved = 0
              | context, padded to 8 | commands x 128 | events x 128 | end mark (8 bytes)

Everything is little-endian and records are 8-byte aligned. `length` is that of the whole record;
the CRC covers the record except itself. Counts and length state the size twice, and the end mark
has no zero byte: so a record that the disk took only in part is told apart from a damaged one.
The context (who sent the batch, for the audit trail) is not used yet: its length is 0.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Final, NamedTuple

from engine.journal.errors import JournalCorruptError, JournalVersionError
from engine.proto.records import RECORD_BYTES

SEGMENT_MAGIC: Final = b"QTJRNL\x01\n"
FORMAT_VERSION: Final = 1
SEMANTICS_VERSION: Final = 2  # of the matching rules: replaying must give the journaled events
SEMANTICS_VERSION_FIRST: Final = 1  # records of all versions since then can be read
SEGMENT_HEADER_BYTES: Final = 512
SECTOR_BYTES: Final = 512  # what a disk writes whole or not at all
SEGMENT_BYTES_DEFAULT: Final = 64 << 20
SEGMENT_BYTES_MIN: Final = 64 << 10
SEGMENT_BYTES_MAX: Final = 1 << 32
ALIGNMENT: Final = 8
END_MARK: Final = b"QTRECEND"
assert 0 not in END_MARK

_SEGMENT: Final = struct.Struct("<8sIIIIQQQQQ")
_CRC: Final = struct.Struct("<I")
RECORD_HEADER: Final = struct.Struct("<IIQQQqIIII")
RECORD_OVERHEAD_BYTES: Final = RECORD_HEADER.size + len(END_MARK)
RECORD_BYTES_MIN: Final = RECORD_OVERHEAD_BYTES + 2 * RECORD_BYTES
RECORD_BYTES_MAX: Final = 2**32 - ALIGNMENT
assert RECORD_HEADER.size % ALIGNMENT == 0
assert RECORD_OVERHEAD_BYTES % ALIGNMENT == 0


class SegmentHeader(NamedTuple):
    """What a segment says of itself; `*_seq` are the first that it can hold.

    All its commands were decided under version `semantics` of the rules.
    """

    number: int
    epoch: int
    first_command_seq: int
    first_event_seq: int
    segment_bytes: int
    semantics: int = SEMANTICS_VERSION


class RecordHeader(NamedTuple):
    length: int
    crc: int
    epoch: int
    first_command_seq: int
    first_event_seq: int
    time_us: int
    command_count: int
    event_count: int
    context_bytes: int
    reserved: int


def segment_path(data_dir: Path, number: int) -> Path:
    return data_dir / "journal" / f"{number:010d}.seg"


def record_length(command_count: int, event_count: int, context_bytes: int = 0) -> int:
    """Bytes of a record with this content."""
    padded = -(-context_bytes // ALIGNMENT) * ALIGNMENT
    return RECORD_OVERHEAD_BYTES + padded + (command_count + event_count) * RECORD_BYTES


def record_crc(length: bytes, *rest: bytes | bytearray | memoryview) -> int:
    """CRC-32 of a record: its length field, then everything behind the CRC field."""
    crc = zlib.crc32(length)
    for part in rest:
        crc = zlib.crc32(part, crc)
    return crc


def pack_segment_header(header: SegmentHeader) -> bytes:
    fixed = _SEGMENT.pack(
        SEGMENT_MAGIC,
        SEGMENT_HEADER_BYTES,
        FORMAT_VERSION,
        header.semantics,
        RECORD_BYTES,
        *header[:5],
    )
    body = fixed.ljust(SEGMENT_HEADER_BYTES - _CRC.size, b"\0")
    return body + _CRC.pack(zlib.crc32(body))


def unpack_segment_header(data: bytes | memoryview, path: Path) -> SegmentHeader:
    """Return the header, or refuse: a segment gets its name only once its header is durable."""
    if len(data) < SEGMENT_HEADER_BYTES:
        raise JournalCorruptError(
            path, len(data), f"the file ends inside its header of {SEGMENT_HEADER_BYTES} bytes"
        )
    body = bytes(data[: SEGMENT_HEADER_BYTES - _CRC.size])
    (crc,) = _CRC.unpack_from(data, SEGMENT_HEADER_BYTES - _CRC.size)
    magic, header_bytes, version, semantics, record_bytes, *rest = _SEGMENT.unpack_from(data)
    if magic != SEGMENT_MAGIC:
        raise JournalCorruptError(path, 0, f"magic was {magic!r}, expected {SEGMENT_MAGIC!r}")
    if crc != zlib.crc32(body):
        raise JournalCorruptError(
            path, 0, f"header checksum was {crc:08x}, expected {zlib.crc32(body):08x}"
        )
    found = (header_bytes, version, record_bytes)
    expected = (SEGMENT_HEADER_BYTES, FORMAT_VERSION, RECORD_BYTES)
    if found != expected:
        raise JournalCorruptError(
            path, 8, f"(header, format, record) was {found}, expected {expected}"
        )
    if not SEMANTICS_VERSION_FIRST <= semantics <= SEMANTICS_VERSION:
        raise JournalVersionError(
            f"segment {path} was written under version {semantics} of the rules, this program "
            f"knows {SEMANTICS_VERSION_FIRST}..{SEMANTICS_VERSION}: use the program that wrote it"
        )
    return SegmentHeader._make([*rest, semantics])


def pack_record_header(
    header: RecordHeader,
    commands: bytes | bytearray | memoryview,
    events: bytes | bytearray | memoryview,
) -> bytes:
    """Return the header of a record with this content; its length and crc are computed here."""
    length = record_length(header.command_count, header.event_count)
    packed = RECORD_HEADER.pack(*header._replace(length=length, crc=0))
    crc = record_crc(packed[:4], packed[8:], commands, events, END_MARK)
    return packed[:4] + _CRC.pack(crc) + packed[8:]
