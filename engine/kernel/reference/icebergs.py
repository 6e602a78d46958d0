"""Icebergs: orders of which the book shows one tranche at a time (rule 14).

Invariant: a resting iceberg shows at least one lot, never more than it has left, and nothing but
taking a whole tranche brings the next one into view, at the back of its level.
"""

from __future__ import annotations

from collections.abc import Iterator

from engine.kernel.codes import ICEBERG_TRANCHES_MAX
from engine.kernel.reference.model import Order


def tranches(quantity: int, displayed: int) -> int:
    """Return in how many tranches a quantity is shown."""
    return -(-quantity // displayed)


def is_too_fine(quantity: int, displayed: int) -> bool:
    """Whether these are no displayed lots for a quantity: more than it, or too small a part."""
    return displayed > quantity or tranches(quantity, displayed) > ICEBERG_TRANCHES_MAX


def fit_shown(order: Order) -> None:
    """Show no more of an iceberg than it has left."""
    if order.extra and order.extra.shown_lots > order.leaves:
        order.extra.shown_lots = order.leaves


def use_shown(order: Order, lots: int) -> int:
    """Take lots, which its leaves are without already, off a tranche; return what refills it."""
    extra = order.extra
    if extra is None or not extra.display_lots:
        return 0
    extra.shown_lots -= lots
    if extra.shown_lots or not order.leaves:
        return 0
    extra.shown_lots = min(extra.display_lots, order.leaves)
    return extra.shown_lots


def in_turn(orders: list[Order]) -> Iterator[tuple[Order, int]]:
    """Yield what a level offers, order by order: what is shown, then the tranches behind it."""
    for order in orders:
        yield order, order.shown
    hidden = {order: order.leaves - order.shown for order in orders if order.is_iceberg}
    while hidden:
        for order, lots in list(hidden.items()):
            step = min(lots, order.extra.display_lots if order.extra else 0)
            hidden[order] -= step
            if not hidden[order]:
                del hidden[order]
            if step:
                yield order, step
