# mypy: ignore-errors
"""PLACE, CANCEL, REDUCE and MOVE of the compiled kernel.

A handler first decides and then acts: it returns a reason before it has changed anything, or
changes everything and returns OK. Invariant: after each command, an account's `locked` is the sum
of the `reserved` of its owner's open orders that are held in that asset.
"""

import cython

from engine.kernel.codes import (
    ACTIVE,
    BID,
    BUDGET,
    BY_OPERATOR,
    CANCEL,
    CAPACITY,
    DUPLICATE_CLIENT_ORDER_ID,
    DUPLICATE_ORDER_ID,
    FOK,
    FOK_BUDGET,
    GTC,
    HOUSE_USER_ID,
    INSUFFICIENT_BALANCE,
    INVALID_AMOUNT,
    INVALID_PRICE,
    INVALID_QUANTITY,
    LIMIT,
    LIMIT_MAKER,
    LOT_SIZE,
    MALFORMED,
    MARKET,
    MARKET_ID_MAX,
    MARKET_NOT_TRADING,
    MOVE,
    NOTHING_CHANGES,
    NOTIONAL,
    OK,
    ORDER_ACCEPTED,
    ORDER_CANCELED,
    ORDER_EXPIRED,
    ORDER_MOVED,
    ORDER_REDUCED,
    OVERFLOW,
    PLACE,
    PRICE_ABOVE_CEILING,
    PRICE_FILTER,
    REDUCE,
    REQUEST_ID_REUSED,
    REQUEST_WINDOW,
    TIME_IN_FORCE,
    TRADING,
    UNKNOWN_MARKET,
    UNKNOWN_ORDER,
    UNKNOWN_USER,
    USER_SUSPENDED,
    WOULD_TAKE,
)
from engine.kernel.compiled.accounts import available_in, find_account, lock, open_account
from engine.kernel.compiled.events import emit, emit_changed, emit_replayed, put_text
from engine.kernel.compiled.fees import (
    bid_hold,
    capped_hold,
    higher,
    hold_price,
    notional_of,
    product,
    with_sweep_fee,
)
from engine.kernel.compiled.forms import fingerprint_of, is_plain_text
from engine.kernel.compiled.layout import (
    CommandPtr,
    CorePtr,
    EventPtr,
    MarketPtr,
    OrderPtr,
    RememberedPtr,
    Sweep,
    SweepPtr,
    TermsPtr,
    UserPtr,
    i64,
    u32,
    u64,
)
from engine.kernel.compiled.levels import dequeue, enqueue, key_of, reserve_section, side_of
from engine.kernel.compiled.matching import (
    end_order,
    has_text,
    held_account,
    match,
    survey,
    text_key,
)
from engine.kernel.compiled.memory import reserve_events, reserve_window
from engine.kernel.compiled.symbols import EVENTS_PER_COMMAND, HOUSE, MAKER, TAKER
from engine.kernel.compiled.tables import find, home_of, insert, next_match


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def place_form(command: CommandPtr) -> u32:
    """Check the combination of order type, time in force, budget and ceiling of a PLACE."""
    if command.side > BID:
        return MALFORMED
    if has_text(command.text) and not is_plain_text(command.text):
        return MALFORMED
    if command.order_type == LIMIT:
        if command.time_in_force < GTC or command.time_in_force > FOK or command.amount:
            return MALFORMED
        return MALFORMED if command.ceiling and command.side != BID else OK
    if command.time_in_force or command.ceiling:
        return MALFORMED
    if command.order_type == LIMIT_MAKER:
        return MALFORMED if command.amount else OK
    if command.order_type == MARKET:
        return MALFORMED if command.price or command.amount else OK
    if command.order_type != FOK_BUDGET or command.price:
        return MALFORMED
    return INVALID_AMOUNT if command.amount <= 0 else OK


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def find_order(core: CorePtr, order_id: i64) -> u32:
    return find(cython.address(core.order_table), cython.cast(u64, order_id))


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def find_market(core: CorePtr, market_id: u32) -> u32:
    return core.market_of_id[market_id] if market_id <= MARKET_ID_MAX else 0


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def find_user(core: CorePtr, command: CommandPtr, index: u32) -> u32:
    """Return who sends an order command, 0 if nobody we know; `index` is the order it names.

    Nearly always it is the order's owner, whom the order knows without a search.
    """
    if index and core.users[core.orders[index].user].user_id == command.user_id:
        return core.orders[index].user
    if command.user_id != HOUSE_USER_ID:
        return find(cython.address(core.user_table), cython.cast(u64, command.user_id))
    return HOUSE if command.kind == CANCEL and command.flags else 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def apply_order_command(core: CorePtr, command: CommandPtr) -> u32:
    """Check form, user and request id of an order command, then hand it to its handler."""
    index: u32 = 0
    reason: u32
    if command.kind == PLACE:
        reason = place_form(command)
        if reason:
            return reason
    else:
        index = find_order(core, command.order_id)
        if command.kind == CANCEL and command.flags and command.user_id:
            return MALFORMED
    user: u32 = find_user(core, command, index)
    if not user:
        return UNKNOWN_USER
    if not (command.request_low | command.request_high):
        return handle(core, command, user, index)
    return apply_once(core, command, user, index)


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def handle(core: CorePtr, command: CommandPtr, user: u32, index: u32) -> u32:
    if command.kind == MOVE:
        return move(core, command, user, index)
    if command.kind == PLACE:
        return place(core, command, user)
    if not find_market(core, command.market_id):
        return UNKNOWN_MARKET
    if not index or core.markets[core.orders[index].market].market_id != command.market_id:
        return UNKNOWN_ORDER
    if core.orders[index].user != user and not command.flags:
        return UNKNOWN_ORDER
    if command.kind == REDUCE:
        return reduce(core, command, index)
    dequeue(core, index)
    end_order(core, index, ORDER_CANCELED, BY_OPERATOR if command.flags else 0, OK)
    return OK


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def apply_once(core: CorePtr, command: CommandPtr, user_index: u32, index: u32) -> u32:
    """Apply a command with a request id, or tell the outcome that this id had before."""
    user: UserPtr = core.users + user_index
    content: u64 = fingerprint_of(command)
    entry: RememberedPtr
    window_place: u32
    for window_place in range(user.window_count):
        entry = user.window + window_place
        if entry.request_low != command.request_low or entry.request_high != command.request_high:
            continue
        if entry.fingerprint != content:
            return REQUEST_ID_REUSED
        emit_replayed(core, command, entry.order_id, entry.first_event_seq, entry.reason)
        return OK
    if not reserve_window(core, user):
        return OK
    first_event_seq: u64 = core.event_seq + 1
    reason: u32 = handle(core, command, user_index, index)
    if user.window_count < REQUEST_WINDOW:
        entry = user.window + user.window_count
        user.window_count += 1
    else:
        entry = user.window + user.window_start
        user.window_start = (user.window_start + 1) % REQUEST_WINDOW
    entry.request_low = command.request_low
    entry.request_high = command.request_high
    entry.fingerprint = content
    entry.order_id = command.order_id
    entry.first_event_seq = first_event_seq
    entry.reason = reason
    return reason


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def entry_refusal(core: CorePtr, user: u32, market: u32) -> u32:
    """Whether this user may enter or move orders in this market now."""
    if not market:
        return UNKNOWN_MARKET
    if core.users[user].status != ACTIVE:
        return USER_SUSPENDED
    return OK if core.markets[market].state == TRADING else MARKET_NOT_TRADING


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def is_within_price_filter(market: MarketPtr, price: i64) -> cython.bint:
    return market.price_min <= price <= market.price_max


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def content_refusal(core: CorePtr, command: CommandPtr, market: MarketPtr) -> u32:
    """Check id, quantity, price, ceiling and filters of a PLACE, and that its products fit."""
    if command.order_id <= 0 or find_order(core, command.order_id):
        return DUPLICATE_ORDER_ID
    if command.quantity <= 0:
        return INVALID_QUANTITY
    if command.order_type == LIMIT or command.order_type == LIMIT_MAKER:
        if command.price <= 0 or (command.ceiling and command.ceiling < command.price):
            return INVALID_PRICE
        if not is_within_price_filter(market, command.price):
            return PRICE_FILTER
    if command.quantity < market.quantity_min or command.quantity > market.quantity_max:
        return LOT_SIZE
    if product(command.quantity, market.lot_atoms) < 0:
        return OVERFLOW
    if notional_of(market, higher(command.price, command.ceiling), command.quantity) < 0:
        return OVERFLOW
    return OK


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def draft_order(core: CorePtr, command: CommandPtr, user: u32, market_index: u32) -> u32:
    """Write a new order into the next free place without taking the place: nothing has changed."""
    index: u32 = core.order_free if core.order_free else core.order_top
    market: MarketPtr = core.markets + market_index
    order: OrderPtr = core.orders + index
    terms: TermsPtr = core.terms + index
    order.order_id = command.order_id
    order.price = command.price
    order.leaves = command.quantity
    order.reserved = 0
    order.ceiling = command.ceiling
    order.level = 0
    order.user = user
    order.market = market_index
    order.is_bid = command.side == BID
    order.order_type = command.order_type
    order.is_listed = 0
    terms.quantity = command.quantity
    terms.rates[MAKER] = market.rates[MAKER]
    terms.rates[TAKER] = market.rates[TAKER]
    terms.cumulative[MAKER] = terms.cumulative[TAKER] = 0
    terms.charged[MAKER] = terms.charged[TAKER] = 0
    word: u32
    for word in range(5):
        terms.text[word] = command.text[word]
    return index


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def first_reserve(core: CorePtr, index: u32, budget: i64, sweep: SweepPtr) -> i64:
    """Return what a new order must hold, or TOO_MUCH."""
    order: OrderPtr = core.orders + index
    terms: TermsPtr = core.terms + index
    market: MarketPtr = core.markets + order.market
    if not order.is_bid:
        return order.leaves * market.lot_atoms
    if order.order_type == FOK_BUDGET:
        return with_sweep_fee(market, terms, budget, order.leaves)
    if order.order_type == MARKET:
        return with_sweep_fee(market, terms, sweep.notional, sweep.lots)
    return bid_hold(market, terms, hold_price(order), order.leaves)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def value_refusal(core: CorePtr, index: u32, budget: i64, reserve: i64) -> u32:
    """Whether an order's hold leaves int64, or its value is below the market's least notional."""
    order: OrderPtr = core.orders + index
    market: MarketPtr = core.markets + order.market
    if order.order_type == MARKET:
        return OK
    if reserve < 0:
        return OVERFLOW
    value: i64 = budget if budget else notional_of(market, order.price, order.leaves)
    return NOTIONAL if value < market.notional_min else OK


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def is_text_in_use(core: CorePtr, user: u32, text: cython.pointer(u64)) -> cython.bint:
    """Whether the user has an open order with this client order id, in any market."""
    if not has_text(text):
        return False
    key: u64 = text_key(user, text)
    slot: u64 = home_of(cython.address(core.text_table), key)
    index: u32 = next_match(cython.address(core.text_table), key, cython.address(slot))
    while index:
        if core.orders[index].user == user and is_same_text(core.terms[index].text, text):
            return True
        index = next_match(cython.address(core.text_table), key, cython.address(slot))
    return False


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def lacks_room(core: CorePtr, base_account: u32, quote_account: u32) -> cython.bint:
    """Whether one more order, or the accounts it needs and does not find, would pass a limit."""
    missing: u64 = (not base_account) + (not quote_account)
    accounts: u64 = core.account_top - 1
    return core.order_table.count >= core.open_orders_max or accounts + missing > core.accounts_max


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def place(core: CorePtr, command: CommandPtr, user: u32) -> u32:
    market_index: u32 = find_market(core, command.market_id)
    reason: u32 = entry_refusal(core, user, market_index)
    if reason:
        return reason
    market: MarketPtr = core.markets + market_index
    reason = content_refusal(core, command, market)
    if reason:
        return reason
    index: u32 = draft_order(core, command, user, market_index)
    order: OrderPtr = core.orders + index
    sweep: Sweep
    survey(core, index, cython.address(sweep))
    reserve: i64 = first_reserve(core, index, command.amount, cython.address(sweep))
    reason = value_refusal(core, index, command.amount, reserve)
    if reason:
        return reason
    if is_text_in_use(core, user, command.text):
        return DUPLICATE_CLIENT_ORDER_ID
    if order.order_type == LIMIT_MAKER and sweep.lots:
        return WOULD_TAKE
    base_account: u32 = find_account(core, command.user_id, market.base_asset_id)
    quote_account: u32 = find_account(core, command.user_id, market.quote_asset_id)
    available: i64 = available_in(core, quote_account if order.is_bid else base_account)
    if reserve < 0 or reserve > available:
        return INSUFFICIENT_BALANCE
    if lacks_room(core, base_account, quote_account):
        return CAPACITY
    if not reserve_events(core, sweep.orders + EVENTS_PER_COMMAND) or not reserve_section(
        core, side_of(core, market_index, order.is_bid)
    ):
        return OK
    accept(core, command, index, reserve)
    enter_book(core, command, index, cython.address(sweep))
    return OK


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def accept(core: CorePtr, command: CommandPtr, index: u32, reserve: i64) -> cython.void:
    """Take the drafted order's place, lock its reserve and say so."""
    order: OrderPtr = core.orders + index
    terms: TermsPtr = core.terms + index
    market: MarketPtr = core.markets + order.market
    if index == core.order_free:
        core.order_free = order.next
    else:
        core.order_top += 1
    terms.base_account = open_account(core, order.user, market.base_asset_id)
    terms.quote_account = open_account(core, order.user, market.quote_asset_id)
    order.reserved = reserve
    lock(core, held_account(core, index), reserve)
    event: EventPtr = emit(core, ORDER_ACCEPTED, order.is_bid, OK, market.market_id)
    event.body[0] = order.order_id
    event.body[1] = command.user_id
    event.body[2] = order.price
    event.body[3] = order.leaves
    event.body[4] = command.ceiling if command.ceiling else command.amount
    event.body[5] = reserve
    event.body[6] = command.order_type | command.time_in_force << 8
    put_text(event, command.text)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def enter_book(core: CorePtr, command: CommandPtr, index: u32, sweep: SweepPtr) -> cython.void:
    """Match an accepted order as its type says, then rest or expire what is left."""
    order: OrderPtr = core.orders + index
    if command.time_in_force == FOK and sweep.lots < order.leaves:
        end_order(core, index, ORDER_EXPIRED, 0, TIME_IN_FORCE)
        return
    if command.order_type == FOK_BUDGET and not is_budget_met(command, sweep):
        end_order(core, index, ORDER_EXPIRED, 0, BUDGET)
        return
    if sweep.lots:
        match(core, index)
        if sweep.lots == command.quantity:
            return
    if command.time_in_force == GTC or command.order_type == LIMIT_MAKER:
        order.is_listed = 1
        insert(cython.address(core.order_table), cython.cast(u64, order.order_id), index)
        if has_text(command.text):
            key: u64 = text_key(order.user, command.text)
            insert(cython.address(core.text_table), key, index)
        enqueue(core, index)
    else:
        end_order(core, index, ORDER_EXPIRED, 0, TIME_IN_FORCE)


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def is_budget_met(command: CommandPtr, sweep: SweepPtr) -> cython.bint:
    """Whether all of it trades at once, for at most (bid) or at least (ask) the budget."""
    if sweep.lots < command.quantity:
        return False
    if sweep.notional < 0:  # beyond int64, and so beyond any budget
        return command.side != BID
    if command.side == BID:
        return sweep.notional <= command.amount
    return sweep.notional >= command.amount


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def reduce(core: CorePtr, command: CommandPtr, index: u32) -> u32:
    """Take lots off an order, which keeps its place in the queue."""
    order: OrderPtr = core.orders + index
    market: MarketPtr = core.markets + order.market
    if command.quantity <= 0:
        return INVALID_QUANTITY
    if command.quantity >= order.leaves:
        dequeue(core, index)
        end_order(core, index, ORDER_REDUCED, 0, OK)
        return OK
    order.leaves -= command.quantity
    core.levels[order.level].lots -= command.quantity
    reserve: i64 = order.leaves * market.lot_atoms
    if order.is_bid:
        reserve = capped_hold(market, order, core.terms + index, order.reserved)
    lock(core, held_account(core, index), reserve - order.reserved)
    order.reserved = reserve
    emit_changed(core, ORDER_REDUCED, order, command.quantity, 0, OK)
    return OK


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def new_price_refusal(command: CommandPtr, market: MarketPtr, order: OrderPtr) -> u32:
    if command.price <= 0:
        return INVALID_PRICE
    if not is_within_price_filter(market, command.price):
        return PRICE_FILTER
    if command.price == order.price and not command.flags:
        return NOTHING_CHANGES
    if order.ceiling:  # up to it everything was checked when the order came in
        return PRICE_ABOVE_CEILING if command.price > order.ceiling else OK
    return OVERFLOW if notional_of(market, command.price, order.leaves) < 0 else OK


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def move(core: CorePtr, command: CommandPtr, user: u32, index: u32) -> u32:
    """Send an order to the back of another level, where it may trade as a taker."""
    market_index: u32 = find_market(core, command.market_id)
    reason: u32 = entry_refusal(core, user, market_index)
    if reason:
        return reason
    order: OrderPtr = core.orders + index
    market: MarketPtr = core.markets + market_index
    if not index or order.user != user or order.market != market_index:
        return UNKNOWN_ORDER
    reason = new_price_refusal(command, market, order)
    if reason:
        return reason
    reserve: i64 = order.reserved
    if order.is_bid and not order.ceiling:
        reserve = bid_hold(market, core.terms + index, command.price, order.leaves)
        if reserve < 0:
            return OVERFLOW
    opposite = side_of(core, market_index, not order.is_bid)
    crosses: cython.bint = opposite.best_key >= key_of(not order.is_bid, command.price)
    if crosses and order.order_type == LIMIT_MAKER:
        return WOULD_TAKE
    if reserve != order.reserved:
        if reserve - order.reserved > available_in(core, core.terms[index].quote_account):
            return INSUFFICIENT_BALANCE
    if not reserve_section(core, side_of(core, market_index, order.is_bid)):
        return OK
    if crosses and not reserve_for_taker(core, index, command.price):
        return OK
    lock(core, core.terms[index].quote_account, reserve - order.reserved)
    order.reserved = reserve
    dequeue(core, index)
    order.price = command.price
    emit_changed(core, ORDER_MOVED, order, 0, 0, OK)
    if crosses:
        match(core, index)
        if not order.leaves:
            return OK
    enqueue(core, index)
    return OK


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def reserve_for_taker(core: CorePtr, index: u32, price: i64) -> cython.bint:
    """Make room for the trades of an order that is about to be moved across the book."""
    order: OrderPtr = core.orders + index
    sweep: Sweep
    old_price: i64 = order.price
    order.price = price
    survey(core, index, cython.address(sweep))
    order.price = old_price
    return reserve_events(core, sweep.orders + EVENTS_PER_COMMAND)


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def is_same_text(first: cython.pointer(u64), second: cython.pointer(u64)) -> cython.bint:
    word: u32
    for word in range(5):
        if first[word] != second[word]:
            return False
    return True
