"""Tells the engine how far the stream has come, once for each start of the engine.

A restarted engine answers nobody until it has heard from those that may know more than its journal
does; if it is behind, it stops. Invariant: only what was read from the stream or confirmed by it is
told, never the relay's own note, so that a damaged note cannot stop an engine.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import grpc
import structlog

from engine.proto.engine_pb2 import PeerState
from engine.proto.engine_pb2_grpc import EventServiceStub
from engine.relay.errors import EngineRefusedError
from engine.relay.feed import durable_mark
from engine.relay.progress import Anchor

if TYPE_CHECKING:
    from engine.proto.engine_pb2_grpc import EventServiceAsyncStub

PEER_NAME: Final = "relay"
GREET_TIMEOUT_S: Final = 5.0
GREET_INTERVAL_S: Final = 0.25
log = structlog.get_logger(__name__)


class Claim(NamedTuple):
    """The end of the stream, and whether this journal was shown to have it too."""

    anchor: Anchor
    is_proved: bool = False


async def keep_greeting(
    address: str, data_dir: Path, claim_now: Callable[[], Claim | None]
) -> None:
    """Greet the engine now and after each of its restarts; never returns.

    An engine that is not there, and a stream that was not reached yet, are waited for.
    EngineRefusedError if the engine does not know what its own journal holds.
    """
    greeted_epoch = 0
    async with grpc.aio.insecure_channel(address) as channel:
        service: EventServiceAsyncStub = EventServiceStub(channel)
        while True:
            claim = claim_now()
            is_due = greeted_epoch == 0 or durable_mark(data_dir).epoch > greeted_epoch
            if claim is not None and is_due:
                greeted_epoch = await _greet(service, claim) or greeted_epoch
            await asyncio.sleep(GREET_INTERVAL_S)


async def _greet(service: EventServiceAsyncStub, claim: Claim) -> int | None:
    """Return the epoch of the engine that answered, or None if none did."""
    event_seq, chain = claim.anchor
    state = PeerState(name=PEER_NAME, event_seq=event_seq, chain=chain)
    try:
        answer = await service.Greet(state, timeout=GREET_TIMEOUT_S)
    except grpc.aio.AioRpcError as error:
        log.warning("engine did not agree", code=error.code().name, detail=error.details())
        if claim.is_proved and error.code() is grpc.StatusCode.FAILED_PRECONDITION:
            raise EngineRefusedError(
                f"the engine does not recognise event {event_seq} with chain {chain.hex()}: "
                f"{error.details()}"
            ) from error
        return None
    log.info("engine greeted", epoch=answer.epoch, event_seq=event_seq)
    epoch: int = answer.epoch
    return epoch
