# mypy: ignore-errors
# ruff: noqa: F821  (a bare annotation declares a C variable)
"""What becomes of an order list of the compiled kernel once it is placed (`lists`).

What happens to one leg is noted while it happens and acted upon when the command, or the triggered
order, that did it is done. Invariant: a list is known as long as one of its legs is open; a pending
leg holds nothing until its working leg is filled.
"""

import cython
from cython.cimports.libc.string import memset

from engine.kernel.codes import (
    INSUFFICIENT_BALANCE,
    LIMIT_MAKER,
    LIST_ENDED,
    LIST_PARTNER,
    OCO,
    OK,
    ORDER_CANCELED,
    ORDER_EXPIRED,
    ORDER_TRIGGERED,
    OTO,
    OVERFLOW,
    PARKED,
    PLACE,
    STOP_LOSS,
    WOULD_TAKE,
    WOULD_TRIGGER,
)
from engine.kernel.compiled.accounts import available_in, lock
from engine.kernel.compiled.events import emit_changed
from engine.kernel.compiled.extras import extra_of
from engine.kernel.compiled.gates import entry_refusal
from engine.kernel.compiled.layout import (
    Command,
    CorePtr,
    ExtraPtr,
    OrderListPtr,
    OrderPtr,
    Sweep,
    i64,
    u32,
    u64,
)
from engine.kernel.compiled.levels import enqueue
from engine.kernel.compiled.lists import emit_list, full_hold, reserve_sides
from engine.kernel.compiled.lookups import find_order
from engine.kernel.compiled.matching import end_order, held_account, is_crossing, survey, take_out
from engine.kernel.compiled.memory import (
    reserve_events,
    reserve_levels,
)
from engine.kernel.compiled.parking import is_reached, park, unpark
from engine.kernel.compiled.symbols import LIST_EVENTS_MAX, LIST_LEGS_MAX
from engine.kernel.compiled.tables import find, remove
from engine.kernel.compiled.triggers import run_order


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def find_list(core: CorePtr, list_id: i64) -> u32:
    return find(cython.address(core.list_table), cython.cast(u64, list_id))


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def note_list(core: CorePtr, index: u32) -> cython.void:
    """Note a list for `settle_lists`."""
    if index and not core.lists[index].is_noted:
        core.lists[index].is_noted = 1
        core.lists[index].next_noted = core.noted_lists
        core.noted_lists = index


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def note_fill(core: CorePtr, order_index: u32) -> cython.void:
    """Note that a leg has traded."""
    order: OrderPtr = core.orders + order_index
    index: u32 = find_list(core, extra_of(core, order_index).list_id)
    each: OrderListPtr = core.lists + index
    if each.list_type != OCO and order.order_id == each.legs[0]:
        if not order.leaves:
            each.is_filled = 1
    else:
        each.has_traded = 1
    note_list(core, index)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def take_noted(core: CorePtr) -> u32:
    """Take the noted list with the lowest id."""
    first: u32 = core.noted_lists
    index: u32 = core.lists[first].next_noted
    while index:
        if core.lists[index].list_id < core.lists[first].list_id:
            first = index
        index = core.lists[index].next_noted
    if core.noted_lists == first:
        core.noted_lists = core.lists[first].next_noted
    else:
        index = core.noted_lists
        while core.lists[index].next_noted != first:
            index = core.lists[index].next_noted
        core.lists[index].next_noted = core.lists[first].next_noted
    core.lists[first].is_noted = 0
    return first


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def settle_lists(core: CorePtr) -> cython.void:
    """Act upon what was noted of lists, by list id, until nothing follows from it any more."""
    while core.noted_lists and not core.is_out_of_memory:
        if not reserve_events(core, LIST_EVENTS_MAX):
            return
        index: u32 = take_noted(core)
        settle_list(core, core.lists + index)
        each: OrderListPtr = core.lists + index
        if not open_count(core, each) and not each.is_noted:
            emit_list(core, LIST_ENDED, each)
            drop_list(core, index)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def drop_list(core: CorePtr, index: u32) -> cython.void:
    list_id: u64 = cython.cast(u64, core.lists[index].list_id)
    remove(cython.address(core.list_table), list_id, index)
    core.lists[index].list_id = 0
    core.lists[index].next_free = core.list_free
    core.list_free = index


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def open_count(core: CorePtr, each: OrderListPtr) -> u32:
    count: u32 = 0
    place: u32
    for place in range(each.leg_count):
        if find_order(core, each.legs[place]):
            count += 1
    return count


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def settle_list(core: CorePtr, each: OrderListPtr) -> cython.void:
    if each.list_type != OCO and not each.is_active:
        if each.is_filled:
            each.is_active = 1
            activate(core, each)
        elif open_count(core, each) < each.leg_count:
            cancel_leg(core, each.legs[0])
            cancel_leg(core, each.legs[1])
            cancel_leg(core, each.legs[2])
        return
    if each.list_type == OTO or each.is_loose:
        return
    limit_id: i64 = each.legs[each.leg_count - 2]
    stop_id: i64 = each.legs[each.leg_count - 1]
    if each.has_traded:
        each.is_loose = 1
        cancel_leg(core, stop_id)
    elif not find_order(core, limit_id) or not find_order(core, stop_id):
        each.is_loose = 1
        cancel_leg(core, limit_id)
        cancel_leg(core, stop_id)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def cancel_leg(core: CorePtr, order_id: i64) -> cython.void:
    """Cancel a leg because of another one, unless it has ended."""
    index: u32 = find_order(core, order_id) if order_id else 0
    if index:
        end_order(core, index, ORDER_CANCELED, take_out(core, index), LIST_PARTNER)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def part_from_list(core: CorePtr, index: u32) -> cython.void:
    """Let the stop leg of an OCO, which is triggered, go on without the other leg (rule 27)."""
    each: OrderListPtr = core.lists + find_list(core, extra_of(core, index).list_id)
    if each.list_type == OTO or each.is_loose:
        return
    if core.orders[index].order_id != each.legs[each.leg_count - 1]:
        return
    each.is_loose = 1
    cancel_leg(core, each.legs[each.leg_count - 2])
    hold_more(core, index, full_hold(core, index) - core.orders[index].reserved)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def hold_more(core: CorePtr, index: u32, more: i64) -> cython.void:
    lock(core, held_account(core, index), more)
    core.orders[index].reserved += more


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def activate(core: CorePtr, each: OrderListPtr) -> cython.void:
    """Let the pending legs begin; all of them end if one cannot (rule 27)."""
    legs: u32[2]
    count: u32 = 0
    place: u32
    for place in range(1, each.leg_count):
        index: u32 = find_order(core, each.legs[place])
        if index:
            legs[count] = index
            count += 1
    reason: u32 = activation_refusal(core, each.market, legs, count)
    if core.is_out_of_memory:
        return
    covered: i64 = 0
    for place in range(count):
        if reason:
            end_order(core, legs[place], ORDER_EXPIRED, take_out(core, legs[place]), reason)
            continue
        hold: i64 = full_hold(core, legs[place])
        hold_more(core, legs[place], hold - covered if hold > covered else 0)
        covered += hold
        start_leg(core, legs[place])
    if reason or not count or each.list_type != OTO or extra_of(core, legs[0]).wait:
        return
    if core.orders[legs[0]].order_type != LIMIT_MAKER:
        run_order(core, legs[0])


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def activation_refusal(
    core: CorePtr, market_index: u32, legs: cython.pointer(u32), count: u32
) -> u32:
    """Whether the pending legs cannot begin now; if they can, there is room for what they do."""
    reason: u32 = OK
    need: i64 = 0
    events: u64 = 0
    is_too_much: cython.bint = False
    place: u32
    sweep: Sweep
    for place in range(count):
        if not reason:
            reason = start_refusal(core, legs[place])
        hold: i64 = full_hold(core, legs[place])
        if hold < 0:
            is_too_much = True
        elif hold > need:
            need = hold
        sweep.amount = 0
        survey(core, legs[place], cython.address(sweep))
        events += sweep.events
    if not reserve_events(core, events + LIST_EVENTS_MAX) or not reserve_sides(core, market_index):
        return OK
    if not reserve_levels(core, LIST_LEGS_MAX):
        core.is_out_of_memory = 1
        return OK
    if reason or not count:
        return reason
    if is_too_much:
        return OVERFLOW
    available: i64 = available_in(core, held_account(core, legs[0]))
    return INSUFFICIENT_BALANCE if need > available else OK


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def start_refusal(core: CorePtr, index: u32) -> u32:
    """Whether a pending leg cannot begin now."""
    order: OrderPtr = core.orders + index
    extra: ExtraPtr = extra_of(core, index)
    asked: Command
    memset(cython.address(asked), 0, cython.sizeof(asked))
    asked.kind = PLACE
    asked.order_type = order.order_type
    asked.time_in_force = extra.time_in_force
    reason: u32 = entry_refusal(core, cython.address(asked), order.user, order.market)
    if reason:
        return reason
    if order.order_type == LIMIT_MAKER:
        return WOULD_TAKE if is_crossing(core, order) else OK
    if order.order_type < STOP_LOSS or extra.delta:
        return OK
    last: i64 = core.markets[order.market].last_price
    return WOULD_TRIGGER if is_reached(order, extra.stop, last) else OK


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def start_leg(core: CorePtr, index: u32) -> cython.void:
    """Say that a pending leg begins, and let it rest or wait for its stop price."""
    order: OrderPtr = core.orders + index
    unpark(core, index)
    if order.order_type >= STOP_LOSS:
        emit_changed(core, ORDER_TRIGGERED, order, 0, PARKED, OK)
        park(core, index)
        return
    emit_changed(core, ORDER_TRIGGERED, order, 0, 0, OK)
    if order.order_type == LIMIT_MAKER:
        enqueue(core, index)
