# mypy: ignore-errors
# ruff: noqa: F821  (a bare annotation declares a C variable)
"""QUOTE: a market maker's bid and ask in one command, in place of those of the last one.

Everything is decided before anything changes. Invariant: `core.quotes` names the orders of each
user's last QUOTE in each market, whether they are open or not.
"""

import cython
from cython.cimports.libc.string import memset

from engine.kernel.codes import (
    AUCTION,
    BID,
    CAPACITY,
    DUPLICATE_ORDER_ID,
    INSUFFICIENT_BALANCE,
    INT64_MAX,
    INVALID_PRICE,
    INVALID_QUANTITY,
    LIMIT_MAKER,
    NOTHING_CHANGES,
    NOTIONAL,
    OK,
    ORDER_CANCELED,
    OVERFLOW,
    PLACE,
    QUOTE_REPLACED,
    UNKNOWN_MARKET,
    WOULD_TAKE,
)
from engine.kernel.compiled.accounts import account_key, available_in, find_account
from engine.kernel.compiled.bounds import bounds_refusal
from engine.kernel.compiled.fees import bid_hold, notional_of
from engine.kernel.compiled.gates import entry_refusal, owner_refusal
from engine.kernel.compiled.layout import (
    BookSidePtr,
    ChunkPtr,
    Command,
    CommandPtr,
    CorePtr,
    MarketPtr,
    OrderPtr,
    QuotePtr,
    i64,
    u8,
    u32,
    u64,
)
from engine.kernel.compiled.levels import dequeue, key_of, reserve_section, side_of
from engine.kernel.compiled.lookups import find_market, find_order, find_user
from engine.kernel.compiled.matching import end_order
from engine.kernel.compiled.memory import reserve_quotes
from engine.kernel.compiled.placing import (
    accept,
    content_refusal,
    draft_order,
    rest,
)
from engine.kernel.compiled.restoring import refuse_row
from engine.kernel.compiled.tables import find, insert, remove


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def note_quote_ids(core: CorePtr, command: CommandPtr) -> cython.void:
    """A QUOTE uses up two order ids, the second for its ask."""
    last_id: i64 = command.order_id + 1 if command.order_id < INT64_MAX else INT64_MAX
    if last_id > core.last_order_id:
        core.last_order_id = last_id


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def quote(core: CorePtr, command: CommandPtr, user: u32) -> u32:
    market_index: u32 = find_market(core, command.market_id)
    if not market_index:
        return UNKNOWN_MARKET
    reason: u32 = sides_refusal(core, command)
    if reason:
        return reason
    sides: Command[2]
    old: u32[2]
    write_sides(command, sides)
    find_old(core, command, user, market_index, old)
    reason = quote_refusal(core, command, user, market_index, sides, old)
    if reason or not reserve_for_quote(core, market_index):
        return reason
    side: cython.int
    for side in range(BID, -1, -1):
        if old[side]:
            dequeue(core, old[side])
            end_order(core, old[side], ORDER_CANCELED, 0, QUOTE_REPLACED)
    for side in range(BID, -1, -1):
        if sides[side].price:
            enter_side(core, sides + side, user, market_index)
    remember_quote(core, command, user, market_index)
    return OK


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def quote_refusal(
    core: CorePtr,
    command: CommandPtr,
    user: u32,
    market_index: u32,
    sides: CommandPtr,
    old: cython.pointer(u32),
) -> u32:
    """Say why these sides cannot take the place of what is open of the last quote."""
    reason: u32
    new_count: u32 = (command.price != 0) + (command.ceiling != 0)
    if new_count:
        reason = entry_refusal(core, command, user, market_index)
    else:
        reason = owner_refusal(core, core.markets + market_index)
    if reason:
        return reason
    if not new_count:
        return OK if old[0] or old[BID] else NOTHING_CHANGES
    side: cython.int
    for side in range(BID, -1, -1):
        if sides[side].price:
            reason = side_refusal(core, sides + side, user, market_index, old)
            if reason:
                return reason
    if lacks_room_for_quote(core, command, market_index, new_count, old):
        return CAPACITY
    return OK


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def sides_refusal(core: CorePtr, command: CommandPtr) -> u32:
    """Check ids, prices and quantities of the two sides by themselves."""
    if command.order_id <= 0 or command.order_id == INT64_MAX:
        return DUPLICATE_ORDER_ID
    if find_order(core, command.order_id) or find_order(core, command.order_id + 1):
        return DUPLICATE_ORDER_ID
    if command.price < 0 or (command.quantity and not command.price):
        return INVALID_PRICE
    if command.quantity < 0 or (command.price and not command.quantity):
        return INVALID_QUANTITY
    if command.ceiling < 0 or (command.amount and not command.ceiling):
        return INVALID_PRICE
    if command.amount < 0 or (command.ceiling and not command.amount):
        return INVALID_QUANTITY
    return INVALID_PRICE if command.ceiling and command.ceiling <= command.price else OK


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def write_sides(command: CommandPtr, sides: CommandPtr) -> cython.void:
    """Write the PLACE of each side; a side without a price is not quoted."""
    memset(sides, 0, 2 * cython.sizeof(sides[0]))
    side: cython.int
    for side in range(BID, -1, -1):
        sides[side].kind = PLACE
        sides[side].side = cython.cast(u8, side)
        sides[side].order_type = LIMIT_MAKER
        sides[side].stp = command.stp
        sides[side].market_id = command.market_id
        sides[side].user_id = command.user_id
    sides[BID].order_id = command.order_id
    sides[BID].price = command.price
    sides[BID].quantity = command.quantity
    sides[0].order_id = command.order_id + 1
    sides[0].price = command.ceiling
    sides[0].quantity = command.amount


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def find_quote(core: CorePtr, command: CommandPtr) -> u32:
    key: u64 = account_key(command.user_id, command.market_id)
    return find(cython.address(core.quote_table), key)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def find_old(
    core: CorePtr, command: CommandPtr, user: u32, market: u32, old: cython.pointer(u32)
) -> cython.void:
    """Find what is open of the last quote, by side."""
    old[0] = old[BID] = 0
    place: u32 = find_quote(core, command)
    if not place:
        return
    old[BID] = find_order(core, core.quotes[place].bid_id)
    old[0] = find_order(core, core.quotes[place].ask_id)
    side: cython.int
    for side in range(BID, -1, -1):
        order: OrderPtr = core.orders + old[side]
        if old[side] and (order.user != user or order.market != market):
            old[side] = 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def side_refusal(
    core: CorePtr, command: CommandPtr, user: u32, market_index: u32, old: cython.pointer(u32)
) -> u32:
    """Check one side as if what is open of the last quote were gone already."""
    market: MarketPtr = core.markets + market_index
    reason: u32 = content_refusal(core, command, market)
    if reason:
        return reason
    hold: i64 = quote_hold(core, command, user, market_index)
    if hold < 0:
        return OVERFLOW
    if notional_of(market, command.price, command.quantity) < market.notional_min:
        return NOTIONAL
    if is_bounded(market):
        reason = side_bounds_refusal(core, command, user, market_index, old)
        if reason:
            return reason
    if market.state != AUCTION and would_take(core, command, market_index, old):
        return WOULD_TAKE
    asset_id: u32 = market.quote_asset_id if command.side else market.base_asset_id
    available: i64 = available_in(core, find_account(core, command.user_id, asset_id))
    side: cython.int
    for side in range(BID, -1, -1):
        if old[side] and core.orders[old[side]].is_bid == command.side:
            available += core.orders[old[side]].reserved
    return INSUFFICIENT_BALANCE if hold > available else OK


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def side_bounds_refusal(
    core: CorePtr, command: CommandPtr, user: u32, market_index: u32, old: cython.pointer(u32)
) -> u32:
    """Check one side against the market's bounds; the ask comes in behind the bid beside it."""
    value: i64 = notional_of(core.markets + market_index, command.price, command.quantity)
    bid: CommandPtr = command + 1
    before: u32 = 1 if not command.side and bid.price else 0
    index: u32 = draft_order(core, command, user, market_index)
    return bounds_refusal(core, index, value, old, before)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def quote_hold(core: CorePtr, command: CommandPtr, user: u32, market_index: u32) -> i64:
    """Return what one side must hold, or TOO_MUCH."""
    market: MarketPtr = core.markets + market_index
    if not command.side:
        return command.quantity * market.lot_atoms
    index: u32 = draft_order(core, command, user, market_index)
    return bid_hold(market, core.terms + index, command.price, command.quantity)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def would_take(
    core: CorePtr, command: CommandPtr, market_index: u32, old: cython.pointer(u32)
) -> cython.bint:
    """Whether anything but what goes rests on the other side within the price."""
    side: BookSidePtr = side_of(core, market_index, not command.side)
    worst_key: i64 = key_of(not command.side, command.price)
    section: u32 = side.section_count
    while section:
        section -= 1
        chunk: ChunkPtr = core.chunks + side.sections[section].chunk
        place: u32 = chunk.count
        while place:
            place -= 1
            if chunk.keys[place] < worst_key:
                return False
            index: u32 = core.levels[chunk.levels[place]].first
            while index:
                if index != old[0] and index != old[BID]:
                    return True
                index = core.orders[index].next
    return False


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def lacks_room_for_quote(
    core: CorePtr, command: CommandPtr, market_index: u32, new_count: u32, old: cython.pointer(u32)
) -> cython.bint:
    market: MarketPtr = core.markets + market_index
    old_count: u64 = (old[0] != 0) + (old[BID] != 0)
    if core.order_table.count - old_count + new_count > core.open_orders_max:
        return True
    if not find_quote(core, command) and core.quote_table.count >= core.accounts_max:
        return True
    missing: u64 = (not find_account(core, command.user_id, market.base_asset_id)) + (
        not find_account(core, command.user_id, market.quote_asset_id)
    )
    return core.account_top - 1 + missing > core.accounts_max


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def reserve_for_quote(core: CorePtr, market_index: u32) -> cython.bint:
    return (
        reserve_quotes(core, 1)
        and reserve_section(core, side_of(core, market_index, 0))
        and reserve_section(core, side_of(core, market_index, 1))
    )


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def enter_side(core: CorePtr, command: CommandPtr, user: u32, market_index: u32) -> cython.void:
    hold: i64 = quote_hold(core, command, user, market_index)
    index: u32 = draft_order(core, command, user, market_index)
    accept(core, command, index, hold)
    rest(core, index)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def remember_quote(core: CorePtr, command: CommandPtr, user: u32, market: u32) -> cython.void:
    """Note the orders of this quote; one of no side is forgotten."""
    place: u32 = find_quote(core, command)
    key: u64 = account_key(command.user_id, command.market_id)
    if not command.price and not command.ceiling:
        remove(cython.address(core.quote_table), key, place)
        core.quotes[place].user = 0
        core.quotes[place].next_free = core.quote_free
        core.quote_free = place
        return
    if not place:
        place = take_quote(core, user, market)
        insert(cython.address(core.quote_table), key, place)
    core.quotes[place].bid_id = command.order_id if command.price else 0
    core.quotes[place].ask_id = command.order_id + 1 if command.ceiling else 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def take_quote(core: CorePtr, user: u32, market: u32) -> u32:
    """Return a free place among the quotes; `reserve_quotes` has made room."""
    place: u32 = core.quote_free
    if place:
        core.quote_free = core.quotes[place].next_free
    else:
        place = core.quote_top
        core.quote_top += 1
    core.quotes[place].user = user
    core.quotes[place].market = market
    return place


@cython.cfunc
def quote_rows(core: CorePtr) -> list:
    """Return the last quotes by user and market id."""
    rows = []
    place: u32
    for place in range(1, core.quote_top):
        known: QuotePtr = core.quotes + place
        if known.user:
            user_id = core.users[known.user].user_id
            market_id = core.markets[known.market].market_id
            rows.append((user_id, market_id, known.bid_id, known.ask_id))
    return sorted(rows)


@cython.cfunc
def restore_quotes(core: CorePtr, state_: object) -> object:
    for place, row in enumerate(state_.rows(b"QUOT")):
        user: u32 = find_user(core, row.user_id)
        market: u32 = find_market(core, row.market_id)
        if not user or not market:
            raise refuse_row("quotes", place)
        if not reserve_quotes(core, 1):
            raise MemoryError("no memory for quotes")
        index: u32 = take_quote(core, user, market)
        core.quotes[index].bid_id = row.bid_order_id
        core.quotes[index].ask_id = row.ask_order_id
        key: u64 = account_key(row.user_id, row.market_id)
        insert(cython.address(core.quote_table), key, index)
    return None
