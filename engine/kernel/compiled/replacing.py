# mypy: ignore-errors
"""REPLACE: cancel an order and place another, in one command (rule 21).

The new order is a PLACE_LEG that came just before. Its filters are checked before the cancel;
what depends on the order that goes, funds above all, after it. Invariant: exactly one event tells
of the new order's fate, and a REPLACE that is refused has changed nothing.
"""

import cython

from engine.kernel.codes import (
    ALLOW_FAILURE,
    CANCEL_RESTRICTED,
    INVALID_QUANTITY,
    OK,
    ORDER_CANCELED,
    PLACE_LEG,
    UNKNOWN_ORDER,
)
from engine.kernel.compiled.changing import is_restricted
from engine.kernel.compiled.drafts import draft_refusal
from engine.kernel.compiled.events import emit_refused
from engine.kernel.compiled.layout import CommandPtr, CorePtr, OrderPtr, u32
from engine.kernel.compiled.matching import end_order, take_out
from engine.kernel.compiled.placing import filter_refusal, place


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def replace(core: CorePtr, command: CommandPtr, user: u32, index: u32) -> u32:
    if command.quantity != 1:
        return INVALID_QUANTITY
    reason: u32 = draft_refusal(core, PLACE_LEG, command)
    if reason:
        return reason
    leg: CommandPtr = core.draft
    reason = filter_refusal(core, leg, user)
    if reason:
        return reason
    reason = cancel_refusal(core, command, user, index)
    if reason:
        return place(core, leg, user) if command.flags & ALLOW_FAILURE else reason
    end_order(core, index, ORDER_CANCELED, take_out(core, index), OK)
    reason = place(core, leg, user)
    if reason:
        emit_refused(core, leg, reason)
    return OK


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def cancel_refusal(core: CorePtr, command: CommandPtr, user: u32, index: u32) -> u32:
    order: OrderPtr = core.orders + index
    if not index or order.user != user:
        return UNKNOWN_ORDER
    if core.markets[order.market].market_id != command.market_id:
        return UNKNOWN_ORDER
    return CANCEL_RESTRICTED if is_restricted(core, index, command.flags) else OK
