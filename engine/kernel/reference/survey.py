"""Looking ahead: what an order of the reference kernel would trade if it met the book now.

Invariant: it changes nothing, and what it foresees is what `matching.match` then does.
"""

from __future__ import annotations

from typing import NamedTuple

from engine.kernel.codes import DECREMENT, EXPIRE_MAKER
from engine.kernel.reference.model import Order


class Sweep(NamedTuple):
    """Lots that trade, and what they cost in quote atoms at the makers' prices."""

    lots: int
    notional: int


def survey(taker: Order, limit_price: int) -> Sweep:
    """Look as far as the taker's leaves reach, within a limit (0 = any price).

    Own orders that self-trade prevention would remove count for nothing (rule 10).
    """
    wanted = taker.leaves
    lots = notional = 0
    for maker in taker.opposite.orders_within(limit_price):
        step = min(wanted, maker.leaves)
        if taker.stp and taker.user.is_one_with(maker.user):
            if taker.stp == EXPIRE_MAKER:
                continue
            if taker.stp != DECREMENT:
                break
        else:
            lots += step
            notional += step * maker.price * taker.market.tick_lot_atoms
        wanted -= step
        if not wanted:
            break
    return Sweep(lots, notional)
