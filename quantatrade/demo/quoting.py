"""What the market maker wants in a book, and the fewest commands from what is there to that.

Prices stand on a lattice that does not move with the market, so a small move changes two orders and
not all of them. Pure: no clock, no network. Invariants: every quote is on the grid, within the
bounds and above the least notional; bids are below the price and asks above it; while the inventory
is out of bounds the side that would make it worse is empty.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from engine.proto.records import Side
from quantatrade.demo.grid import Grid

LEVELS: Final = 14
LEVEL_NOTIONALS: Final = 60  # of the first level, in least notionals; the others are multiples
SIZE_PERCENT: Final = (70, 130)
SPACING_PER: Final = 6_000  # of the price: about one and a half basis points between levels
SKEW_LEVELS_MAX: Final = 2
PERMILLE: Final = 1_000
REFILL_BELOW: Final = 3  # an order with less than a third of its size left is placed anew
NOTIONAL_DEFAULT: Final = Decimal(10)  # of a market without a least notional


@dataclass(frozen=True, slots=True)
class Quote:
    """An order that should rest in the book."""

    side: Side
    ticks: int
    lots: int


@dataclass(frozen=True, slots=True)
class Resting:
    """An order that does."""

    order_id: int
    side: Side
    ticks: int
    leaves_lots: int


@dataclass(frozen=True, slots=True)
class Cancel:
    """Take an order away."""

    order_id: int


@dataclass(frozen=True, slots=True)
class Move:
    """Give an order another price."""

    order_id: int
    side: Side
    ticks: int


Change = Cancel | Move | Quote


def side_notional(grid: Grid) -> Decimal:
    """Return what one side of the ladder is worth, about: the measure of funds."""
    unit = grid.min_notional or NOTIONAL_DEFAULT
    return unit * LEVEL_NOTIONALS * sum(_multiple(level) for level in range(LEVELS))


def _multiple(level: int) -> int:
    return 1 + level // 2


def spacing_ticks(grid: Grid, ticks: int) -> int:
    """Return the distance between levels: 1, 2 or 5 x 10^n tick steps, so it rarely changes."""
    most = max(1, ticks // SPACING_PER // grid.tick_step)
    unit = int("1".ljust(len(str(most)), "0"))
    steps = next(each * unit for each in (5, 2, 1) if each * unit <= most)
    return steps * grid.tick_step


def imbalance_permille(held: Decimal, target: Decimal) -> int:
    """Return how far the inventory is from its target, -1000 (none) to 1000 (twice and more)."""
    if target <= 0:
        return 0
    return max(-PERMILLE, min(PERMILLE, int((held - target) * PERMILLE / target)))


def ladder(grid: Grid, reference_ticks: int, *, imbalance: int, seed: str) -> list[Quote]:
    """Return both sides, best first, around a reference that the inventory pushes away."""
    spacing = spacing_ticks(grid, reference_ticks)
    middle = reference_ticks - spacing * SKEW_LEVELS_MAX * imbalance // PERMILLE
    quotes: list[Quote] = []
    if imbalance < PERMILLE:
        quotes += _side(grid, Side.BID, middle, spacing, seed)
    if imbalance > -PERMILLE:
        quotes += _side(grid, Side.ASK, middle, spacing, seed)
    return quotes


def _side(grid: Grid, side: Side, middle: int, spacing: int, seed: str) -> list[Quote]:
    away = -1 if side is Side.BID else 1
    half = max(1, spacing // 2)
    jitters = max(1, spacing * 4 // 5 // grid.tick_step)
    # The first point of the lattice whose price is half a spacing away, whatever its jitter.
    if side is Side.BID:
        first = (middle - half - (jitters - 1) * grid.tick_step) // spacing
    else:
        first = -(-(middle + half) // spacing)
    quotes = []
    for level in range(LEVELS):
        point = first + away * level
        dice = random.Random(f"{seed}/{side}/{point}")  # noqa: S311 - the same for the same point
        jitter = dice.randrange(jitters) * grid.tick_step
        ticks = point * spacing + jitter
        unit = grid.min_notional or NOTIONAL_DEFAULT
        percent = dice.randint(*SIZE_PERCENT)
        worth = unit * LEVEL_NOTIONALS * _multiple(level) * percent / 100
        lots = grid.lots_worth(worth, ticks)
        if lots and grid.is_price(ticks):
            quotes.append(Quote(side, ticks, lots))
    return quotes


def changes(grid: Grid, wanted: Iterable[Quote], resting: Sequence[Resting]) -> list[Change]:
    """Return the commands from the resting orders to the wanted ones, in the order to send them.

    First what leaves the middle, then what comes nearer: so the maker does not meet itself.
    """
    cancels: list[Change] = []
    moves: list[Move] = []
    places: list[Change] = []
    quotes = list(wanted)
    for side in (Side.BID, Side.ASK):
        at_price = {quote.ticks: quote for quote in quotes if quote.side is side}
        free: list[Resting] = []
        for order in (each for each in resting if each.side is side):
            quote = at_price.get(order.ticks)
            if quote is None:
                free.append(order)
            elif order.leaves_lots * REFILL_BELOW < quote.lots:
                cancels.append(Cancel(order.order_id))
                places.append(at_price.pop(order.ticks))
            else:
                del at_price[order.ticks]
        for quote in at_price.values():
            if free and _may_move(grid, free[-1], quote):
                moves.append(Move(free.pop().order_id, side, quote.ticks))
            else:
                places.append(quote)
        cancels += [Cancel(order.order_id) for order in free]
    before = {order.order_id: order.ticks for order in resting}

    def comes_nearer(move: Move) -> bool:
        rises = move.ticks > before[move.order_id]
        return rises is (move.side is Side.BID)

    return [*cancels, *sorted(moves, key=comes_nearer), *places]


def _may_move(grid: Grid, order: Resting, quote: Quote) -> bool:
    is_large = order.leaves_lots * REFILL_BELOW >= quote.lots
    return is_large and grid.notional(quote.ticks, order.leaves_lots) >= grid.min_notional
