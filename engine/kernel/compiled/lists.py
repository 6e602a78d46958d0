# mypy: ignore-errors
# ruff: noqa: F821  (a bare annotation declares a C variable)
"""Order lists of the compiled kernel: OCO, OTO and OTOCO.

A list is placed by one command, all of it or nothing. What happens to one leg is noted while it
happens and acted upon when the command, or the triggered order, that did it is done. Invariant: a
list is known as long as one of its legs is open; the legs of an OCO together hold what the dearer
one needs; a pending leg holds nothing until its working leg is filled.
"""

import cython
from cython.cimports.libc.stdlib import realloc
from cython.cimports.libc.string import memset

from engine.kernel.codes import (
    CAPACITY,
    DUPLICATE_CLIENT_ORDER_ID,
    DUPLICATE_ORDER_ID,
    FOK_BUDGET,
    GTC,
    GTD,
    ICEBERG,
    INSUFFICIENT_BALANCE,
    INVALID_LIST,
    INVALID_QUANTITY,
    LIMIT,
    LIMIT_MAKER,
    LIST_ACCEPTED,
    LIST_ENDED,
    LIST_PARTNER,
    MALFORMED,
    OCO,
    OK,
    ORDER_CANCELED,
    ORDER_EXPIRED,
    ORDER_TRIGGERED,
    OTO,
    OTOCO,
    OVERFLOW,
    PARKED,
    PLACE,
    PLACE_LEG,
    STOP_LOSS,
    STOP_LOSS_LIMIT,
    WAIT_LIST,
    WOULD_TAKE,
    WOULD_TRIGGER,
)
from engine.kernel.compiled.accounts import available_in, find_account, lock
from engine.kernel.compiled.drafts import draft_refusal
from engine.kernel.compiled.events import emit_changed, emit_clear, put_text
from engine.kernel.compiled.extras import arm_expiry, extra_of, reserve_extras
from engine.kernel.compiled.gates import entry_refusal
from engine.kernel.compiled.layout import (
    Command,
    CommandPtr,
    CorePtr,
    EventPtr,
    ExtraPtr,
    MarketPtr,
    OrderListPtr,
    OrderPtr,
    Sweep,
    i64,
    u32,
    u64,
)
from engine.kernel.compiled.levels import enqueue, reserve_section, side_of
from engine.kernel.compiled.lookups import find_market, find_order
from engine.kernel.compiled.matching import end_order, held_account, is_crossing, survey, take_out
from engine.kernel.compiled.memory import (
    grown_capacity,
    reserve_events,
    reserve_levels,
    reserve_orders,
)
from engine.kernel.compiled.parking import count_parked, is_reached, park, unpark
from engine.kernel.compiled.placing import (
    accept,
    draft_order,
    enter_book,
    enter_index,
    filter_refusal,
    first_reserve,
    is_text_in_use,
)
from engine.kernel.compiled.symbols import LIST_EVENTS_MAX, LIST_LEGS_MAX
from engine.kernel.compiled.tables import find, insert, remove, reserve_table
from engine.kernel.compiled.texts import copy_text, has_text, is_plain_text, is_same_text
from engine.kernel.compiled.triggers import run_order, worst_price


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def place_list(core: CorePtr, command: CommandPtr, user: u32) -> u32:
    reason: u32 = draft_refusal(core, PLACE_LEG, command)
    if not reason:
        reason = shape_refusal(core, command.order_type)
    place: u32
    for place in range(core.draft_count):
        if not reason:
            reason = list_leg_refusal(core, user, place, command.order_type != OCO and place > 0)
    if reason:
        return reason
    market_index: u32 = find_market(core, command.market_id)
    needs: i64[3]
    for place in range(core.draft_count):
        needs[place] = 0
        if command.order_type == OCO or not place:
            needs[place] = need_of(core, core.draft + place, user, market_index)
    dearest: i64 = needs[0] if needs[0] > needs[1] else needs[1]
    reason = room_refusal(core, command, market_index, dearest)
    if reason or not reserve_list(core, market_index, user):
        return reason
    open_list(core, command, user, market_index)
    covered: i64 = 0
    for place in range(core.draft_count):
        pends: cython.bint = command.order_type != OCO and place > 0
        reserve: i64 = needs[place] - covered if needs[place] > covered else 0
        enter_leg(core, core.draft + place, user, market_index, reserve, pends)
        covered += needs[place]
    return OK


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def list_form(command: CommandPtr) -> u32:
    if command.order_type < OCO or command.order_type > OTOCO:
        return MALFORMED
    return OK if is_plain_text(command.text) else MALFORMED


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def shape_refusal(core: CorePtr, list_type: u32) -> u32:
    """Whether the legs do not make such a list."""
    legs: CommandPtr = core.draft
    if core.draft_count != (3 if list_type == OTOCO else 2):
        return INVALID_LIST
    place: u32
    for place in range(core.draft_count):
        has_id: cython.bint = (legs[place].request_low | legs[place].request_high) != 0
        if has_id or legs[place].flags & ICEBERG or legs[place].order_type == FOK_BUDGET:
            return INVALID_LIST
    for place in range(core.draft_count):
        if legs[place].quantity <= 0:
            return INVALID_QUANTITY
    if list_type != OCO and not is_working(legs):
        return INVALID_LIST
    if list_type != OTO and not is_pair(legs + core.draft_count - 2):
        return INVALID_LIST
    return twin_refusal(core)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def is_working(leg: CommandPtr) -> cython.bint:
    if leg.order_type == LIMIT:
        return leg.time_in_force in (GTC, GTD)
    return leg.order_type == LIMIT_MAKER


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def is_pair(legs: CommandPtr) -> cython.bint:
    """Whether two legs make an OCO."""
    if legs[0].order_type != LIMIT_MAKER or legs[1].order_type not in (STOP_LOSS, STOP_LOSS_LIMIT):
        return False
    return legs[0].side == legs[1].side and legs[0].quantity == legs[1].quantity


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def twin_refusal(core: CorePtr) -> u32:
    """Whether two legs have one id."""
    legs: CommandPtr = core.draft
    texts_meet: cython.bint = False
    first: u32
    second: u32
    for first in range(core.draft_count):
        for second in range(first):
            if legs[first].order_id == legs[second].order_id:
                return DUPLICATE_ORDER_ID
            if has_text(legs[first].text) and is_same_text(legs[first].text, legs[second].text):
                texts_meet = True
    return DUPLICATE_CLIENT_ORDER_ID if texts_meet else OK


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def list_leg_refusal(core: CorePtr, user: u32, place: u32, pends: cython.bint) -> u32:
    """Check a leg by itself; whether a pending one would trade at once is asked later."""
    leg: CommandPtr = core.draft + place
    reason: u32 = filter_refusal(core, leg, user)
    if reason and not (pends and reason == WOULD_TRIGGER):
        return reason
    if is_text_in_use(core, user, leg.text):
        return DUPLICATE_CLIENT_ORDER_ID
    if pends or leg.order_type != LIMIT_MAKER:
        return OK
    index: u32 = draft_order(core, leg, user, find_market(core, leg.market_id))
    return WOULD_TAKE if is_crossing(core, core.orders + index) else OK


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def draft_leg(core: CorePtr, leg: CommandPtr, user: u32, market_index: u32) -> u32:
    index: u32 = draft_order(core, leg, user, market_index)
    if leg.order_type >= STOP_LOSS and not leg.price and core.orders[index].is_bid:
        worst: i64 = worst_price(core.markets + market_index, leg.amount, leg.asset_id)
        core.orders[index].ceiling = worst
    return index


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def need_of(core: CorePtr, leg: CommandPtr, user: u32, market_index: u32) -> i64:
    return full_hold(core, draft_leg(core, leg, user, market_index))


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def full_hold(core: CorePtr, index: u32) -> i64:
    """Return what an order must hold to trade all of it, or TOO_MUCH."""
    sweep: Sweep
    sweep.amount = 0
    if core.orders[index].ceiling < 0:
        return -1
    survey(core, index, cython.address(sweep))
    return first_reserve(core, index, 0, cython.address(sweep))


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def room_refusal(core: CorePtr, command: CommandPtr, market_index: u32, need: i64) -> u32:
    """Whether the dearest of the legs that begin at once is too dear, or there is no room."""
    market: MarketPtr = core.markets + market_index
    base: u32 = find_account(core, command.user_id, market.base_asset_id)
    quote: u32 = find_account(core, command.user_id, market.quote_asset_id)
    if need > available_in(core, quote if core.draft[0].side else base):
        return INSUFFICIENT_BALANCE
    missing: u64 = (not base) + (not quote)
    accounts: u64 = core.account_top - 1
    if core.order_table.count + core.draft_count > core.open_orders_max:
        return CAPACITY
    return CAPACITY if accounts + missing > core.accounts_max else OK


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def reserve_list(core: CorePtr, market_index: u32, user: u32) -> cython.bint:
    """Make room for one more list and its legs. False: memory ended, nothing changed."""
    if not reserve_orders(core, LIST_LEGS_MAX) or not reserve_levels(core, LIST_LEGS_MAX):
        core.is_out_of_memory = 1
        return False
    if not reserve_table(cython.address(core.order_table), LIST_LEGS_MAX) or not reserve_table(
        cython.address(core.text_table), LIST_LEGS_MAX
    ):
        core.is_out_of_memory = 1
        return False
    if not reserve_extras(core, LIST_LEGS_MAX) or not reserve_lists(core, 1):
        core.is_out_of_memory = 1
        return False
    sweep: Sweep
    sweep.amount = 0
    survey(core, draft_leg(core, core.draft, user, market_index), cython.address(sweep))
    return reserve_events(core, sweep.events + LIST_EVENTS_MAX) and reserve_sides(
        core, market_index
    )


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def reserve_lists(core: CorePtr, extra: u64) -> cython.bint:
    needed: u64 = core.list_top + extra
    if needed > core.list_capacity:
        capacity: u64 = grown_capacity(core.list_capacity, needed)
        memory: cython.p_void = realloc(core.lists, capacity * cython.sizeof(core.lists[0]))
        if not memory:
            return False
        core.lists = cython.cast(OrderListPtr, memory)
        core.list_capacity = cython.cast(u32, capacity)
    return reserve_table(cython.address(core.list_table), extra)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def reserve_sides(core: CorePtr, market_index: u32) -> cython.bint:
    """Make room for one more chunk on all sides of a market."""
    market: MarketPtr = core.markets + market_index
    side: u32
    for side in range(2):
        if not reserve_section(core, side_of(core, market_index, side)):
            return False
        if not reserve_section(core, cython.address(market.triggers[side])):
            return False
    return True


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def take_list(core: CorePtr, list_id: i64) -> OrderListPtr:
    index: u32 = core.list_free
    if index:
        core.list_free = core.lists[index].next_free
    else:
        index = core.list_top
        core.list_top += 1
    each: OrderListPtr = core.lists + index
    memset(each, 0, cython.sizeof(each[0]))
    each.list_id = list_id
    insert(cython.address(core.list_table), cython.cast(u64, list_id), index)
    return each


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def open_list(core: CorePtr, command: CommandPtr, user: u32, market: u32) -> cython.void:
    each: OrderListPtr = take_list(core, core.draft[0].order_id)
    each.user = user
    each.market = market
    each.list_type = command.order_type
    each.leg_count = core.draft_count
    place: u32
    for place in range(core.draft_count):
        each.legs[place] = core.draft[place].order_id
    copy_text(each.text, command.text)
    emit_list(core, LIST_ACCEPTED, each)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def emit_list(core: CorePtr, kind: u32, each: OrderListPtr) -> cython.void:
    event: EventPtr = emit_clear(core, kind, core.markets[each.market].market_id)
    event.body[0] = each.list_id
    event.body[1] = core.users[each.user].user_id
    event.body[2] = each.list_type
    event.body[3] = each.leg_count
    place: u32
    for place in range(3):
        event.body[4 + place] = each.legs[place]
    put_text(event, each.text)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def enter_leg(
    core: CorePtr, leg: CommandPtr, user: u32, market: u32, reserve: i64, pends: cython.bint
) -> cython.void:
    index: u32 = draft_leg(core, leg, user, market)
    core.placing_list = core.draft[0].order_id
    core.placing_pending = pends
    accept(core, leg, index, reserve)
    core.placing_list = 0
    core.placing_pending = 0
    if pends:
        enter_index(core, index)
        extra_of(core, index).wait = WAIT_LIST
        count_parked(core, index)
        arm_expiry(core, index)
    elif leg.order_type >= STOP_LOSS:
        enter_index(core, index)
        park(core, index)
    else:
        sweep: Sweep
        sweep.lots = 0
        enter_book(core, leg, index, cython.address(sweep))


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
