"""Rules 18 to 21: amends of quantity and price, and cancels with a restriction."""

from typing import Any

import pytest

from engine.proto.records import (
    INT64_MAX,
    Command,
    CommandFlag,
    CommandType,
    EventFlag,
    EventType,
    MarketState,
    OrderChanged,
    Reason,
    StpMode,
    UserStatus,
)
from tests.unit.kernel.desk import (
    ALICE,
    ASK,
    BID,
    BOB,
    BTC,
    LOT,
    MARKET,
    UNIT,
    USD,
    Desk,
    cancel,
    filters,
    force_cancel,
    kinds,
    reduce,
    set_state,
    set_status,
)

BTC_START = 1_000 * LOT
USD_START = 1_000_000 * UNIT


def open_desk(desk: Desk, *, maker: int = 0, taker: int = 0, flags: int = 0) -> Desk:
    desk.open_market(maker=maker, taker=taker, flags=flags)
    for user in (ALICE, BOB):
        desk.fund(user, BTC, BTC_START)
        desk.fund(user, USD, USD_START)
    return desk


def amend(user_id: int, order_id: int, **terms: Any) -> Command:
    """`terms`: price, quantity (0 = as it is)."""
    return Command(CommandType.AMEND, market_id=MARKET, user_id=user_id, order_id=order_id, **terms)


def test_18_a_smaller_size_keeps_the_place_in_the_queue(desk: Desk) -> None:
    open_desk(desk)
    first = desk.rest(BID, ALICE, 100, 10)
    second = desk.rest(BID, BOB, 100, 10)
    (event,) = desk.apply(amend(ALICE, first, quantity=4))
    assert event.type is EventType.ORDER_AMENDED
    assert event.body == OrderChanged(first, ALICE, 100, 6, 4, 400 * UNIT)
    assert desk.queue(BID) == [first, second]
    assert desk.balance(ALICE, USD) == (USD_START - 400 * UNIT, 400 * UNIT)
    order = desk.kernel.order(MARKET, first)
    assert order is not None
    assert (order.quantity_lots, order.leaves_lots) == (4, 4)


def test_18_a_larger_size_goes_to_the_back(desk: Desk) -> None:
    open_desk(desk)
    first = desk.rest(ASK, ALICE, 100, 10)
    second = desk.rest(ASK, BOB, 100, 10)
    (event,) = desk.apply(amend(ALICE, first, quantity=12))
    assert event.body == OrderChanged(first, ALICE, 100, -2, 12, 12 * LOT)
    assert desk.queue(ASK) == [second, first]
    assert desk.balance(ALICE, BTC) == (BTC_START - 12 * LOT, 12 * LOT)


@pytest.mark.parametrize("quantity", [0, 3, 12])
def test_18_any_change_of_price_goes_to_the_back(desk: Desk, quantity: int) -> None:
    open_desk(desk)
    first = desk.rest(BID, ALICE, 100, 10)
    second = desk.rest(BID, BOB, 99, 10)
    (event,) = desk.apply(amend(ALICE, first, price=99, quantity=quantity))
    leaves = quantity or 10
    assert event.body == OrderChanged(first, ALICE, 99, 10 - leaves, leaves, 99 * leaves * UNIT)
    assert desk.queue(BID) == [second, first]


@pytest.mark.parametrize("terms", [{}, {"price": 100}, {"quantity": 10, "price": 100}])
def test_18_an_amend_that_changes_nothing_is_refused(desk: Desk, terms: dict[str, int]) -> None:
    open_desk(desk)
    first = desk.rest(BID, ALICE, 100, 10)
    second = desk.rest(BID, BOB, 100, 10)
    assert desk.refusal(amend(ALICE, first, **terms)) is Reason.NOTHING_CHANGES
    assert desk.queue(BID) == [first, second]


@pytest.mark.parametrize(("total", "left"), [(5, 1), (4, 0), (3, 0), (1, 0)])
def test_19_a_total_that_is_executed_already_cancels_the_remainder(
    desk: Desk, total: int, left: int
) -> None:
    open_desk(desk)
    order_id = desk.rest(BID, ALICE, 100, 10)
    desk.apply(desk.place(ASK, BOB, 100, 4))
    (event,) = desk.apply(amend(ALICE, order_id, quantity=total))
    assert event.body == OrderChanged(order_id, ALICE, 100, 6 - left, left, left * 100 * UNIT)
    done = EventFlag.BID | EventFlag.DONE
    kind, flags = (EventType.ORDER_AMENDED, 1) if left else (EventType.ORDER_CANCELED, done)
    assert (event.type, event.header.flags) == (kind, flags)
    assert desk.balance(ALICE, USD)[1] == left * 100 * UNIT
    assert desk.kernel.open_order_count == bool(left)


def test_19_lots_taken_off_by_a_reduce_stay_off(desk: Desk) -> None:
    open_desk(desk)
    order_id = desk.rest(BID, ALICE, 100, 10)
    desk.apply(reduce(ALICE, order_id, 4))
    (event,) = desk.apply(amend(ALICE, order_id, quantity=12))
    assert event.body == OrderChanged(order_id, ALICE, 100, -2, 8, 800 * UNIT)


def test_20_a_price_that_crosses_trades_as_a_taker(desk: Desk) -> None:
    open_desk(desk, maker=1_000, taker=2_000, flags=CommandFlag.FEE_IN_QUOTE)
    ask = desk.rest(ASK, BOB, 101, 4)
    order_id = desk.rest(BID, ALICE, 100, 10)
    amended, trade = desk.apply(amend(ALICE, order_id, price=102, quantity=9))
    assert amended.type is EventType.ORDER_AMENDED
    assert trade.type is EventType.TRADE
    assert tuple(trade.body)[1:9] == (ask, order_id, BOB, ALICE, 101, 4, 41, 81)
    assert desk.queue(BID) == [order_id]
    order = desk.kernel.order(MARKET, order_id)
    assert order is not None
    assert (order.quantity_lots, order.leaves_lots, order.price_ticks) == (9, 5, 102)


def test_20_without_funds_for_it_an_amend_leaves_order_and_place(desk: Desk) -> None:
    open_desk(desk)
    first = desk.rest(BID, ALICE, 100, 5_000)
    second = desk.rest(BID, BOB, 100, 1)
    before = desk.kernel.state_hash()
    for terms in ({"price": 201}, {"quantity": 10_001}, {"price": 101, "quantity": 9_901}):
        assert desk.refusal(amend(ALICE, first, **terms)) is Reason.INSUFFICIENT_BALANCE
    assert desk.queue(BID) == [first, second]
    assert desk.kernel.order(MARKET, first).leaves_lots == 5_000  # type: ignore[union-attr]
    assert before != desk.kernel.state_hash()  # the refusals are commands too
    (event,) = desk.apply(amend(ALICE, first, price=200))
    assert event.body == OrderChanged(first, ALICE, 200, 0, 5_000, USD_START)


def test_13_an_amend_by_which_a_limit_maker_would_take_leaves_it_and_its_place(desk: Desk) -> None:
    open_desk(desk)
    desk.rest(ASK, BOB, 101, 4)
    first = desk.post_only(BID, ALICE, 100, 5)
    desk.apply(first)
    second = desk.rest(BID, BOB, 100, 1)
    assert desk.refusal(amend(ALICE, first.order_id, price=101)) is Reason.WOULD_TAKE
    assert desk.queue(BID) == [first.order_id, second]


def test_17_the_mode_of_prevention_survives_an_amend(desk: Desk) -> None:
    open_desk(desk)
    own = desk.rest(ASK, ALICE, 101, 4)
    bid = desk.place(BID, ALICE, 100, 10, stp=StpMode.EXPIRE_TAKER)
    desk.apply(bid)
    assert kinds(desk.apply(amend(ALICE, bid.order_id, quantity=20))) == ["ORDER_AMENDED"]
    events = desk.apply(amend(ALICE, bid.order_id, price=101))
    assert kinds(events) == ["ORDER_AMENDED", "ORDER_EXPIRED"]
    assert events[1].reason is Reason.STP
    assert desk.queue(ASK) == [own]
    assert desk.balance(ALICE, USD) == (USD_START, 0)


@pytest.mark.parametrize(
    ("terms", "reason"),
    [
        ({"price": -1}, Reason.INVALID_PRICE),
        ({"quantity": -(2**63)}, Reason.INVALID_QUANTITY),
        ({"price": 89}, Reason.PRICE_FILTER),
        ({"price": 111}, Reason.PRICE_FILTER),
        ({"quantity": 1}, Reason.LOT_SIZE),
        ({"quantity": INT64_MAX}, Reason.LOT_SIZE),
        ({"quantity": 50}, Reason.LOT_SIZE),
        ({"quantity": 2}, Reason.NOTIONAL),
        ({"price": 106}, Reason.PRICE_ABOVE_CEILING),
    ],
)
def test_an_amend_obeys_the_filters(desk: Desk, terms: dict[str, int], reason: Reason) -> None:
    open_desk(desk)
    first = desk.rest(BID, ALICE, 100, 10, ceiling=105)
    second = desk.rest(BID, BOB, 100, 10)
    bounds = {"price_min": 90, "price_max": 110, "lots_min": 2, "lots_max": 40}
    desk.apply(filters(**bounds, notional_min=300 * UNIT))
    assert desk.refusal(amend(ALICE, first, **terms)) is reason
    assert desk.queue(BID) == [first, second]


@pytest.mark.parametrize("terms", [{"quantity": INT64_MAX}, {"price": INT64_MAX}])
def test_7_an_amend_never_wraps(desk: Desk, terms: dict[str, int]) -> None:
    open_desk(desk)
    order_id = desk.rest(ASK, ALICE, 100, 10)
    assert desk.refusal(amend(ALICE, order_id, **terms)) is Reason.OVERFLOW


def test_21_an_amend_of_what_is_not_ones_own_is_of_an_unknown_order(desk: Desk) -> None:
    open_desk(desk)
    order_id = desk.rest(ASK, ALICE, 100, 10)
    assert desk.refusal(amend(BOB, order_id, quantity=5)) is Reason.UNKNOWN_ORDER
    assert desk.refusal(amend(ALICE, order_id + 1, quantity=5)) is Reason.UNKNOWN_ORDER
    assert desk.refusal(amend(77, order_id, quantity=5)) is Reason.UNKNOWN_USER
    elsewhere = amend(ALICE, order_id, quantity=5)._replace(market_id=9)
    assert desk.refusal(elsewhere) is Reason.UNKNOWN_MARKET


def test_31_where_only_cancels_are_let_in_an_amend_may_make_smaller_only(desk: Desk) -> None:
    open_desk(desk)
    order_id = desk.rest(BID, ALICE, 100, 10)
    desk.apply(set_state(MarketState.CANCEL_ONLY))
    assert kinds(desk.apply(amend(ALICE, order_id, quantity=9))) == ["ORDER_AMENDED"]
    for terms in ({"quantity": 10}, {"price": 99}, {"price": 99, "quantity": 5}):
        assert desk.refusal(amend(ALICE, order_id, **terms)) is Reason.MARKET_NOT_TRADING
    desk.apply(set_state(MarketState.TRADING), set_status(ALICE, UserStatus.SUSPENDED))
    assert kinds(desk.apply(amend(ALICE, order_id, quantity=8))) == ["ORDER_AMENDED"]
    assert desk.refusal(amend(ALICE, order_id, quantity=9)) is Reason.USER_SUSPENDED


def test_21_a_cancel_can_be_restricted_to_orders_that_are_new(desk: Desk) -> None:
    open_desk(desk)
    order_id = desk.rest(BID, ALICE, 100, 10)
    only_new = cancel(ALICE, order_id, flags=CommandFlag.ONLY_NEW)
    only_partly = cancel(ALICE, order_id, flags=CommandFlag.ONLY_PARTIALLY_FILLED)
    assert desk.refusal(only_partly) is Reason.CANCEL_RESTRICTED
    desk.apply(desk.place(ASK, BOB, 100, 1))
    assert desk.refusal(only_new) is Reason.CANCEL_RESTRICTED
    assert kinds(desk.apply(only_partly)) == ["ORDER_CANCELED"]
    order_id = desk.rest(BID, ALICE, 100, 10)
    forced = force_cancel(order_id)
    restricted = forced._replace(flags=forced.flags | CommandFlag.ONLY_PARTIALLY_FILLED)
    assert desk.refusal(restricted) is Reason.CANCEL_RESTRICTED
    assert kinds(desk.apply(only_new._replace(order_id=order_id))) == ["ORDER_CANCELED"]
