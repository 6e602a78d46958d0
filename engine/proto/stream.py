"""The message that carries a batch of events through JetStream, and the chain over all events.

The chain is per event, independent of batching: h_0 is 32 zero bytes and
h_n = SHA-256(h_{n-1} || event_n), the event being its 128 bytes as journaled. Whoever holds event n
and h_n can prove which events came before.
"""

from __future__ import annotations

import hashlib
import struct
from typing import Final, NamedTuple

from engine.proto.records import RECORD_BYTES

STREAM_NAME: Final = "QT_EVENTS"
STREAM_SUBJECT: Final = "engine.events"
CHAIN_GENESIS: Final = bytes(32)
BATCH_EVENTS_MAX: Final = 480  # 480 x 128 bytes + header stay below 64 KB
MAGIC: Final = b"QTE1"

_HEADER: Final = struct.Struct("<4sIQQQ32s")


class StreamBatch(NamedTuple):
    """Events first_event_seq..last_event_seq of one engine epoch; `chain` is h_last."""

    epoch: int
    first_event_seq: int
    last_event_seq: int
    chain: bytes
    events: bytes


def chain_extend(chain: bytes, events: bytes | memoryview) -> bytes:
    """Return the chain head after `events` (n x 128 bytes) when `chain` was the head before."""
    view = memoryview(events)
    for offset in range(0, len(view), RECORD_BYTES):
        chain = hashlib.sha256(chain + view[offset : offset + RECORD_BYTES]).digest()
    return chain


def pack_batch(batch: StreamBatch) -> bytes:
    """Return the message payload of a batch."""
    count = batch.last_event_seq - batch.first_event_seq + 1
    if not 1 <= count <= BATCH_EVENTS_MAX or len(batch.events) != count * RECORD_BYTES:
        raise ValueError(
            f"batch was {count} events in {len(batch.events)} bytes, "
            f"expected 1..{BATCH_EVENTS_MAX} of {RECORD_BYTES} bytes each"
        )
    header = _HEADER.pack(
        MAGIC, count, batch.epoch, batch.first_event_seq, batch.last_event_seq, batch.chain
    )
    return header + batch.events


def unpack_batch(payload: bytes) -> StreamBatch:
    """Return the batch in a message payload. ValueError if it is not one, whole."""
    if len(payload) < _HEADER.size:
        raise ValueError(f"message was {len(payload)} bytes, expected at least {_HEADER.size}")
    magic, count, epoch, first, last, chain = _HEADER.unpack_from(payload)
    events = payload[_HEADER.size :]
    if magic != MAGIC or last - first + 1 != count or len(events) != count * RECORD_BYTES:
        raise ValueError(
            f"message {first}..{last} of {count} events in {len(events)} bytes is torn"
        )
    return StreamBatch(epoch, first, last, chain, events)
