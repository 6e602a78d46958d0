"""The journal as the relay needs it: batches ready for the stream, each with the chain's head.

Invariant: batches follow one another without a gap from the anchor the feed was opened at, never
beyond the durable position, and none holds events of two epochs.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from engine.journal import Follower, read_position
from engine.proto.records import EVENT_HEADER, EventHeader
from engine.proto.stream import BATCH_EVENTS_MAX, StreamBatch, chain_extend
from engine.relay.progress import Anchor


class DurableMark(NamedTuple):
    """How far the engine says its journal is on disk."""

    epoch: int
    event_seq: int


NOTHING_DURABLE = DurableMark(0, 0)


class FedBatch(NamedTuple):
    """A batch, and the time stamp of its first event."""

    batch: StreamBatch
    first_time_us: int


class JournalFeed:
    """Reads events from one anchor on. `anchor` moves with every batch returned."""

    def __init__(self, data_dir: Path, anchor: Anchor) -> None:
        self.anchor = anchor
        self._follower = Follower(data_dir, anchor.event_seq + 1)

    def next_batch(self, last_event_seq: int | None = None) -> FedBatch | None:
        """Return the next batch of what is durable, at most up to `last_event_seq`, or None."""
        events_max = BATCH_EVENTS_MAX
        if last_event_seq is not None:
            events_max = min(events_max, last_event_seq - self.anchor.event_seq)
        piece = self._follower.read(events_max)
        if piece is None:
            return None
        chain = chain_extend(self.anchor.chain, piece.events)
        self.anchor = Anchor(piece.last_event_seq, chain)
        batch = StreamBatch(
            piece.epoch, piece.first_event_seq, piece.last_event_seq, chain, piece.events
        )
        return FedBatch(batch, _time_us(piece.events))

    def close(self) -> None:
        """Release the journal's files."""
        self._follower.close()


def durable_mark(data_dir: Path) -> DurableMark:
    """Return how far the journal is durable now; nothing if no engine has written here yet."""
    position = read_position(data_dir)
    if position is None:
        return NOTHING_DURABLE
    return DurableMark(position.epoch, position.event_seq)


def event_time_us(data_dir: Path, event_seq: int) -> int:
    """Return the time stamp of one durable event. It seeks, so it is for the odd look only."""
    follower = Follower(data_dir, event_seq)
    try:
        piece = follower.read(1)
    finally:
        follower.close()
    if piece is None:
        raise ValueError(f"event {event_seq} is not durable")
    return _time_us(piece.events)


def _time_us(events: bytes) -> int:
    return EventHeader._make(EVENT_HEADER.unpack_from(events)).time_us
