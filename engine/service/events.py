"""EventService: the durable events, and the greeting of those who carry them on.

Invariant: an event leaves only after it is durable, in order and without a gap. Reading happens in
threads, so a reader far behind does not delay an order.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from pathlib import Path
from typing import Final, NoReturn

import structlog

from engine.journal.chain import ChainIndex
from engine.journal.reader import EventSlice, Follower, SeekIndex
from engine.proto import engine_pb2 as pb
from engine.proto import engine_pb2_grpc as pb_grpc
from engine.proto.stream import CHAIN_GENESIS
from engine.service.calls import Context, refuse
from engine.service.core import Sequencer
from engine.service.errors import (
    HistoryDiffersError,
    InvalidCallError,
    OutOfRangeError,
    OverloadedError,
    PeerAheadError,
    UnavailableError,
)
from engine.service.peers import PEERS_MAX, Peers, is_peer_name

# ruff: noqa: N802 - the methods carry the names of the gRPC service

MESSAGE_EVENTS_MAX: Final = 4096
READERS_MAX: Final = 64
READER_THREADS: Final = 4

log = structlog.get_logger(__name__)


class EventService(pb_grpc.EventServiceServicer):
    """`behind` is called when a peer proves that this engine has lost events."""

    def __init__(
        self,
        data_dir: Path,
        sequencer: Sequencer,
        peers: Peers,
        behind: Callable[[PeerAheadError], None],
    ) -> None:
        self._data_dir = data_dir
        self._sequencer = sequencer
        self._peers = peers
        self._behind = behind
        self._chain = ChainIndex(data_dir, keep_cache=True)
        self._threads = ThreadPoolExecutor(READER_THREADS, thread_name_prefix="event-reader")
        self._index = SeekIndex()
        self._readers = 0

    async def Subscribe(
        self, request: pb.SubscribeRequest, context: Context
    ) -> AsyncGenerator[pb.EventBatch, None]:
        first = request.from_event_seq
        if not 1 <= first <= self._sequencer.durable_event_seq + 1:
            await self._out_of_range(context, first)
        async with aclosing(self._batches(context, first, None)) as batches:
            async for batch in batches:
                yield batch

    async def Read(
        self, request: pb.ReadRequest, context: Context
    ) -> AsyncGenerator[pb.EventBatch, None]:
        first, last = request.first_event_seq, request.last_event_seq
        if not 1 <= first <= last <= self._sequencer.durable_event_seq:
            await self._out_of_range(context, first, last)
        async with aclosing(self._batches(context, first, last)) as batches:
            async for batch in batches:
                yield batch

    async def _batches(
        self, context: Context, first: int, last: int | None
    ) -> AsyncGenerator[pb.EventBatch, None]:
        """Events from `first` on; without `last` it goes on for ever."""
        if not self._sequencer.started:
            await refuse(context, UnavailableError("the engine is starting", pb.Error.STARTING))
        if self._readers >= READERS_MAX:
            await refuse(
                context,
                OverloadedError(f"{self._readers} readers are the most", pb.Error.READERS_FULL),
            )
        self._readers += 1
        loop = asyncio.get_running_loop()
        reader = _Reader(Follower(self._data_dir, first, self._index))
        try:
            following = first
            while last is None or following <= last:
                count = MESSAGE_EVENTS_MAX
                if last is not None:
                    count = min(count, last - following + 1)
                await self._sequencer.published_beyond(following - 1)
                events = await loop.run_in_executor(self._threads, reader.read, count)
                if events is not None:
                    following = events.last_event_seq + 1
                    yield _message(events)
        finally:
            self._readers -= 1
            self._threads.submit(reader.close)

    async def Greet(self, request: pb.PeerState, context: Context) -> pb.PeerAnswer:
        name, seq, durable = request.name, request.event_seq, self._sequencer.durable_event_seq
        if not is_peer_name(name) or (len(request.chain) != len(CHAIN_GENESIS) and seq):
            await refuse(
                context,
                InvalidCallError(
                    f"peer was {name[:64]!r} with a chain of {len(request.chain)} bytes, "
                    f"expected a name of a-z 0-9 _ . - and {len(CHAIN_GENESIS)} bytes"
                ),
            )
        if not self._sequencer.started:
            await refuse(context, UnavailableError("the engine is starting", pb.Error.STARTING))
        if seq > durable:
            text = f"peer {name} is at event {seq}, but this engine ends at event {durable}"
            self._behind(PeerAheadError(f"{text}: this is an old journal, restore the newest one"))
            await refuse(context, HistoryDiffersError(text, pb.Error.PEER_AHEAD))
        loop = asyncio.get_running_loop()
        head = await loop.run_in_executor(self._threads, self._chain.head, seq)
        if seq and head != request.chain:
            log.error("peer_refused", peer=name, event_seq=seq, detail="its chain hash differs")
            await refuse(
                context,
                HistoryDiffersError(
                    f"peer {name} has chain hash {request.chain.hex()} at event {seq}, this "
                    f"journal has {head.hex()}: they are not of the same history"
                ),
            )
        try:
            self._peers.greeted(name)
        except ValueError as error:
            await refuse(
                context, OverloadedError(f"{error}, at most {PEERS_MAX}", pb.Error.PEERS_FULL)
            )
        log.info("peer_greeted", peer=name, event_seq=seq)
        return pb.PeerAnswer(epoch=self._sequencer.epoch, event_seq=durable)

    async def _out_of_range(self, context: Context, *seqs: int) -> NoReturn:
        await refuse(
            context,
            OutOfRangeError(
                f"event sequence was {'..'.join(map(str, seqs))}, expected within "
                f"1..{self._sequencer.durable_event_seq}"
            ),
        )

    def close(self) -> None:
        """Call when no handler runs any more."""
        self._threads.shutdown(wait=True)


class _Reader:
    """A follower whose file is not closed while a thread still reads from it."""

    def __init__(self, follower: Follower) -> None:
        self._follower = follower
        self._lock = threading.Lock()

    def read(self, events_max: int) -> EventSlice | None:
        with self._lock:
            return self._follower.read(events_max)

    def close(self) -> None:
        with self._lock:
            self._follower.close()


def _message(events: EventSlice) -> pb.EventBatch:
    return pb.EventBatch(
        epoch=events.epoch,
        first_event_seq=events.first_event_seq,
        last_event_seq=events.last_event_seq,
        events=events.events,
    )
