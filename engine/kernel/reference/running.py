"""How an order of the reference kernel that was parked meets the book.

Invariant: its funds are locked and its ids are in use when it gets here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.kernel.codes import FOK, GTC, GTD, ORDER_EXPIRED, TIME_IN_FORCE
from engine.kernel.reference.matching import end_order, match
from engine.kernel.reference.survey import survey

if TYPE_CHECKING:
    from engine.kernel.reference.exchange import Exchange
    from engine.kernel.reference.model import Extra, Order


def run_order(x: Exchange, order: Order, extra: Extra) -> None:
    """Let an open order that was parked meet the book, and rest or expire as its terms say."""
    tif = extra.time_in_force
    if tif == FOK and survey(order, order.price).lots < order.leaves:
        end_order(x, order, ORDER_EXPIRED, reason=TIME_IN_FORCE)
        return
    if order.crosses(order.price):
        match(x, order)
        if not order.leaves:
            return
    if tif in (GTC, GTD):
        order.side.add(order)
    else:
        end_order(x, order, ORDER_EXPIRED, reason=TIME_IN_FORCE)
