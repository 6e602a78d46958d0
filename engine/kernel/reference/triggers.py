"""Triggered orders of the reference kernel: how those that are due run.

What a command makes due runs when the command is done, by (trigger price, sequence); a triggered
order that trades can make others due. After one command at most TRIGGERS_PER_COMMAND_MAX run; what
is left runs before the next command. Invariant: a due order whose market lets it in is never passed
over; one whose market does not waits, in the same order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.kernel.codes import (
    ORDER_EXPIRED,
    ORDER_REDUCED,
    ORDER_TRIGGERED,
    SLIPPAGE,
)
from engine.kernel.reference.lists import part_from_list, settle_lists
from engine.kernel.reference.matching import end_order
from engine.kernel.reference.parking import next_due, unpark
from engine.kernel.reference.running import run_order
from engine.kernel.reference.survey import survey

if TYPE_CHECKING:
    from engine.kernel.reference.exchange import Exchange
    from engine.kernel.reference.model import Order


def run_due(x: Exchange, most: int) -> bool:
    """Run up to so many due orders, those included that they make due; whether any ran."""
    count = 0
    settle_lists(x)
    while x.due and count < most:
        order = next_due(x)
        if order is None:
            break
        _trigger(x, order)
        settle_lists(x)
        count += 1
    return count > 0


def _trigger(x: Exchange, order: Order) -> None:
    unpark(x, order)
    assert order.extra
    if order.extra.list_id:
        part_from_list(x, order, order.extra.list_id)
    is_limit = order.price != 0
    if not is_limit:
        order.ceiling = 0  # what it holds is a fixed sum from now on
    x.emit_changed(ORDER_TRIGGERED, order, 0, 0)
    if not is_limit and order.is_bid and not _fit_into_hold(x, order):
        return
    run_order(x, order, order.extra)


def _fit_into_hold(x: Exchange, order: Order) -> bool:
    """Take off what the hold does not pay for at the book's prices (rule 6); whether some is left.

    What the book does not offer at all is not taken off here: it expires like any remainder.
    """
    wanted = survey(order, 0).quantity
    order.quote_atoms = order.reserved
    paid = survey(order, 0).quantity
    order.quote_atoms = 0
    if paid >= wanted:
        return True
    if not paid:
        end_order(x, order, ORDER_EXPIRED, reason=SLIPPAGE)
        return False
    removed = order.leaves - paid
    order.leaves = paid
    x.emit_changed(ORDER_REDUCED, order, removed, 0, SLIPPAGE)
    return True
