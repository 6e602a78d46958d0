"""Tells the engine how far the stream has come, once for each start of the engine.

A restarted engine answers nobody until it has heard from those that may know more than its journal
does; if it is behind, it stops. Invariant: only what was read from the stream or confirmed by it is
told, never the relay's own note, so that a damaged note cannot stop an engine.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

import structlog

from engine.client import EngineClient, EngineError, PeerRefused
from engine.relay.errors import EngineRefusedError
from engine.relay.feed import durable_mark
from engine.relay.progress import Anchor

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
    async with EngineClient(address, timeout_s=GREET_TIMEOUT_S) as engine:
        while True:
            claim = claim_now()
            is_due = greeted_epoch == 0 or durable_mark(data_dir).epoch > greeted_epoch
            if claim is not None and is_due:
                greeted_epoch = await _greet(engine, claim) or greeted_epoch
            await asyncio.sleep(GREET_INTERVAL_S)


async def _greet(engine: EngineClient, claim: Claim) -> int | None:
    """Return the epoch of the engine that answered, or None if none agreed."""
    event_seq, chain = claim.anchor
    try:
        answer = await engine.greet(name=PEER_NAME, event_seq=event_seq, chain=chain)
    except EngineError as error:
        log.warning("greeting_failed", error=type(error).__name__, detail=str(error))
        if claim.is_proved and isinstance(error, PeerRefused):
            raise EngineRefusedError(
                f"the engine does not recognise event {event_seq} with chain {chain.hex()}: {error}"
            ) from error
        return None
    log.info("engine_greeted", epoch=answer.epoch, event_seq=event_seq)
    return answer.epoch
