"""The recorded data from which the demo's markets and prices come.

Invariant: which bars are imported as the past and where the live path begins is decided here alone,
so the chart has no step between them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Final

from apps.markets.recorded import depth_snapshots
from apps.trading.bars import Bar, bars_read
from quantatrade.demo.reference import TickBar

DATA: Final = Path(__file__).parent / "data"
BAR_FILES: Final[Mapping[str, Path]] = {
    "BTCUSDT": DATA / "btcusdt_1m.csv.gz",
    "ETHUSDT": DATA / "ethusdt_1m.csv.gz",
}
HISTORY_BARS: Final = 2_100
HISTORY_SOURCE: Final = "recorded bars of April 2026, times moved"


def recorded_bars(symbol: str) -> list[Bar]:
    """Return all bars of a symbol. KeyError if there are none."""
    return bars_read(BAR_FILES[symbol])


def tick_bars(bars: Sequence[Bar], tick: Decimal) -> list[TickBar]:
    """Return bars in whole ticks, rounded down."""
    return [
        TickBar(*(int(price / tick) for price in (bar.open, bar.high, bar.low, bar.close)))
        for bar in bars
    ]


def recorded_middles() -> dict[str, Decimal]:
    """Return the middle of each captured book."""
    return {
        snapshot.symbol: (max(snapshot.bids) + min(snapshot.asks)) / 2
        for snapshot in depth_snapshots()
    }
