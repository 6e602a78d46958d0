"""From the stream's messages to runs of events that follow the books. Pure.

Invariant: a run begins at the event after the last one booked; what is booked already is dropped,
what is missing is named as a gap, and neither is ever guessed.
"""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

from apps.mirror.books import EventRun, Position
from apps.mirror.errors import ChainBrokenError
from engine.proto.records import RECORD_BYTES
from engine.proto.stream import StreamBatch

RUN_EVENTS_MAX: Final = 2_000


class Message(NamedTuple):
    """A message of the stream under the stream's own sequence."""

    stream_seq: int
    batch: StreamBatch


class Gap(NamedTuple):
    """Events that the stream did not bring: the first and last missing one."""

    first_event_seq: int
    last_event_seq: int


def next_step(pending: deque[Message], position: Position) -> EventRun | Gap | None:
    """Take the next run out of `pending`; None if nothing in it is new.

    A gap takes nothing. ChainBrokenError if a message ends where the books do, with another chain.
    """
    _drop_booked(pending, position)
    if not pending:
        return None
    expected = position.last_event_seq + 1
    if pending[0].batch.first_event_seq > expected:
        return Gap(expected, pending[0].batch.first_event_seq - 1)
    return _take_run(pending, expected)


def _drop_booked(pending: deque[Message], position: Position) -> None:
    while pending and pending[0].batch.last_event_seq <= position.last_event_seq:
        batch = pending.popleft().batch
        if batch.last_event_seq == position.last_event_seq and batch.chain != position.chain:
            raise ChainBrokenError(
                f"the stream's chain hash at event {batch.last_event_seq} was {batch.chain.hex()}, "
                f"the books have {position.chain.hex()}"
            )


def _take_run(pending: deque[Message], first_event_seq: int) -> EventRun:
    """Join messages that follow one another in one epoch, up to the size of a run."""
    epoch, following = pending[0].batch.epoch, first_event_seq
    parts: list[bytes] = []
    links: list[tuple[int, bytes]] = []
    stream_seq = 0
    while pending:
        stream_seq_next, batch = pending[0]
        overlap = following - batch.first_event_seq
        size = batch.last_event_seq - following + 1
        fits = not parts or following - first_event_seq + size <= RUN_EVENTS_MAX
        if batch.epoch != epoch or overlap < 0 or not fits:
            break
        pending.popleft()
        if size <= 0:
            continue
        parts.append(batch.events[overlap * RECORD_BYTES :])
        links.append((batch.last_event_seq, batch.chain))
        following = batch.last_event_seq + 1
        stream_seq = stream_seq_next
    return EventRun(
        epoch=epoch,
        first_event_seq=first_event_seq,
        events=b"".join(parts),
        links=tuple(links),
        stream_seq=stream_seq,
    )
