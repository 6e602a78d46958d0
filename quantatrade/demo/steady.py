"""Steps that are taken for ever, through outages of the exchange.

Invariants: an outage costs one warning, not one for each attempt, and attempts become rarer up to a
limit; an error that is no outage is a defect and ends the process, which is then started again.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Final

import httpx
import structlog
from prometheus_client import Counter
from websockets.exceptions import InvalidHandshake, WebSocketException

from engine.client import EngineRefused, EngineUnavailable, OutcomeUnknown

BACKOFF_FIRST_S: Final = 1.0
BACKOFF_MAX_S: Final = 15.0
STEADY_S: Final = 30.0  # a step that went on for so long was no failed attempt, whatever ended it
SILENCE_MAX_S: Final = 90.0

ORDERS: Final = Counter(
    "qt_demo_orders_total", "Orders and moves that were answered.", ["way", "outcome"]
)
FILLS: Final = Counter("qt_demo_fills_total", "Fills that the socket told a trader.")
DEPOSITS: Final = Counter("qt_demo_deposits_total", "Deposits asked of the simulated custodian.")
_LOG: Final = structlog.get_logger("quantatrade.demo")


class NotNowError(Exception):
    """The exchange cannot do this now: try again later. `wait_s` is its own word for later."""

    def __init__(self, message: str, wait_s: float = 0.0) -> None:
        super().__init__(message)
        self.wait_s = wait_s


OUTAGES: Final = (
    NotNowError, httpx.HTTPError, WebSocketException, InvalidHandshake, EngineUnavailable,
    OutcomeUnknown, EngineRefused, OSError, TimeoutError,
)  # fmt: skip


class Progress:
    """When the exchange last answered an order: what readiness goes by."""

    def __init__(self) -> None:
        self._at_s = time.monotonic()

    def note(self) -> None:
        """An order was answered."""
        self._at_s = time.monotonic()

    def sickness(self) -> str | None:
        """Return None, or how long nothing was answered."""
        silence_s = time.monotonic() - self._at_s
        if silence_s <= SILENCE_MAX_S:
            return None
        return f"no order was answered for {silence_s:.0f} s"


async def steadily(
    name: str, step: Callable[[], Awaitable[None]], pause: Callable[[], float]
) -> None:
    """Take steps until canceled, `pause()` seconds apart, and ever rarer while they fail."""
    failures = 0
    while True:
        began_s = time.monotonic()
        try:
            await step()
        except OUTAGES as error:
            lasted_s = time.monotonic() - began_s
            failures = 1 if lasted_s > STEADY_S else failures + 1
            if failures == 1:
                _LOG.warning("waiting_for_the_exchange", part=name, error=_words(error))
            await asyncio.sleep(_backoff_s(failures, error))
            continue
        if failures:
            _LOG.info("going_on", part=name, attempts=failures)
            failures = 0
        await asyncio.sleep(pause())


async def until_done(name: str, step: Callable[[], Awaitable[None]]) -> None:
    """Take a step until it succeeds once."""
    done = asyncio.Event()

    async def once() -> None:
        await step()
        done.set()

    task = asyncio.create_task(steadily(name, once, lambda: BACKOFF_MAX_S))
    waiting = asyncio.create_task(done.wait())
    try:
        await asyncio.wait((task, waiting), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
    finally:
        task.cancel()
        waiting.cancel()
        await asyncio.gather(task, waiting, return_exceptions=True)


def _backoff_s(failures: int, error: Exception) -> float:
    stated_s = error.wait_s if isinstance(error, NotNowError) else 0.0
    grown_s = min(BACKOFF_FIRST_S * (1 << min(failures - 1, 10)), BACKOFF_MAX_S)
    return max(stated_s, grown_s * random.uniform(0.75, 1.25))  # noqa: S311 - not a secret


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:300]
