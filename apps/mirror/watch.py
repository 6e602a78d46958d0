"""Watching the engine from beside the stream: how far it is, and whether it is the right one.

The mirror presents its sequence and chain hash whenever the engine may be another process than
before, and now and then besides: an engine that has lost events learns it from us, and we learn
that its journal is not the one in our books. Invariant: `behind_s` is 0 if and only if every event
that the engine was last heard of is in the books.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final

import structlog

from apps.mirror.books import Books
from apps.mirror.errors import WrongEngineError
from engine.client import EngineClient, EngineError, PeerRefused

WATCH_S: Final = 1.0
GREET_S: Final = 60.0
ENGINE_TIMEOUT_S: Final = 2.0
log = structlog.get_logger(__name__)


class EngineWatch:
    """What is known of the engine. `refusal` is set if it says that our history is not its own."""

    def __init__(self, address: str, books: Books) -> None:
        self._address = address
        self._books = books
        self._epoch = 0
        self._time_us = 0
        self._greeted_at: float | None = None
        self._behind_since: float | None = None
        self.is_reachable = False
        self.refusal: WrongEngineError | None = None

    async def run(self) -> None:
        """Ask again and again; never returns."""
        async with self.client() as engine:
            while True:
                await self._look(engine)
                self.measure()
                await asyncio.sleep(WATCH_S)

    def client(self) -> EngineClient:
        """Return a connection to the engine."""
        return EngineClient(self._address, timeout_s=ENGINE_TIMEOUT_S)

    async def greet(self, engine: EngineClient) -> None:
        """Present our place. WrongEngineError if the engine refuses it; it may also be down."""
        position = self._books.position
        try:
            answer = await engine.greet(
                name=self._books.name, event_seq=position.last_event_seq, chain=position.chain
            )
        except PeerRefused as error:
            self.refusal = WrongEngineError(str(error))
            raise self.refusal from error
        self._greeted_at = time.monotonic()
        self._epoch = answer.epoch
        self._heard(answer.event_seq)

    async def greet_if_up(self, engine: EngineClient) -> None:
        """As `greet`, but an engine that is down is left for later."""
        try:
            await self.greet(engine)
        except EngineError as error:
            self._lost(error)

    def measure(self) -> None:
        """Note whether the books are behind now."""
        if self._books.engine_event_seq <= self._books.position.last_event_seq:
            self._behind_since = None
        elif self._behind_since is None:
            self._behind_since = time.monotonic()

    def behind_s(self, booked_us: int) -> float:
        """Return how long the books have been behind, and never more than what is missing spans.

        `booked_us` is the stamp of the newest booked event, 0 if there is none.
        """
        if self._behind_since is None:
            return 0.0
        waited = time.monotonic() - self._behind_since
        if not booked_us or not self._time_us:
            return waited
        return min(waited, max(0.0, (self._time_us - booked_us) / 1_000_000))

    async def _look(self, engine: EngineClient) -> None:
        try:
            if self._must_greet():
                await self.greet(engine)
            status = await engine.get_status()
        except EngineError as error:
            self._lost(error)
            return
        except WrongEngineError:
            return  # `refusal` says it to the session
        if status.epoch != self._epoch:
            self._greeted_at = None
        self._time_us = status.time_us
        self._heard(status.event_seq)

    def _must_greet(self) -> bool:
        if not self._books.was_opened:
            return False
        return self._greeted_at is None or time.monotonic() - self._greeted_at > GREET_S

    def _heard(self, event_seq: int) -> None:
        self.is_reachable = True
        self._books.engine_event_seq = event_seq

    def _lost(self, error: EngineError) -> None:
        if self.is_reachable:
            log.warning("engine_lost", detail=str(error))
        self.is_reachable = False
        self._greeted_at = None
