"""PLACE: what is checked, in which order, and how an accepted order enters the book.

Everything is decided before anything changes. Invariant: an accepted order has its whole reserve
locked before it meets the book.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from engine.kernel.codes import (
    ACTIVE,
    BID,
    BIPS,
    FOK,
    FOK_BUDGET,
    GTC,
    GTD,
    ICEBERG,
    IN_SESSION,
    LIMIT,
    LIMIT_MAKER,
    MARKET,
    OK,
    ORDER_EXPIRED,
    STOP_LOSS,
    STOP_LOSS_LIMIT,
    TAKE_PROFIT_LIMIT,
    TRAILING_DELTA_BIPS_MAX,
    WAIT_STOP,
)
from engine.kernel.reference.bands import band_refusal
from engine.kernel.reference.bounds import bounds_refusal
from engine.kernel.reference.checks import NO_TEXT, Fields, place_form
from engine.kernel.reference.drafts import take_leg
from engine.kernel.reference.exchange import Exchange
from engine.kernel.reference.fees import bid_hold, sweep_fee
from engine.kernel.reference.icebergs import fit_shown, is_too_fine
from engine.kernel.reference.matching import end_order, match
from engine.kernel.reference.model import NO_BANDS, Extra, Market, Order, User
from engine.kernel.reference.parking import is_reached, park
from engine.kernel.reference.requests import apply_once
from engine.kernel.reference.survey import survey
from engine.kernel.reference.timers import arm_expiry, open_session
from engine.kernel.states import MATRIX, ask_of
from engine.proto.records import INT64_MAX, NO_REQUEST_ID, PPM, MarketState, Reason

_PRICED: Final = (LIMIT, LIMIT_MAKER, STOP_LOSS_LIMIT, TAKE_PROFIT_LIMIT)
_RESTING: Final = (GTC, GTD)


def apply_place(x: Exchange, fields: Fields) -> int:
    """Check form, user and request id of a PLACE, then place the order."""
    if fields[9] > x.last_order_id:
        x.last_order_id = fields[9]
    reason = place_form(fields)
    if reason:
        return reason
    user = x.users.get(fields[8])
    if user is None:
        return Reason.UNKNOWN_USER
    act = _place_stop if fields[2] >= STOP_LOSS else _place_now
    if fields[15] == NO_REQUEST_ID:
        return act(x, user, fields)
    return apply_once(x, user, fields, partial(act, x, user, fields))


def apply_place_leg(x: Exchange, fields: Fields) -> int:
    """Check form of a PLACE_LEG and hold it back; all else is for the command that takes it."""
    if fields[9] > x.last_order_id:
        x.last_order_id = fields[9]
    return place_form(fields) or take_leg(x, fields)


def place(x: Exchange, user: User, fields: Fields) -> int:
    """Place an order in the book, or let it wait for its stop price."""
    return (_place_stop if fields[2] >= STOP_LOSS else _place_now)(x, user, fields)


def _place_now(x: Exchange, user: User, fields: Fields) -> int:
    order_type, tif, market_id, user_id, budget, text = (
        *(fields[2], fields[3], fields[6], fields[8], fields[12], fields[16]),
    )
    market = x.markets.get(market_id)
    if market is None:
        return Reason.UNKNOWN_MARKET
    if user.is_barred or market.is_barred or x.is_killed:
        reason = entry_refusal(x, user, market, fields)
        if reason:
            return reason
    reason = _content_refusal(x, market, fields)
    if reason:
        return reason
    order = _draft(market, user, fields)
    reason = _add_extra(x, order, fields) if fields[4] or tif == GTD else OK
    reserve = _first_reserve(order, budget)
    reason = reason or _value_refusal(order, budget, reserve) or _bounds_refusal(x, order, budget)
    if reason:
        return reason
    if text != NO_TEXT and (user_id, text) in x.open_texts:
        return Reason.DUPLICATE_CLIENT_ORDER_ID
    if order_type == LIMIT_MAKER and order.crosses(order.price):
        return Reason.WOULD_TAKE
    accounts = market.accounts.get(user_id)
    if accounts is None:
        reason = _first_order_refusal(x, order, reserve)
        if reason:
            return reason
        accounts = x.open_accounts(market, user_id)
    elif reserve > accounts[order.is_bid].available:
        return Reason.INSUFFICIENT_BALANCE
    elif len(x.orders) >= x.limits.open_orders_max:
        return Reason.CAPACITY
    order.base, order.quote = accounts
    bound = order.ceiling or (0 if order_type == MARKET else budget)
    accept(x, order, reserve, bound, order_type | tif << 8)
    enter_book(x, order, tif, budget)
    return OK


def filter_refusal(x: Exchange, user: User, fields: Fields) -> int:
    """Say why an order could not be placed whatever rests or is held now."""
    market = x.markets.get(fields[6])
    if market is None:
        return Reason.UNKNOWN_MARKET
    reason = entry_refusal(x, user, market, fields) or _content_refusal(x, market, fields)
    if reason:
        return reason
    order = _draft(market, user, fields)
    if fields[2] >= STOP_LOSS:
        return _stop_filter_refusal(x, order, fields)
    if fields[4] or fields[3] == GTD:
        reason = _add_extra(x, order, fields)
    return (
        reason
        or _value_refusal(order, fields[12], _first_reserve(order, fields[12]))
        or _bounds_refusal(x, order, fields[12])
    )


def _place_stop(x: Exchange, user: User, fields: Fields) -> int:
    """Park an order until its stop price; it holds from now on what it will need then (rule 27)."""
    market = x.markets.get(fields[6])
    if market is None:
        return Reason.UNKNOWN_MARKET
    order = _draft(market, user, fields)
    reason = entry_refusal(x, user, market, fields) or _stop_filter_refusal(x, order, fields)
    if reason:
        return reason
    if order.text != NO_TEXT and (user.user_id, order.text) in x.open_texts:
        return Reason.DUPLICATE_CLIENT_ORDER_ID
    reserve = _first_reserve(order, 0)
    reason = _first_order_refusal(x, order, reserve)
    if reason:
        return reason
    order.base, order.quote = x.open_accounts(market, user.user_id)
    assert order.extra
    order.extra.wait = WAIT_STOP
    accept(x, order, reserve, order.ceiling, fields[2] | fields[3] << 8)
    enter_index(x, order)
    park(x, order, order.extra)
    arm_expiry(x, order)
    return OK


def _stop_filter_refusal(x: Exchange, order: Order, fields: Fields) -> int:
    """Check all of a stop order that does not depend on what its user has; note what it holds."""
    market = order.market
    reason = (
        _content_refusal(x, market, fields)
        or _add_extra(x, order, fields)
        or _stop_refusal(order, fields[12], fields[7])
    )
    if reason:
        return reason
    worst = order.price or _worst_price(market, fields[12], fields[7])
    if order.is_bid and not order.price:
        order.ceiling = worst
    value = (order.price or fields[12] or worst) * order.quantity * market.tick_lot_atoms
    if _first_reserve(order, 0) > INT64_MAX or value > INT64_MAX:
        return Reason.OVERFLOW
    if 0 < value < market.notional_min:
        return Reason.NOTIONAL
    return bounds_refusal(x, order, value)


def draft_listed(x: Exchange, user: User, fields: Fields, list_id: int) -> Order:
    """Make the order of a leg that is checked."""
    market = x.markets[fields[6]]
    order = _draft(market, user, fields)
    _add_extra(x, order, fields)
    assert order.extra
    order.extra.list_id = list_id
    if fields[2] >= STOP_LOSS:
        order.extra.stop_price, order.extra.delta_bips = fields[12], fields[7]
        if order.is_bid and not order.price:
            order.ceiling = _worst_price(market, fields[12], fields[7])
    return order


def full_hold(order: Order) -> int:
    """Return what a leg must hold to trade all of it."""
    return _first_reserve(order, 0)


def _stop_refusal(order: Order, stop_price: int, delta_bips: int) -> int:
    """Check stop price and trailing delta, and that the last price is not beyond the stop."""
    market, extra = order.market, order.extra
    assert extra
    if delta_bips > TRAILING_DELTA_BIPS_MAX:
        return Reason.INVALID_TRAILING_DELTA
    if stop_price < 0 or not (stop_price or delta_bips):
        return Reason.INVALID_STOP_PRICE
    if stop_price and not market.price_min <= stop_price <= market.price_max:
        return Reason.INVALID_STOP_PRICE
    extra.stop_price, extra.delta_bips = stop_price, delta_bips
    last = market.last_price_ticks
    if not stop_price and not last and order.is_bid and not order.price:
        return Reason.INVALID_STOP_PRICE  # nothing says what it would have to hold
    is_beyond = last and not delta_bips and is_reached(order, stop_price, last)
    return Reason.WOULD_TRIGGER if is_beyond else OK


def _worst_price(market: Market, stop_price: int, delta_bips: int) -> int:
    """Return the price up to which an order with a stop and without a limit holds (rule 6)."""
    worst = -(-(stop_price or market.last_price_ticks) * (BIPS + delta_bips) // BIPS)
    return -(-worst * (PPM + market.bands.slippage_ppm) // PPM)


def _draft(market: Market, user: User, fields: Fields) -> Order:
    """Make the order that a PLACE describes; one by amount gets the lots that it is worth now."""
    (_, side, order_type, _, flags, stp, _, _, _, order_id, price, quantity, amount, ceiling, _, _,
     text) = fields  # fmt: skip
    if flags & ICEBERG:
        ceiling = 0
    order = Order(market, user, order_id, order_type, side == BID, price, quantity, ceiling, text)
    order.stp = stp
    if order_type == MARKET and amount:
        order.quote_atoms = amount
        order.quantity = order.leaves = survey(order, 0).quantity
    return order


def _bounds_refusal(x: Exchange, order: Order, amount: int) -> int:
    """As `bounds_refusal`; a MARKET order by quantity is worth what the last trade says."""
    price = order.market.last_price_ticks if order.order_type == MARKET else order.price
    return bounds_refusal(x, order, amount or price * order.quantity * order.market.tick_lot_atoms)


def _value_refusal(order: Order, budget: int, reserve: int) -> int:
    """Whether what an order is worth leaves int64, or is below the market's least notional."""
    market = order.market
    if order.order_type == MARKET:
        return Reason.OVERFLOW if order.quantity * market.lot_atoms > INT64_MAX else OK
    if reserve > INT64_MAX:
        return Reason.OVERFLOW
    notional = budget or order.price * order.quantity * market.tick_lot_atoms
    return Reason.NOTIONAL if notional < market.notional_min else OK


def accept(x: Exchange, order: Order, reserve: int, bound: int, terms: int) -> None:
    """Lock what the order holds and say that it is in."""
    (order.quote if order.is_bid else order.base).reserve(reserve)
    order.reserved = reserve
    x.emit_accepted(order, bound, terms)


def _first_order_refusal(x: Exchange, order: Order, reserve: int) -> int:
    """As for any order, for a user whose accounts in this market may not be open yet."""
    user_id, base_id = order.user.user_id, order.market.base.asset_id
    quote_id = order.market.quote.asset_id
    held = x.accounts.get((user_id, quote_id if order.is_bid else base_id))
    if reserve > (held.available if held else 0):
        return Reason.INSUFFICIENT_BALANCE
    is_full = len(x.orders) >= x.limits.open_orders_max
    return (
        Reason.CAPACITY if is_full or x.lacks_room_for_accounts(user_id, base_id, quote_id) else OK
    )


def entry_refusal(x: Exchange, user: User, market: Market, fields: Fields) -> int:
    """Whether this user may not enter or change an order so in this market now."""
    if user.status != ACTIVE:
        return Reason.USER_SUSPENDED
    if user.is_killed or market.is_killed or x.is_killed:
        return Reason.KILL_SWITCH
    return MATRIX[MarketState(market.state)][ask_of(fields[0], fields[2], fields[3])]


def _content_refusal(x: Exchange, market: Market, fields: Fields) -> int:
    """Check id, quantity, price, ceiling and filters of a PLACE, and lots x lot."""
    order_id, price, quantity, ceiling = fields[9], fields[10], fields[11], fields[13]
    displayed = 0
    if fields[4] & ICEBERG:
        ceiling, displayed = 0, ceiling
    if order_id <= 0 or order_id in x.orders:
        return Reason.DUPLICATE_ORDER_ID
    if fields[2] == MARKET and fields[12]:
        return OK  # by amount: the book says how many lots that is
    if quantity <= 0:
        return Reason.INVALID_QUANTITY
    if fields[2] in _PRICED:
        if price <= 0 or (ceiling and ceiling < price):
            return Reason.INVALID_PRICE
        if not market.price_min <= price <= market.price_max:
            return Reason.PRICE_FILTER
        if market.bands is not NO_BANDS and band_refusal(market, price, is_bid=fields[1] == BID):
            return Reason.PERCENT_PRICE
    if not market.quantity_min <= quantity <= market.quantity_max:
        return Reason.LOT_SIZE
    if displayed and is_too_fine(quantity, displayed):
        return Reason.INVALID_ICEBERG
    notional = (ceiling or price) * quantity * market.tick_lot_atoms
    if quantity * market.lot_atoms > INT64_MAX or notional > INT64_MAX:
        return Reason.OVERFLOW
    return OK


def _add_extra(x: Exchange, order: Order, fields: Fields) -> int:
    """Note when an order is to end by itself, or say why it cannot."""
    extra = order.extra = Extra(fields[3])
    extra.expire_time_us = fields[14]
    if fields[3] == GTD and extra.expire_time_us <= x.time_us:
        return Reason.INVALID_EXPIRE_TIME
    if fields[4] & ICEBERG:
        extra.display_lots = extra.shown_lots = fields[13]
    if fields[4] & IN_SESSION:
        extra.session_id = open_session(x, order.user.user_id)
        return OK if extra.session_id else Reason.UNKNOWN_SESSION
    return OK


def _first_reserve(order: Order, budget: int) -> int:
    """Return what the order must hold at acceptance."""
    if not order.is_bid:
        return order.quantity * order.market.lot_atoms
    if order.quote_atoms:
        return order.quote_atoms
    if order.order_type == FOK_BUDGET:
        return budget + sweep_fee(order, budget, order.quantity)
    if order.order_type == MARKET:
        lots, notional, _ = survey(order, 0)
        return notional + sweep_fee(order, notional, lots)
    return bid_hold(order, order.hold_price, order.quantity)


def enter_book(x: Exchange, order: Order, tif: int, budget: int) -> None:
    """Match an accepted order as its type says, then rest or expire what is left."""
    if tif == FOK and survey(order, order.price).lots < order.quantity:
        end_order(x, order, ORDER_EXPIRED, reason=Reason.TIME_IN_FORCE)
        return
    if order.order_type == FOK_BUDGET and not _is_budget_met(order, budget):
        end_order(x, order, ORDER_EXPIRED, reason=Reason.BUDGET)
        return
    if order.leaves and order.crosses(order.price):
        match(x, order)
        if not order.leaves:
            return
    if tif in _RESTING or order.order_type == LIMIT_MAKER:
        rest(x, order)
    else:
        end_order(x, order, ORDER_EXPIRED, reason=Reason.TIME_IN_FORCE)


def rest(x: Exchange, order: Order) -> None:
    """Put an order that stays into the book, its ids in use."""
    enter_index(x, order)
    order.side.add(order)
    if order.extra:
        fit_shown(order)
        arm_expiry(x, order)


def enter_index(x: Exchange, order: Order) -> None:
    """Let an open order be found by its ids."""
    x.orders[order.order_id] = order
    if order.text != NO_TEXT:
        x.open_texts.add((order.user.user_id, order.text))


def _is_budget_met(order: Order, budget: int) -> bool:
    """Whether all of it trades at once, for at most (bid) or at least (ask) the budget."""
    lots, notional, _ = survey(order, 0)
    if lots < order.quantity:
        return False
    return notional <= budget if order.is_bid else notional >= budget
