"""Looking ahead: what an order of the reference kernel would trade if it met the book now.

Invariant: it changes nothing, and what it foresees is what `matching.match` then does.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from engine.kernel.codes import DECREMENT, EXPIRE_MAKER
from engine.kernel.reference.bands import limits_of
from engine.kernel.reference.fees import TAKER
from engine.kernel.reference.icebergs import in_turn
from engine.kernel.reference.model import NO_BANDS, Order
from engine.proto.records import INT64_MAX, PPM


class Sweep(NamedTuple):
    """Lots that trade, what they cost in quote atoms at the makers' prices, and the lots that the
    taker must have for it: those, what prevention takes off, and where it would stop the taker,
    what the taker would still have traded there."""

    lots: int
    notional: int
    quantity: int


def survey(taker: Order, limit_price: int) -> Sweep:
    """Look as far as the taker's leaves, or its quote amount, reach within a limit (0 = any price).

    Own orders that self-trade prevention would remove count for nothing (rule 10).
    """
    if taker.market.bands is not NO_BANDS:
        limit_price = limits_of(taker, limit_price).price
    amount = _Amount(taker) if taker.quote_atoms else None
    wanted = INT64_MAX if amount else taker.leaves
    lots = notional = quantity = 0
    for maker, offered in _meetings(taker, limit_price):
        step = min(wanted, offered)
        if amount:
            step = min(step, amount.lots_at(maker.price))
        if not step:
            break
        is_own = taker.stp and taker.user.is_one_with(maker.user)
        if is_own and taker.stp == EXPIRE_MAKER:
            continue
        quantity += step
        wanted -= step
        if is_own and taker.stp != DECREMENT:
            break
        if amount:
            amount.use(step, maker.price)
        if not is_own:
            lots += step
            notional += step * maker.price * taker.market.tick_lot_atoms
    return Sweep(lots, notional, quantity)


def _meetings(taker: Order, limit_price: int) -> Iterator[tuple[Order, int]]:
    """Yield (maker, lots) in the order in which the taker would meet them."""
    side = taker.opposite
    for price in side.prices_best_first():
        if limit_price and (price < limit_price if side.is_bid else price > limit_price):
            return
        yield from in_turn(list(side.levels[price].values()))


class _Amount:
    """What is left of the quote amount of a MARKET order while it sweeps (rule 6).

    A bid's amount is what may be spent on prices alone: such that with the fee, where that is in
    quote, it is what the order stated.
    """

    def __init__(self, taker: Order) -> None:
        market = taker.market
        self._is_bid = taker.is_bid
        self._unit = market.tick_lot_atoms
        self._fee_per_lot = 0
        self._left = taker.quote_atoms
        if taker.is_bid and market.is_fee_per_lot:
            self._fee_per_lot = taker.rates[TAKER]
        elif taker.is_bid and market.is_fee_in_quote:
            self._left = taker.quote_atoms * PPM // (PPM + taker.rates[TAKER])

    def lots_at(self, price: int) -> int:
        """Return the most that can be bought, or the least to be sold, for what is left."""
        cost = price * self._unit + self._fee_per_lot
        return self._left // cost if self._is_bid else -(-self._left // cost)

    def use(self, lots: int, price: int) -> None:
        self._left = max(0, self._left - lots * (price * self._unit + self._fee_per_lot))
