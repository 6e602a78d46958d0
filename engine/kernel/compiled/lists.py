# mypy: ignore-errors
# ruff: noqa: F821  (a bare annotation declares a C variable)
"""PLACE_LIST of the compiled kernel: OCO, OTO and OTOCO.

Invariant: a list is placed by one command, all of it or nothing; the legs of an OCO together hold
what the dearer one needs; a pending leg holds nothing. What becomes of the legs: `list_life`.
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
    MALFORMED,
    OCO,
    OK,
    OTO,
    OTOCO,
    PLACE_LEG,
    STOP_LOSS,
    STOP_LOSS_LIMIT,
    WAIT_LIST,
    WOULD_TAKE,
    WOULD_TRIGGER,
)
from engine.kernel.compiled.accounts import available_in, find_account
from engine.kernel.compiled.drafts import draft_refusal
from engine.kernel.compiled.events import emit_clear, put_text
from engine.kernel.compiled.extras import arm_expiry, extra_of, reserve_extras
from engine.kernel.compiled.layout import (
    CommandPtr,
    CorePtr,
    EventPtr,
    MarketPtr,
    OrderListPtr,
    Sweep,
    i64,
    u32,
    u64,
)
from engine.kernel.compiled.levels import reserve_section, side_of
from engine.kernel.compiled.lookups import find_market
from engine.kernel.compiled.matching import is_crossing, survey
from engine.kernel.compiled.memory import (
    grown_capacity,
    reserve_events,
    reserve_levels,
    reserve_orders,
)
from engine.kernel.compiled.parking import count_parked, park
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
from engine.kernel.compiled.tables import insert, reserve_table
from engine.kernel.compiled.texts import copy_text, has_text, is_plain_text, is_same_text
from engine.kernel.compiled.triggers import worst_price


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
