"""Tells the engine how far the stream has come, once for each start of the engine.

A restarted engine answers nobody until it has heard from those that may know more than its
journal does. Invariant: what is told is confirmed by the stream; an engine that does not recognise
it is not the one whose events were published, and the relay stops.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final

import grpc
import structlog

from engine.proto.engine_pb2 import PeerState
from engine.proto.engine_pb2_grpc import EventServiceAsyncStub, EventServiceStub
from engine.relay.errors import EngineRefusedError
from engine.relay.feed import durable_mark
from engine.relay.progress import Anchor

PEER_NAME: Final = "relay"
GREET_TIMEOUT_S: Final = 5.0
GREET_INTERVAL_S: Final = 0.25
log = structlog.get_logger(__name__)


async def keep_greeting(address: str, data_dir: Path, published: Callable[[], Anchor]) -> None:
    """Greet the engine now and after each of its restarts; never returns.

    An engine that is not there is waited for. EngineRefusedError if it does not know the history.
    """
    greeted_epoch = 0
    async with grpc.aio.insecure_channel(address) as channel:
        service = EventServiceStub(channel)
        while True:
            if greeted_epoch == 0 or durable_mark(data_dir).epoch > greeted_epoch:
                greeted_epoch = await _greet(service, published()) or greeted_epoch
            await asyncio.sleep(GREET_INTERVAL_S)


async def _greet(service: EventServiceAsyncStub, anchor: Anchor) -> int | None:
    """Return the epoch of the engine that answered, or None if none did."""
    state = PeerState(name=PEER_NAME, event_seq=anchor.event_seq, chain=anchor.chain)
    try:
        answer = await service.Greet(state, timeout=GREET_TIMEOUT_S)
    except grpc.aio.AioRpcError as error:
        if error.code() is grpc.StatusCode.FAILED_PRECONDITION:
            raise EngineRefusedError(
                f"the engine does not recognise event {anchor.event_seq} with chain "
                f"{anchor.chain.hex()}: {error.details()}"
            ) from error
        log.info("engine did not answer", code=error.code().name)
        return None
    log.info("engine greeted", epoch=answer.epoch, event_seq=answer.event_seq)
    epoch: int = answer.epoch
    return epoch
