# mypy: ignore-errors

"""Icebergs: orders of which the book shows one tranche at a time (rule 14).

A level's sum counts all lots, hidden ones too; what is hidden is taken off where the book is
published, and only in markets that have icebergs. Invariant: a resting iceberg shows at least one
lot, never more than it has left, and nothing but taking a whole tranche brings the next one into
view, at the back of its level.
"""

import cython

from engine.kernel.codes import ICEBERG_TRANCHES_MAX
from engine.kernel.compiled.extras import extra_of
from engine.kernel.compiled.layout import CorePtr, ExtraPtr, LevelPtr, OrderPtr, i64, u32
from engine.kernel.compiled.matching import lower
from engine.kernel.compiled.symbols import TRAIT_ICEBERG


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def tranches_of(quantity: i64, displayed: i64) -> i64:
    """Return in how many tranches a quantity is shown."""
    return (quantity - 1) // displayed + 1


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def is_too_fine(quantity: i64, displayed: i64) -> cython.bint:
    """Whether these are no displayed lots for a quantity: more than it, or too small a part."""
    return displayed > quantity or tranches_of(quantity, displayed) > ICEBERG_TRANCHES_MAX


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def tranches_with(core: CorePtr, index: u32, quantity: i64) -> i64:
    """Return in how many tranches an iceberg would be shown if it had this quantity."""
    return tranches_of(quantity, extra_of(core, index).display)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def begin_iceberg(core: CorePtr, index: u32, displayed: i64) -> cython.void:
    """Let an order that has an extra show so many lots at a time."""
    extra: ExtraPtr = extra_of(core, index)
    order: OrderPtr = core.orders + index
    order.traits |= TRAIT_ICEBERG
    extra.display = extra.shown = displayed
    extra.tranches = 0
    core.markets[order.market].cares += 1
    count_tranches(core, index)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def count_tranches(core: CorePtr, index: u32) -> cython.void:
    """Count an iceberg's tranches anew; each can cause events of its own."""
    extra: ExtraPtr = extra_of(core, index)
    core.tranches -= extra.tranches
    extra.tranches = cython.cast(u32, tranches_of(core.terms[index].quantity, extra.display) - 1)
    core.tranches += extra.tranches


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def end_iceberg(core: CorePtr, index: u32) -> cython.void:
    core.tranches -= extra_of(core, index).tranches
    core.markets[core.orders[index].market].cares -= 1


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def shown_lots(core: CorePtr, index: u32) -> i64:
    """Return what the book shows of an order, and a taker meets before others of the level."""
    if core.orders[index].traits & TRAIT_ICEBERG:
        return extra_of(core, index).shown
    return core.orders[index].leaves


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def offered_lots(core: CorePtr, index: u32, turn: i64) -> i64:
    """Return what an order offers when its level is gone through for the n-th time, from 0 on."""
    order: OrderPtr = core.orders + index
    if not order.traits & TRAIT_ICEBERG:
        return 0 if turn else order.leaves
    extra: ExtraPtr = extra_of(core, index)
    if not turn:
        return extra.shown
    hidden: i64 = order.leaves - extra.shown - (turn - 1) * extra.display
    return lower(extra.display, hidden) if hidden > 0 else 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def fit_shown(core: CorePtr, index: u32) -> cython.void:
    """Show no more of an iceberg than it has left."""
    extra: ExtraPtr = extra_of(core, index)
    extra.shown = lower(extra.shown, core.orders[index].leaves)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def use_shown(core: CorePtr, index: u32, lots: i64) -> i64:
    """Take lots, which its leaves are without already, off a tranche; return what refills it."""
    if not core.orders[index].traits & TRAIT_ICEBERG:
        return 0
    extra: ExtraPtr = extra_of(core, index)
    extra.shown -= lots
    if extra.shown or not core.orders[index].leaves:
        return 0
    extra.shown = lower(extra.display, core.orders[index].leaves)
    return extra.shown


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def send_back(core: CorePtr, level: LevelPtr) -> cython.void:
    """Put the first order of a level behind the last."""
    index: u32 = level.first
    order: OrderPtr = core.orders + index
    if not order.next:
        return
    level.first = order.next
    core.orders[order.next].prev = 0
    core.orders[level.last].next = index
    order.prev = level.last
    order.next = 0
    level.last = index


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def hidden_in(core: CorePtr, level: LevelPtr) -> i64:
    """Return how many of a level's lots the book does not show."""
    hidden: i64 = 0
    index: u32 = level.first
    while index:
        hidden += core.orders[index].leaves - shown_lots(core, index)
        index = core.orders[index].next
    return hidden
