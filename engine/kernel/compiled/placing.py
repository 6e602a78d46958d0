# mypy: ignore-errors
# ruff: noqa: F821  (a bare annotation declares a C variable)
"""PLACE: what is checked, in which order, and how an accepted order enters the book.

Everything is decided on a draft that takes no place yet; so a refused order leaves nothing behind.
Invariant: an accepted order has its whole reserve locked before it meets the book.
"""

import cython

from engine.kernel.codes import (
    BID,
    BUDGET,
    CAPACITY,
    DUPLICATE_CLIENT_ORDER_ID,
    DUPLICATE_ORDER_ID,
    FOK,
    FOK_BUDGET,
    GTC,
    GTD,
    ICEBERG,
    IN_SESSION,
    INSUFFICIENT_BALANCE,
    INVALID_EXPIRE_TIME,
    INVALID_ICEBERG,
    INVALID_PRICE,
    INVALID_QUANTITY,
    LIMIT,
    LIMIT_MAKER,
    LOT_SIZE,
    MARKET,
    NOTIONAL,
    OK,
    ORDER_ACCEPTED,
    ORDER_EXPIRED,
    OVERFLOW,
    PARKED,
    PERCENT_PRICE,
    PRICE_FILTER,
    STOP_LOSS,
    STOP_LOSS_LIMIT,
    TAKE_PROFIT_LIMIT,
    TIME_IN_FORCE,
    UNKNOWN_SESSION,
    WOULD_TAKE,
)
from engine.kernel.compiled.accounts import available_in, find_account, lock, open_account
from engine.kernel.compiled.bands import band_refusal
from engine.kernel.compiled.bounds import bounds_refusal, is_bounded
from engine.kernel.compiled.events import emit, put_text
from engine.kernel.compiled.extras import (
    arm_expiry,
    emit_terms,
    open_session,
    reserve_extras,
    take_extra,
)
from engine.kernel.compiled.fees import (
    bid_hold,
    higher,
    hold_price,
    notional_of,
    product,
    with_sweep_fee,
)
from engine.kernel.compiled.gates import entry_refusal
from engine.kernel.compiled.icebergs import begin_iceberg, fit_shown, is_too_fine
from engine.kernel.compiled.layout import (
    CommandPtr,
    CorePtr,
    EventPtr,
    ExtraPtr,
    MarketPtr,
    OrderPtr,
    Sweep,
    SweepPtr,
    TermsPtr,
    i64,
    u8,
    u32,
    u64,
)
from engine.kernel.compiled.levels import enqueue, reserve_section, side_of
from engine.kernel.compiled.lookups import find_market, find_order
from engine.kernel.compiled.matching import end_order, held_account, is_crossing, match, survey
from engine.kernel.compiled.memory import reserve_events
from engine.kernel.compiled.rates import take_own_rates
from engine.kernel.compiled.symbols import (
    EVENTS_PER_COMMAND,
    GATE_FEES,
    MAKER,
    TAKER,
    TRAIT_AMOUNT,
    TRAIT_EXTRA,
    TRAIT_ICEBERG,
    TRAIT_LIST,
)
from engine.kernel.compiled.tables import home_of, insert, next_match
from engine.kernel.compiled.texts import copy_text, has_text, is_same_text, text_key
from engine.kernel.compiled.triggers import place_stop, stop_filter_refusal


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def is_within_price_filter(market: MarketPtr, price: i64) -> cython.bint:
    return market.price_min <= price <= market.price_max


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def has_price(order_type: u32) -> cython.bint:
    """Whether orders of this type have a limit price."""
    if order_type in (LIMIT, LIMIT_MAKER):
        return True
    return order_type in (STOP_LOSS_LIMIT, TAKE_PROFIT_LIMIT)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def content_refusal(core: CorePtr, command: CommandPtr, market: MarketPtr) -> u32:
    """Check id, quantity, price, ceiling and filters of a PLACE, and that its products fit."""
    ceiling: i64 = 0 if command.flags & ICEBERG else command.ceiling
    if command.order_id <= 0 or find_order(core, command.order_id):
        return DUPLICATE_ORDER_ID
    if command.order_type == MARKET and command.amount:
        return OK  # by amount: the book says how many lots that is
    if command.quantity <= 0:
        return INVALID_QUANTITY
    if has_price(command.order_type):
        if command.price <= 0 or (ceiling and ceiling < command.price):
            return INVALID_PRICE
        if not is_within_price_filter(market, command.price):
            return PRICE_FILTER
        if market.has_bands and band_refusal(market, command.side, command.price):
            return PERCENT_PRICE
    if command.quantity < market.quantity_min or command.quantity > market.quantity_max:
        return LOT_SIZE
    if command.flags & ICEBERG and is_too_fine(command.quantity, command.ceiling):
        return INVALID_ICEBERG
    if product(command.quantity, market.lot_atoms) < 0:
        return OVERFLOW
    if notional_of(market, higher(command.price, ceiling), command.quantity) < 0:
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
    order.ceiling = 0 if command.flags & ICEBERG else command.ceiling
    order.level = 0
    order.user = user
    order.market = market_index
    order.is_bid = command.side == BID
    order.order_type = command.order_type
    order.is_listed = 0
    order.traits = cython.cast(u8, command.stp)
    if command.order_type == MARKET and command.amount:
        order.traits |= TRAIT_AMOUNT
    terms.quantity = command.quantity
    terms.rates[MAKER] = market.rates[MAKER]
    terms.rates[TAKER] = market.rates[TAKER]
    if core.users[user].gate & GATE_FEES:
        take_own_rates(core, user, market, terms)
    terms.cumulative[MAKER] = terms.cumulative[TAKER] = 0
    terms.charged[MAKER] = terms.charged[TAKER] = 0
    copy_text(terms.text, command.text)
    return index


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def extra_refusal(core: CorePtr, command: CommandPtr) -> u32:
    """Say why an order cannot end by itself as it wishes; make room for what it then has."""
    if command.time_in_force == GTD and command.spare <= core.time_us:
        return INVALID_EXPIRE_TIME
    if command.flags & IN_SESSION and not open_session(core, command.user_id):
        return UNKNOWN_SESSION
    reserve_extras(core, 1)
    return OK


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def add_extra(core: CorePtr, command: CommandPtr, index: u32) -> cython.void:
    """Note when an order is to end by itself."""
    extra: ExtraPtr = take_extra(core, index)
    extra.time_in_force = command.time_in_force
    extra.expire = command.spare
    if command.order_type >= STOP_LOSS:
        extra.stop = command.amount
        extra.delta = command.asset_id
    if core.placing_list:
        extra.list_id = core.placing_list
        core.orders[index].traits |= TRAIT_LIST
    if command.flags & IN_SESSION:
        extra.session_id = open_session(core, command.user_id)
    if command.flags & ICEBERG:
        begin_iceberg(core, index, command.ceiling)


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
    if order.traits & TRAIT_AMOUNT:
        return budget
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
    value: i64 = budget
    if order.order_type == MARKET:
        if product(order.leaves, market.lot_atoms) < 0:
            return OVERFLOW
        if not budget:
            value = notional_of(market, market.last_price, order.leaves)
        return bounds_refusal(core, index, value, cython.NULL, 0) if is_bounded(market) else OK
    if reserve < 0:
        return OVERFLOW
    if not budget:
        value = notional_of(market, order.price, order.leaves)
    if value < market.notional_min:
        return NOTIONAL
    return bounds_refusal(core, index, value, cython.NULL, 0) if is_bounded(market) else OK


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
    if command.order_type >= STOP_LOSS:
        return place_stop(core, command, user)
    market_index: u32 = find_market(core, command.market_id)
    reason: u32 = entry_refusal(core, command, user, market_index)
    if reason:
        return reason
    market: MarketPtr = core.markets + market_index
    reason = content_refusal(core, command, market)
    if not reason and (command.flags or command.spare or command.time_in_force == GTD):
        reason = extra_refusal(core, command)
    if reason or core.is_out_of_memory:
        return reason
    index: u32 = draft_order(core, command, user, market_index)
    order: OrderPtr = core.orders + index
    sweep: Sweep
    sweep.amount = command.amount
    survey(core, index, cython.address(sweep))
    if order.traits & TRAIT_AMOUNT:
        order.leaves = core.terms[index].quantity = sweep.quantity
    reserve: i64 = first_reserve(core, index, command.amount, cython.address(sweep))
    reason = value_refusal(core, index, command.amount, reserve)
    if reason:
        return reason
    if is_text_in_use(core, user, command.text):
        return DUPLICATE_CLIENT_ORDER_ID
    if order.order_type == LIMIT_MAKER and is_crossing(core, order):
        return WOULD_TAKE
    base_account: u32 = find_account(core, command.user_id, market.base_asset_id)
    quote_account: u32 = find_account(core, command.user_id, market.quote_asset_id)
    available: i64 = available_in(core, quote_account if order.is_bid else base_account)
    if reserve < 0 or reserve > available:
        return INSUFFICIENT_BALANCE
    if lacks_room(core, base_account, quote_account):
        return CAPACITY
    if not reserve_events(core, sweep.events + EVENTS_PER_COMMAND) or not reserve_section(
        core, side_of(core, market_index, order.is_bid)
    ):
        return OK
    accept(core, command, index, reserve)
    enter_book(core, command, index, cython.address(sweep))
    return OK


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def filter_refusal(core: CorePtr, command: CommandPtr, user: u32) -> u32:
    """Say why an order could not be placed whatever rests or is held now."""
    market_index: u32 = find_market(core, command.market_id)
    reason: u32 = entry_refusal(core, command, user, market_index)
    if not reason:
        reason = content_refusal(core, command, core.markets + market_index)
    is_stop: cython.bint = command.order_type >= STOP_LOSS
    if not reason and (command.flags or command.spare or is_stop or command.time_in_force == GTD):
        reason = extra_refusal(core, command)
    if reason:
        return reason
    index: u32 = draft_order(core, command, user, market_index)
    if is_stop:
        return stop_filter_refusal(core, command, index)
    sweep: Sweep
    sweep.amount = command.amount
    survey(core, index, cython.address(sweep))
    if core.orders[index].traits & TRAIT_AMOUNT:
        core.orders[index].leaves = core.terms[index].quantity = sweep.quantity
    reserve: i64 = first_reserve(core, index, command.amount, cython.address(sweep))
    return value_refusal(core, index, command.amount, reserve)


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
    is_parked: cython.bint = command.order_type >= STOP_LOSS or core.placing_pending != 0
    if command.flags or command.spare or is_parked or core.placing_list:
        add_extra(core, command, index)
    if order.traits:
        emit_terms(core, index, command)
    flags: u32 = order.is_bid
    if is_parked:
        flags |= PARKED
    event: EventPtr = emit(core, ORDER_ACCEPTED, flags, OK, market.market_id)
    event.body[0] = order.order_id
    event.body[1] = command.user_id
    event.body[2] = order.price
    event.body[3] = order.leaves
    event.body[4] = order.ceiling
    if command.order_type == FOK_BUDGET:
        event.body[4] = command.amount
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
    if order.leaves and is_crossing(core, order):
        match(core, index)
        if not order.leaves:
            return
    if command.time_in_force == GTC or command.order_type == LIMIT_MAKER or command.spare:
        rest(core, index)
    else:
        end_order(core, index, ORDER_EXPIRED, 0, TIME_IN_FORCE)


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def rest(core: CorePtr, index: u32) -> cython.void:
    """Put an order that stays into the book, its ids in use."""
    enter_index(core, index)
    if core.orders[index].traits & TRAIT_ICEBERG:
        fit_shown(core, index)
    enqueue(core, index)
    if core.orders[index].traits & TRAIT_EXTRA:
        arm_expiry(core, index)


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def enter_index(core: CorePtr, index: u32) -> cython.void:
    """Let an open order be found by its ids."""
    order: OrderPtr = core.orders + index
    terms: TermsPtr = core.terms + index
    order.is_listed = 1
    insert(cython.address(core.order_table), cython.cast(u64, order.order_id), index)
    if has_text(terms.text):
        insert(cython.address(core.text_table), text_key(order.user, terms.text), index)


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
