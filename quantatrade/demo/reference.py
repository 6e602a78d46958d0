"""Where prices go: through recorded bars, or around a recorded middle.

Whole ticks and seeded randomness only. Invariants: a recorded path is a pure function of the time,
so it goes on where it was after a restart; a walk never leaves its bounds.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

MINUTE_MS: Final = 60_000
NOISE_SLOT_MS: Final = 2_000
NOISE_PER: Final = 20_000  # of the price: half a basis point to either side
MICRO: Final = 1_000_000
WALK_STEP_MS: Final = 1_000
WALK_STEPS_MAX: Final = 600  # at once: after a longer pause the walk goes on, it does not catch up
WALK_STEP_PER: Final = 4_000  # of the middle: a step is up to 2.5 basis points to either side
WALK_PULL: Final = 400  # steps in which the distance from the middle would go
WALK_BOUND_PER: Final = 25  # of the middle: 4 % to either side


class Reference(Protocol):
    """A price at a moment, in ticks."""

    def price_ticks(self, now_ms: int) -> int:
        """Return the price at a time that does not go back."""


class TickBar(NamedTuple):
    """One recorded minute in ticks."""

    open: int
    high: int
    low: int
    close: int


class RecordedPath:
    """The bars from `start` on, one a minute from `anchor_ms`, to the last, back, and so on."""

    def __init__(self, bars: Sequence[TickBar], *, start: int, anchor_ms: int, seed: str) -> None:
        if not 0 <= start < len(bars):
            raise ValueError(f"start was {start}, expected 0 to {len(bars) - 1}")
        self._bars = bars
        self._start = start
        self._anchor_ms = anchor_ms
        self._seed = seed

    def price_ticks(self, now_ms: int) -> int:
        """Return the interpolated price with a little noise."""
        minute, into_ms = divmod(max(0, now_ms - self._anchor_ms), MINUTE_MS)
        price = _within(self._bar(minute), into_ms)
        most = price // NOISE_PER
        slot = now_ms // NOISE_SLOT_MS
        dice = random.Random(f"{self._seed}/{slot}")  # noqa: S311 - repeatable on purpose
        return max(1, price + dice.randint(-most, most))

    def _bar(self, minute: int) -> TickBar:
        """The bar of a minute; on the way back opening and close change places."""
        count = len(self._bars)
        place = (self._start + minute) % (2 * count)
        if place < count:
            return self._bars[place]
        bar = self._bars[2 * count - 1 - place]
        return TickBar(bar.close, bar.high, bar.low, bar.open)


def _within(bar: TickBar, into_ms: int) -> int:
    """The way through a bar: from its opening over the nearer, then the farther extreme."""
    rises = bar.close >= bar.open
    knots = (bar.open, *((bar.low, bar.high) if rises else (bar.high, bar.low)), bar.close)
    third_ms = MINUTE_MS // 3
    leg = min(into_ms // third_ms, 2)
    begin, end = knots[leg], knots[leg + 1]
    return begin + (end - begin) * (into_ms - leg * third_ms) // third_ms


class MeanRevertingWalk:
    """A seeded walk that is drawn back to `middle_ticks`; `start_ticks` is where it goes on."""

    def __init__(self, middle_ticks: int, *, seed: str, start_ticks: int | None = None) -> None:
        if middle_ticks < 1:
            raise ValueError(f"middle was {middle_ticks} ticks, expected at least 1")
        self._middle = middle_ticks * MICRO
        self._dice = random.Random(seed)  # noqa: S311 - repeatable on purpose
        self._now_ms: int | None = None
        self._place = self._bounded((start_ticks or middle_ticks) * MICRO)

    def price_ticks(self, now_ms: int) -> int:
        """Take the steps since the last call, one a second."""
        before_ms = now_ms if self._now_ms is None else self._now_ms
        steps = max(0, now_ms - before_ms) // WALK_STEP_MS
        for _ in range(min(steps, WALK_STEPS_MAX)):
            most = self._middle // WALK_STEP_PER
            pull = (self._middle - self._place) // WALK_PULL
            self._place = self._bounded(self._place + pull + self._dice.randint(-most, most))
        self._now_ms = before_ms + steps * WALK_STEP_MS
        return max(1, (self._place + MICRO // 2) // MICRO)

    def _bounded(self, place: int) -> int:
        most = self._middle // WALK_BOUND_PER
        return max(self._middle - most, min(self._middle + most, place))
