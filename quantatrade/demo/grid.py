"""A market's grid and bounds, as the public API states them, and amounts that fit it.

Prices are whole ticks and quantities whole lots; only amounts of money are Decimal, and exact.
Invariant: a quantity from here is a multiple of the lot step, within the market's bounds, and worth
at least its least notional; where that cannot be it is 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from apps.core.amounts import EXACT, plain


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """`tick_step` and `lot_step` are the steps in which the demo quotes. A bound of 0: none."""

    symbol: str
    base: str
    quote: str
    tick: Decimal
    lot: Decimal
    tick_step: int = 1
    lot_step: int = 1
    min_price_ticks: int = 0
    max_price_ticks: int = 0
    min_lots: int = 0
    max_lots: int = 0
    min_notional: Decimal = Decimal(0)

    def notional(self, ticks: int, lots: int) -> Decimal:
        """Return price x quantity in quote."""
        return EXACT.multiply(EXACT.multiply(self.tick, self.lot), Decimal(ticks * lots))

    def lots_worth(self, notional: Decimal, ticks: int) -> int:
        """Return the most lots that are worth at most `notional` and fit; 0 if none do."""
        if ticks < 1:
            return 0
        lots = int(notional / self.notional(ticks, 1))
        if self.max_lots:
            lots = min(lots, self.max_lots)
        lots -= lots % self.lot_step
        fits = lots >= max(self.min_lots, 1) and self.notional(ticks, lots) >= self.min_notional
        return lots if fits else 0

    def lots_of(self, quantity: Decimal) -> int:
        """Return a quantity of base in lots, rounded down to the lot step."""
        lots = int(quantity / self.lot)
        return lots - lots % self.lot_step

    def ticks_of(self, price: Decimal) -> int:
        """Return a price in ticks, rounded down to the tick step."""
        ticks = int(price / self.tick)
        return ticks - ticks % self.tick_step

    def is_price(self, ticks: int) -> bool:
        """Whether a price is on the steps and within the bounds."""
        below = self.max_price_ticks and ticks > self.max_price_ticks
        return ticks >= max(1, self.min_price_ticks) and not below and not ticks % self.tick_step

    def price_text(self, ticks: int) -> str:
        """Return a price as the API takes it."""
        return plain(EXACT.multiply(self.tick, Decimal(ticks)))

    def quantity_text(self, lots: int) -> str:
        """Return a quantity as the API takes it."""
        return plain(EXACT.multiply(self.lot, Decimal(lots)))


def grid_of(market: Mapping[str, Any], *, tick_step: int = 1, lot_step: int = 1) -> Grid:
    """Return the grid of a market as `GET markets` states it."""
    tick, lot = Decimal(market["tick"]), Decimal(market["lot"])

    def units(name: str, unit: Decimal) -> int:
        bound = market[name]
        return 0 if bound is None else int(Decimal(bound) / unit)

    return Grid(
        symbol=market["symbol"],
        base=market["base_asset"],
        quote=market["quote_asset"],
        tick=tick,
        lot=lot,
        tick_step=tick_step,
        lot_step=lot_step,
        min_price_ticks=units("min_price", tick),
        max_price_ticks=units("max_price", tick),
        min_lots=units("min_quantity", lot),
        max_lots=units("max_quantity", lot),
        min_notional=Decimal(market["min_notional"] or 0),
    )
