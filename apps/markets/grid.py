"""Prices and quantities between decimal text and a market's whole ticks and lots.

It exists so that what a trader writes is what the engine gets. Invariant: the step is exact in both
directions and never rounds; what is no whole number of ticks or lots is an error that names the
field, what it was and what was expected.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

from apps.core.amounts import EXACT, atoms_text, plain
from apps.markets.types import MarketTerms
from engine.proto.records import INT64_MAX

DECIMAL_CHARS_MAX: Final = 40
_PLAIN: Final = re.compile(r"[0-9]+(\.[0-9]+)?", re.ASCII)
_SHOWN_CHARS_MAX: Final = 60


class GridError(ValueError):
    """A number that cannot be a price or quantity of the market."""

    def __init__(self, field: str, was: object, expected: str) -> None:
        shown = str(was)[:_SHOWN_CHARS_MAX]
        super().__init__(f"{field} was {shown!r}, expected {expected}")
        self.field = field
        self.was = shown
        self.expected = expected


def decimal_of(text: str, field: str) -> Decimal:
    """Return a positive decimal from plain digits: no sign, exponent, space, NaN or infinity."""
    if not isinstance(text, str) or not _PLAIN.fullmatch(text) or len(text) > DECIMAL_CHARS_MAX:
        raise GridError(
            field,
            text,
            f"a positive decimal of at most {DECIMAL_CHARS_MAX} characters, such as '0.25'",
        )
    value = Decimal(text)
    if not value:
        raise GridError(field, text, "a decimal above 0")
    return value


def ticks_of(text: str, market: MarketTerms, field: str = "price") -> int:
    """Return a price, quote per whole unit of base, in ticks. GridError if it is not whole."""
    step = f"a multiple of the tick {tick_text(market)}"
    return _units(text, market.quote.decimals, market.tick_atoms, field, step)


def lots_of(text: str, market: MarketTerms, field: str = "quantity") -> int:
    """Return a quantity of base in lots. GridError if it is not whole."""
    step = f"a multiple of the lot {lot_text(market)}"
    return _units(text, market.base.decimals, market.lot_atoms, field, step)


def _units(text: str, decimals: int, unit_atoms: int, field: str, step: str) -> int:
    value = decimal_of(text, field)
    exponent = value.normalize(EXACT).as_tuple().exponent
    assert isinstance(exponent, int), "plain digits have an exponent"
    if -exponent > decimals:
        raise GridError(field, text, f"at most {decimals} decimals")
    units, rest = divmod(int(value.scaleb(decimals, EXACT)), unit_atoms)
    if rest:
        raise GridError(field, text, step)
    if units > INT64_MAX:
        raise GridError(field, text, f"at most {atoms_text(INT64_MAX * unit_atoms, decimals)}")
    return units


def price_text(ticks: int, market: MarketTerms) -> str:
    """Return a price in quote per whole unit of base."""
    return atoms_text(ticks * market.tick_atoms, market.quote.decimals)


def quantity_text(lots: int, market: MarketTerms) -> str:
    """Return a quantity in units of base."""
    return atoms_text(lots * market.lot_atoms, market.base.decimals)


def quote_text(ticks: int, lots: int, market: MarketTerms) -> str:
    """Return price x quantity in units of quote."""
    return atoms_text(ticks * lots * market.tick_lot_atoms, market.quote.decimals)


def tick_text(market: MarketTerms) -> str:
    """Return the smallest step of a price."""
    return price_text(1, market)


def lot_text(market: MarketTerms) -> str:
    """Return the smallest step of a quantity."""
    return quantity_text(1, market)


def fee_text(rate: int, market: MarketTerms) -> str:
    """Return a fee rate as a fraction of what it is taken from, or as quote per lot."""
    if market.fee_per_lot:
        return atoms_text(rate, market.quote.decimals)
    return plain(Decimal(rate).scaleb(-6, EXACT))
