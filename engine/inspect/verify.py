"""`verify`: is every durable byte of the journal what was once written?

Checks each record's checksum, counts and end mark, the dense sequences, the rising epochs and
stamps, the order of segments, the chain heads that were remembered, and the snapshots; on request
also that replaying the commands gives the journaled events. Invariant: damage is named with its
file and byte; where one flipped bit explains it, the very byte and bit.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

from engine.journal import JournalCorruptError, JournalError, placed_records, read_position
from engine.journal.chain import CACHE_NAME
from engine.journal.format import RECORD_HEADER, SEGMENT_HEADER_BYTES, RecordHeader
from engine.journal.replay import apply_record, beginning
from engine.journal.segments import segment_headers
from engine.journal.snapshots import SnapshotError, check_snapshot, snapshot_paths
from engine.kernel.interface import Kernel
from engine.proto.records import RECORD_BYTES
from engine.proto.stream import CHAIN_GENESIS, chain_extend

BIT_SEARCH_BYTES_MAX: Final = 1 << 20
_POLYNOMIAL: Final = 0xEDB88320
_CACHED_HEAD: Final = struct.Struct("<Q32sI")


class Flipped(NamedTuple):
    """The one bit whose change would make a record right again."""

    offset: int
    bit: int


def verify(data_dir: Path, make_kernel: Callable[[], Kernel] | None = None) -> dict[str, Any]:
    """Facts about a journal in which all is right. JournalError names the first thing that is not.

    With kernels to be had, everything is replayed as well, but for the part that was written under
    an older version of the rules: the replay begins with the snapshot at its end.
    """
    bound = read_position(data_dir)
    if bound is None:
        raise JournalError(
            f"{data_dir} publishes no durable position: is it an engine's directory?"
        )
    heads = _cached_heads(data_dir)
    kernel = _first_kernel(data_dir, make_kernel) if make_kernel is not None else None
    begun_at = kernel.command_seq if kernel is not None else 0
    chain, records, last_event_seq, last_command_seq = CHAIN_GENESIS, 0, 0, 0
    for _, record in placed_records(data_dir):
        for at in range(0, len(record.events), RECORD_BYTES):
            last_event_seq += 1
            chain = chain_extend(chain, record.events[at : at + RECORD_BYTES])
            if heads.pop(last_event_seq, chain) != chain:
                raise JournalError(
                    f"chain head of event {last_event_seq} is {chain.hex()}, which is not the one "
                    f"remembered in {data_dir / CACHE_NAME}"
                )
        if kernel is not None and record.last_command_seq > begun_at:
            apply_record(kernel, record)
        records += 1
        last_command_seq = record.last_command_seq
    if (last_command_seq, last_event_seq) != (bound.command_seq, bound.event_seq):
        raise JournalError(
            f"journal ends at (command, event) {(last_command_seq, last_event_seq)}, but "
            f"{(bound.command_seq, bound.event_seq)} is published as durable"
        )
    return {
        "data": str(data_dir),
        "segments": len(list(segment_headers(data_dir))),
        "records": records,
        "commands": last_command_seq,
        "events": last_event_seq,
        "epoch": bound.epoch,
        "chain": chain.hex(),
        "replayed": kernel is not None,
        "replayed_from": begun_at + 1 if kernel is not None else None,
        "state_hash": kernel.state_hash().hex() if kernel is not None else None,
        "snapshots": _snapshots(data_dir),
    }


def _first_kernel(data_dir: Path, make_kernel: Callable[[], Kernel]) -> Kernel:
    loaded = beginning(data_dir, make_kernel)
    return loaded.kernel if loaded else make_kernel()


def _cached_heads(data_dir: Path) -> dict[int, bytes]:
    path = data_dir / CACHE_NAME
    if not path.exists():
        return {}
    data = path.read_bytes()
    whole = data[: len(data) - len(data) % _CACHED_HEAD.size]
    return {
        seq: head
        for seq, head, crc in _CACHED_HEAD.iter_unpack(whole)
        if crc == zlib.crc32(struct.pack("<Q32s", seq, head))
    }


def _snapshots(data_dir: Path) -> list[dict[str, Any]]:
    """A damaged snapshot is told and is no damage of the journal: it is only passed over."""
    rows: list[dict[str, Any]] = []
    for path in snapshot_paths(data_dir):
        try:
            header, _ = check_snapshot(data_dir, path)
            rows.append({"file": path.name, "usable": True, "command_seq": header.command_seq})
        except SnapshotError as error:
            rows.append({"file": path.name, "usable": False, "reason": str(error)})
    return rows


def explain(error: JournalCorruptError) -> str:
    """The error, and the byte and bit to blame if there is one that explains everything."""
    flipped = find_flipped_bit(error.path, error.offset)
    if flipped is None:
        return str(error)
    return f"{error}; bit {flipped.bit} of byte {flipped.offset} alone is flipped"


def find_flipped_bit(path: Path, record_offset: int) -> Flipped | None:
    """The one bit in the record at an offset, or in the segment's header, that was flipped.

    CRC-32 is linear: the difference of the checksums depends only on where a bit was flipped, so
    one walk over the places finds the one that gives it. None if no single bit does.
    """
    try:
        data = path.read_bytes()
    except OSError:
        return None
    if record_offset < SEGMENT_HEADER_BYTES:
        return _flipped_in_header(data)
    if len(data) - record_offset < RECORD_HEADER.size:
        return None
    for length in _possible_lengths(data, record_offset):
        found = _flipped_in_record(data, record_offset, length)
        if found is not None:
            return found
    return None


def _flipped_in_header(data: bytes) -> Flipped | None:
    body, (stored,) = data[: SEGMENT_HEADER_BYTES - 4], struct.unpack_from("<I", data, 508)
    return _locate(body, stored, list(range(len(body))), SEGMENT_HEADER_BYTES - 4)


def _possible_lengths(data: bytes, at: int) -> list[int]:
    """Lengths that the record may have had: as it says, and as its counts say."""
    header = RecordHeader._make(RECORD_HEADER.unpack_from(data, at))
    said = [header.length, 64 + (header.command_count + header.event_count) * RECORD_BYTES]
    said += [header.length ^ (1 << bit) for bit in range(32)]
    fits = [size for size in said if 64 < size <= min(len(data) - at, BIT_SEARCH_BYTES_MAX)]
    ends = [size for size in dict.fromkeys(fits) if data[at + size - 8 : at + size] == b"QTRECEND"]
    return ends or fits[:1]


def _flipped_in_record(data: bytes, at: int, length: int) -> Flipped | None:
    covered = data[at : at + 4] + data[at + 8 : at + length]
    offsets = [*range(at, at + 4), *range(at + 8, at + length)]
    (stored,) = struct.unpack_from("<I", data, at + 4)
    return _locate(covered, stored, offsets, at + 4)


def _locate(covered: bytes, stored: int, offsets: list[int], crc_at: int) -> Flipped | None:
    difference = zlib.crc32(covered) ^ stored
    if not difference:
        return None
    if difference & (difference - 1) == 0:
        bit = difference.bit_length() - 1
        return Flipped(crc_at + bit // 8, bit % 8)
    # A flip of the data's last bit is one step of the register away from the checksum, that of the
    # bit before it two steps, and so on.
    register = 1
    for place in range(len(covered) - 1, -1, -1):
        for bit in range(7, -1, -1):
            register = (register >> 1) ^ (_POLYNOMIAL if register & 1 else 0)
            if register == difference:
                return Flipped(offsets[place], bit)
    return None
