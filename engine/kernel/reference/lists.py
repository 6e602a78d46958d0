"""Order lists of the reference kernel: OCO, OTO and OTOCO.

A list is placed by one command, all of it or nothing. What happens to one leg is noted while it
happens and acted upon when the command, or the triggered order, that did it is done. Invariant: a
list is known as long as one of its legs is open; the legs of an OCO together hold what the dearer
one needs; a pending leg holds nothing until its working leg is filled.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from engine.kernel.codes import (
    FOK_BUDGET,
    GTC,
    GTD,
    ICEBERG,
    LIMIT,
    LIMIT_MAKER,
    LIST_ACCEPTED,
    LIST_ENDED,
    LIST_PARTNER,
    OCO,
    OK,
    ORDER_CANCELED,
    ORDER_EXPIRED,
    ORDER_TRIGGERED,
    OTO,
    OTOCO,
    PARKED,
    PLACE,
    PLACE_LEG,
    PLACE_LIST,
    STOP_LOSS,
    STOP_LOSS_LIMIT,
    WAIT_LIST,
    WAIT_STOP,
)
from engine.kernel.reference.checks import ADMIN_FORMS, NO_TEXT, Fields
from engine.kernel.reference.drafts import draft_refusal
from engine.kernel.reference.matching import end_order, take_out
from engine.kernel.reference.model import Order, User
from engine.kernel.reference.parking import is_reached, park, unpark
from engine.kernel.reference.placing import (
    accept,
    draft_listed,
    enter_book,
    enter_index,
    entry_refusal,
    filter_refusal,
    full_hold,
)
from engine.kernel.reference.requests import apply_once
from engine.kernel.reference.running import run_order
from engine.kernel.reference.timers import arm_expiry
from engine.proto.records import INT64_MAX, NO_REQUEST_ID, Reason

if TYPE_CHECKING:
    from engine.kernel.reference.exchange import Exchange
    from engine.kernel.reference.model import Market, OrderList

_LEGS: Final = {OCO: 2, OTO: 2, OTOCO: 3}
_OF_AN_OCO: Final = (STOP_LOSS, STOP_LOSS_LIMIT)


def apply_place_list(x: Exchange, fields: Fields) -> int:
    """Check form, user and request id of a PLACE_LIST, then place its legs."""
    reason = ADMIN_FORMS[PLACE_LIST](fields)
    if reason:
        return reason
    user = x.users.get(fields[8])
    if user is None:
        return Reason.UNKNOWN_USER
    if fields[15] != NO_REQUEST_ID:
        return apply_once(x, user, fields, partial(_place_list, x, user, fields))
    return _place_list(x, user, fields)


def _place_list(x: Exchange, user: User, fields: Fields) -> int:
    list_type, legs = fields[2], list(x.draft)
    reason = draft_refusal(x, PLACE_LEG, fields) or _shape_refusal(list_type, legs)
    if reason:
        return reason
    is_pending = [list_type != OCO and place > 0 for place in range(len(legs))]
    for leg, pends in zip(legs, is_pending, strict=True):
        reason = _leg_refusal(x, user, leg, pends=pends)
        if reason:
            return reason
    market = x.markets[fields[6]]
    orders = [draft_listed(x, user, leg, legs[0][9]) for leg in legs]
    reason = _room_refusal(x, market, user, orders, is_pending)
    if reason:
        return reason
    made = x.new_list(legs[0][9], user, market, list_type, [leg[9] for leg in legs], fields[16])
    _say(x, LIST_ACCEPTED, made)
    covered = 0
    for order, leg, pends in zip(orders, legs, is_pending, strict=True):
        need = 0 if pends else full_hold(order)
        _enter(x, order, leg, max(0, need - covered), pends=pends)
        covered += need
    return OK


def _shape_refusal(list_type: int, legs: list[Fields]) -> int:
    """Whether these legs do not make such a list."""
    if len(legs) != _LEGS[list_type]:
        return Reason.INVALID_LIST
    if any(leg[15] != NO_REQUEST_ID or leg[4] & ICEBERG or leg[2] == FOK_BUDGET for leg in legs):
        return Reason.INVALID_LIST
    if any(leg[11] <= 0 for leg in legs):
        return Reason.INVALID_QUANTITY
    if list_type != OCO and not (
        (legs[0][2] == LIMIT and legs[0][3] in (GTC, GTD)) or legs[0][2] == LIMIT_MAKER
    ):
        return Reason.INVALID_LIST
    if list_type != OTO:
        limit, stop = legs[-2:]
        is_pair = limit[2] == LIMIT_MAKER and stop[2] in _OF_AN_OCO
        if not is_pair or limit[1] != stop[1] or limit[11] != stop[11]:
            return Reason.INVALID_LIST
    if len({leg[9] for leg in legs}) != len(legs):
        return Reason.DUPLICATE_ORDER_ID
    texts = [leg[16] for leg in legs if leg[16] != NO_TEXT]
    return Reason.DUPLICATE_CLIENT_ORDER_ID if len(set(texts)) != len(texts) else OK


def _leg_refusal(x: Exchange, user: User, leg: Fields, *, pends: bool) -> int:
    """Check a leg by itself; whether a pending one would trade at once is asked later."""
    reason = filter_refusal(x, user, leg)
    if reason and not (pends and reason == Reason.WOULD_TRIGGER):
        return reason
    if leg[16] != NO_TEXT and (user.user_id, leg[16]) in x.open_texts:
        return Reason.DUPLICATE_CLIENT_ORDER_ID
    if pends or leg[2] != LIMIT_MAKER:
        return OK
    order = draft_listed(x, user, leg, 0)
    return Reason.WOULD_TAKE if order.crosses(leg[10]) else OK


def _room_refusal(
    x: Exchange, market: Market, user: User, orders: list[Order], is_pending: list[bool]
) -> int:
    """Whether the dearest of the legs that begin at once is too dear, or there is no room."""
    need = max(
        full_hold(order) for order, pends in zip(orders, is_pending, strict=True) if not pends
    )
    base_id, quote_id = market.base.asset_id, market.quote.asset_id
    held = x.accounts.get((user.user_id, quote_id if orders[0].is_bid else base_id))
    if need > (held.available if held else 0):
        return Reason.INSUFFICIENT_BALANCE
    is_full = len(x.orders) + len(orders) > x.limits.open_orders_max
    lacks_room = x.lacks_room_for_accounts(user.user_id, base_id, quote_id)
    return Reason.CAPACITY if is_full or lacks_room else OK


def _enter(x: Exchange, order: Order, leg: Fields, reserve: int, *, pends: bool) -> None:
    extra = order.extra
    assert extra
    order.base, order.quote = x.open_accounts(order.market, order.user.user_id)
    if pends:
        extra.wait = WAIT_LIST
    elif order.order_type >= STOP_LOSS:
        extra.wait = WAIT_STOP
    accept(x, order, reserve, order.ceiling, leg[2] | leg[3] << 8)
    if not extra.wait:
        enter_book(x, order, leg[3], 0)
        return
    enter_index(x, order)
    if pends:
        order.market.parked[order.order_id] = order
    else:
        park(x, order, extra)
    arm_expiry(x, order)


def _say(x: Exchange, kind: int, each: OrderList) -> None:
    legs = (*each.legs, 0)[:3]
    x.emit(
        kind,
        each.market.market_id,
        0,
        OK,
        each.list_id,
        each.user.user_id,
        each.list_type,
        len(each.legs),
        *legs,
        each.text,
    )


def settle_lists(x: Exchange) -> None:
    """Act upon what was noted of lists, by list id, until nothing follows from it any more."""
    while x.noted:
        list_id = min(x.noted)
        x.noted.discard(list_id)
        each = x.lists.get(list_id)
        if each is None:
            continue
        _settle(x, each)
        if not _open_legs(x, each) and list_id not in x.noted:
            _say(x, LIST_ENDED, each)
            del x.lists[list_id]


def _open_legs(x: Exchange, each: OrderList) -> list[Order]:
    return [x.orders[leg] for leg in each.legs if leg in x.orders]


def _settle(x: Exchange, each: OrderList) -> None:
    legs = _open_legs(x, each)
    if each.list_type != OCO and not each.is_active:
        if each.is_filled:
            each.is_active = True
            _activate(x, each, legs)
        elif len(legs) < len(each.legs):
            _cancel_legs(x, legs)
        return
    if each.list_type == OTO or each.is_loose:
        return
    pair = [leg for leg in legs if leg.order_id in each.legs[-2:]]
    if each.has_traded or len(pair) < 2:
        each.is_loose = True
        limit_id = each.legs[-2]
        _cancel_legs(x, [leg for leg in pair if not each.has_traded or leg.order_id != limit_id])


def _cancel_legs(x: Exchange, legs: list[Order]) -> None:
    for order in legs:
        end_order(x, order, ORDER_CANCELED, flags=take_out(x, order), reason=LIST_PARTNER)


def part_from_list(x: Exchange, order: Order, list_id: int) -> None:
    """Let the stop leg of an OCO, which is triggered, go on without the other leg (rule 27)."""
    each = x.lists[list_id]
    if each.list_type == OTO or each.is_loose or order.order_id != each.legs[-1]:
        return
    each.is_loose = True
    _cancel_legs(x, [leg for leg in _open_legs(x, each) if leg is not order])
    _lock(order, full_hold(order) - order.reserved)


def _lock(order: Order, more: int) -> None:
    (order.quote if order.is_bid else order.base).reserve(more)
    order.reserved += more


def _activate(x: Exchange, each: OrderList, orders: list[Order]) -> None:
    """Let the pending legs begin; all of them end if one cannot (rule 27)."""
    reason, need = OK, 0
    for order in orders:
        reason = reason or _start_refusal(x, order)
        need = max(need, full_hold(order))
    if not orders:
        return
    account = orders[0].quote if orders[0].is_bid else orders[0].base
    if not reason and need > min(account.available, INT64_MAX):
        reason = Reason.INSUFFICIENT_BALANCE if need <= INT64_MAX else Reason.OVERFLOW
    if reason:
        for order in orders:
            end_order(x, order, ORDER_EXPIRED, flags=take_out(x, order), reason=reason)
        return
    covered = 0
    for order in orders:
        hold = full_hold(order)
        _lock(order, max(0, hold - covered))
        covered += hold
        _start(x, order)
    extra = orders[0].extra
    is_taker = orders[0].order_type != LIMIT_MAKER and extra is not None and not extra.wait
    if each.list_type == OTO and extra and is_taker:
        run_order(x, orders[0], extra)


def _start_refusal(x: Exchange, order: Order) -> int:
    """Whether a pending leg cannot begin now."""
    extra, market = order.extra, order.market
    assert extra
    reason = entry_refusal(x, order.user, market, (PLACE, 0, order.order_type, extra.time_in_force))
    if reason:
        return reason
    if order.order_type == LIMIT_MAKER:
        return Reason.WOULD_TAKE if order.crosses(order.price) else OK
    last = market.last_price_ticks
    if order.order_type < STOP_LOSS or extra.delta_bips or not last:
        return OK
    return Reason.WOULD_TRIGGER if is_reached(order, extra.stop_price, last) else OK


def _start(x: Exchange, order: Order) -> None:
    """Say that a pending leg begins, and let it rest or wait for its stop price."""
    extra = order.extra
    assert extra
    unpark(x, order)
    if order.order_type >= STOP_LOSS:
        x.emit_changed(ORDER_TRIGGERED, order, 0, PARKED)
        park(x, order, extra)
        return
    x.emit_changed(ORDER_TRIGGERED, order, 0, 0)
    if order.order_type == LIMIT_MAKER:
        order.side.add(order)
