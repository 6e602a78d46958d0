"""Turns a venue's published symbol rules into the integers with which a market is listed here.

It exists so that tick, lot and filters of our markets are those of a real venue. Invariant: every
number is exact; a rule that is no whole number of atoms, or a tick times lot that is no whole
number of quote atoms, is an error and never rounded away.

The grid. A venue may coarsen a symbol's tick or lot while older, finer orders stay in its book. To
hold such a book unchanged the market is listed on the finest grid that its recorded levels need, a
divisor of the published tick and lot; every other filter is the published one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from apps.markets.recorded import RECORDING_DIRECTORY, depth_snapshots, exchange_symbols

ASSET_DECIMALS: Final = 8
ASSET_MAX_TOTAL_ATOMS: Final = 9 * 10**18  # 90 billion units of eight decimals
FEE_PPM: Final = 1_000  # 0.1 %: exchangeInfo does not carry rates; this was the venue's base rate


class ListingError(ValueError):
    """A symbol's rules cannot be expressed exactly."""


@dataclass(frozen=True, slots=True)
class AssetListing:
    """What the engine needs to know of an asset."""

    code: str
    decimals: int = ASSET_DECIMALS
    max_total_atoms: int = ASSET_MAX_TOTAL_ATOMS


@dataclass(frozen=True, slots=True)
class MarketListing:
    """What the engine needs to know of a market. Bounds of 0 mean none.

    `tick_atoms` are quote atoms per whole unit of base, `lot_atoms` base atoms;
    `published_tick_atoms` and `published_lot_atoms` are the venue's own grid, of which the market's
    are divisors.
    """

    symbol: str
    base_code: str
    quote_code: str
    tick_atoms: int
    lot_atoms: int
    published_tick_atoms: int
    published_lot_atoms: int
    min_price_ticks: int
    max_price_ticks: int
    min_quantity_lots: int
    max_quantity_lots: int
    min_notional_atoms: int
    maker_fee_ppm: int = FEE_PPM
    taker_fee_ppm: int = FEE_PPM

    @property
    def tick_lot_atoms(self) -> int:
        """Quote atoms of one tick times one lot."""
        return self.tick_atoms * self.lot_atoms // 10**ASSET_DECIMALS

    @property
    def has_filters(self) -> bool:
        """Whether any bound is set."""
        bounds = (self.min_price_ticks, self.max_price_ticks, self.min_quantity_lots)
        return any((*bounds, self.max_quantity_lots, self.min_notional_atoms))

    @property
    def is_refined(self) -> bool:
        """Whether the grid is finer than the venue's published one."""
        return (self.tick_atoms, self.lot_atoms) != (
            self.published_tick_atoms,
            self.published_lot_atoms,
        )

    def price_ticks(self, price: Decimal) -> int:
        """Return a price in ticks. ListingError if it is off the grid."""
        return _whole(atoms(price), self.tick_atoms, f"{self.symbol} price {price}")

    def quantity(self, lots: int) -> Decimal:
        """Return lots as a decimal quantity of the base asset."""
        return Decimal(lots * self.lot_atoms).scaleb(-ASSET_DECIMALS)

    def quantity_lots(self, quantity: Decimal) -> int:
        """Return a quantity in lots. ListingError if it is off the grid."""
        return _whole(atoms(quantity), self.lot_atoms, f"{self.symbol} quantity {quantity}")


def atoms(amount: Decimal) -> int:
    """Return a decimal amount in atoms of an eight-decimal asset. ListingError if not whole."""
    scaled = amount.scaleb(ASSET_DECIMALS)
    if scaled != scaled.to_integral_value():
        raise ListingError(f"{amount:f} has more than {ASSET_DECIMALS} decimals")
    return int(scaled)


def listing_from_symbol(
    symbol: Mapping[str, Any], levels: Iterable[tuple[Decimal, Decimal]] = ()
) -> MarketListing:
    """Return the listing for one `exchangeInfo` symbol whose grid also holds `levels`.

    `levels` are (price, quantity) of a book that must be representable. Errors: ListingError.
    """
    name = symbol["symbol"]
    rules = {rule["filterType"]: rule for rule in symbol["filters"]}
    price, lot = _rule(rules, name, "PRICE_FILTER"), _rule(rules, name, "LOT_SIZE")
    notional = rules.get("NOTIONAL") or _rule(rules, name, "MIN_NOTIONAL")
    published_tick = atoms(Decimal(price["tickSize"]))
    published_lot = atoms(Decimal(lot["stepSize"]))
    tick, step = published_tick, published_lot
    for level_price, level_quantity in levels:
        tick = math.gcd(tick, atoms(level_price))
        step = math.gcd(step, atoms(level_quantity))
    if tick < 1 or step < 1 or tick * step % 10**ASSET_DECIMALS:
        raise ListingError(
            f"{name} tick {tick} x lot {step} atoms is not a whole number of quote atoms"
        )
    return MarketListing(
        symbol=name,
        base_code=symbol["baseAsset"],
        quote_code=symbol["quoteAsset"],
        tick_atoms=tick,
        lot_atoms=step,
        published_tick_atoms=published_tick,
        published_lot_atoms=published_lot,
        min_price_ticks=_whole(atoms(Decimal(price["minPrice"])), tick, f"{name} minPrice"),
        max_price_ticks=_whole(atoms(Decimal(price["maxPrice"])), tick, f"{name} maxPrice"),
        min_quantity_lots=_whole(atoms(Decimal(lot["minQty"])), step, f"{name} minQty"),
        max_quantity_lots=_whole(atoms(Decimal(lot["maxQty"])), step, f"{name} maxQty"),
        min_notional_atoms=atoms(Decimal(notional["minNotional"])),
    )


def recorded_market_listings(directory: Path = RECORDING_DIRECTORY) -> dict[str, MarketListing]:
    """Return the listings of all recorded symbols, by symbol, in recorded order."""
    books = {
        snapshot.symbol: [*snapshot.bids.items(), *snapshot.asks.items()]
        for snapshot in depth_snapshots(directory)
    }
    return {
        name: listing_from_symbol(symbol, books.get(name, ()))
        for name, symbol in exchange_symbols(directory).items()
    }


def asset_listings(markets: Iterable[MarketListing]) -> list[AssetListing]:
    """Return the assets that these markets need, each once, by code."""
    codes = {code for market in markets for code in (market.base_code, market.quote_code)}
    return [AssetListing(code) for code in sorted(codes)]


def _rule(rules: Mapping[str, Mapping[str, Any]], name: str, kind: str) -> Mapping[str, Any]:
    if kind not in rules:
        raise ListingError(f"{name} has no {kind}, it has {', '.join(sorted(rules))}")
    return rules[kind]


def _whole(amount: int, unit: int, what: str) -> int:
    count, rest = divmod(amount, unit)
    if rest:
        raise ListingError(f"{what} is {amount} atoms, which is no multiple of {unit}")
    return count
