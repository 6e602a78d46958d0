"""A market's bounds on one user (rule 29): every bound on both of its sides."""

from typing import Any

import pytest

from engine.kernel import load_kernel
from engine.kernel.state import PackedState, canonical_bytes
from engine.proto.records import (
    INT64_MAX,
    Command,
    CommandType,
    MarketLimitsSet,
    OrderType,
    Reason,
    TimeInForce,
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
    kinds,
)

MIN_TO_MARKET = 1
MAX_TO_MARKET = 2


def limits(**bounds: Any) -> Command:
    return Command(
        CommandType.SET_MARKET_LIMITS,
        market_id=MARKET,
        quantity=bounds.get("min_lots", 0),
        order_id=bounds.get("max_lots", 0),
        amount=bounds.get("max_notional", 0),
        price=bounds.get("max_orders", 0),
        ceiling=bounds.get("max_algos", 0),
        spare=bounds.get("max_position", 0),
        side=bounds.get("to_market", 0),
    )


def open_desk(desk: Desk, **bounds: Any) -> None:
    """ALICE has 100 lots of BTC, BOB an ask of 50 lots at 100; the last trade was at 100."""
    desk.open_market()
    desk.fund(ALICE, USD, 10**12)
    desk.fund(ALICE, BTC, 99 * LOT)
    desk.fund(BOB, BTC, 10**12)
    desk.rest(ASK, BOB, 100, 51)
    assert kinds(desk.apply(desk.place(BID, ALICE, 100, 1))) == ["ORDER_ACCEPTED", "TRADE"]
    assert desk.balance(ALICE, BTC) == (100 * LOT, 0)
    if bounds:
        assert kinds(desk.apply(limits(**bounds))) == ["MARKET_LIMITS_SET"]


def stop(desk: Desk, price: int, **more: Any) -> Command:
    """ALICE's stop order: she sells one lot if the price falls so far."""
    kind = {"order_type": OrderType.STOP_LOSS_LIMIT, "time_in_force": TimeInForce.GTC}
    return desk.place(ASK, ALICE, price, 1, amount=price, **kind, **more)


def accepted(desk: Desk, command: Command) -> bool:
    return kinds(desk.apply(command))[0] in ("ORDER_ACCEPTED", "ORDER_TERMS")


def test_limits_are_set_told_and_refused_when_they_cannot_be(desk: Desk) -> None:
    desk.open_market()
    command = limits(
        min_lots=1, max_lots=2, max_notional=3, max_orders=4, max_algos=5, max_position=6
    )._replace(side=3)
    (event,) = desk.apply(command)
    assert event.body == MarketLimitsSet(1, 2, 3, 4, 5, 6, 3)
    assert desk.refusal(command) is Reason.NOTHING_CHANGES
    assert desk.refusal(command._replace(market_id=9)) is Reason.UNKNOWN_MARKET
    assert desk.refusal(command._replace(side=4)) is Reason.INVALID_FILTER
    assert desk.refusal(limits(min_lots=3, max_lots=2)) is Reason.INVALID_FILTER
    for field in ("quantity", "order_id", "amount", "price", "ceiling", "spare"):
        negative: dict[str, Any] = {field: -1}
        assert desk.refusal(command._replace(**negative)) is Reason.INVALID_FILTER
    (event,) = desk.apply(limits())
    assert event.body == MarketLimitsSet(0, 0, 0, 0, 0, 0, 0)


@pytest.mark.parametrize(("lots", "fits"), [(4, False), (5, True), (7, True), (8, False)])
def test_market_lot_size_bounds_market_orders_alone(desk: Desk, lots: int, fits: bool) -> None:
    open_desk(desk, min_lots=5, max_lots=7)
    command = desk.market_order(BID, ALICE, lots)
    if fits:
        assert accepted(desk, command)
    else:
        assert desk.refusal(command) is Reason.MARKET_LOT_SIZE
    assert accepted(desk, desk.place(BID, ALICE, 90, lots))


@pytest.mark.parametrize("lots", [10, 11])
def test_max_notional_bounds_limit_orders(desk: Desk, lots: int) -> None:
    open_desk(desk, max_notional=90 * 10 * UNIT)
    command = desk.place(BID, ALICE, 90, lots)
    if lots == 10:
        assert accepted(desk, command)
    else:
        assert desk.refusal(command) is Reason.NOTIONAL
    assert accepted(desk, desk.market_order(BID, ALICE, 40))  # it does not hold for them here


@pytest.mark.parametrize(("lots", "fits"), [(4, False), (5, True), (8, True), (9, False)])
def test_notional_holds_for_market_orders_by_the_last_price_if_it_says_so(
    desk: Desk, lots: int, fits: bool
) -> None:
    both = MIN_TO_MARKET | MAX_TO_MARKET
    open_desk(desk, max_notional=100 * 8 * UNIT, to_market=both)
    desk.apply(filters(notional_min=100 * 5 * UNIT))
    command = desk.market_order(BID, ALICE, lots)
    if fits:
        assert accepted(desk, command)
    else:
        assert desk.refusal(command) is Reason.NOTIONAL


def test_before_the_first_trade_nobody_knows_what_a_market_order_is_worth(desk: Desk) -> None:
    desk.open_market()
    desk.fund(BOB, BTC, 10**12)
    desk.apply(filters(notional_min=10**9), limits(max_notional=1, to_market=3))
    assert kinds(desk.apply(desk.market_order(ASK, BOB, 5))) == ["ORDER_ACCEPTED", "ORDER_EXPIRED"]


def test_a_market_order_by_amount_is_worth_its_amount(desk: Desk) -> None:
    open_desk(desk, max_notional=1_000_000, to_market=MAX_TO_MARKET, min_lots=90)
    by_amount = desk.market_order(BID, ALICE, 0)
    assert desk.refusal(by_amount._replace(amount=1_000_001)) is Reason.NOTIONAL
    assert accepted(desk, by_amount._replace(amount=100_000))


def test_a_user_has_at_most_so_many_open_orders_in_the_market(desk: Desk) -> None:
    open_desk(desk, max_orders=3)
    orders = [desk.rest(BID, ALICE, price, 1) for price in (90, 91)]
    assert accepted(desk, stop(desk, 80))
    command = desk.place(BID, ALICE, 92, 1)
    assert desk.refusal(command) is Reason.MAX_NUM_ORDERS
    desk.rest(ASK, BOB, 120, 1)  # others are not counted
    desk.apply(cancel(ALICE, orders[0]))
    assert accepted(desk, command)


def test_a_user_has_at_most_so_many_orders_with_a_stop(desk: Desk) -> None:
    open_desk(desk, max_algos=2)
    assert accepted(desk, stop(desk, 80))
    assert accepted(desk, stop(desk, 81))
    assert desk.refusal(stop(desk, 82)) is Reason.MAX_NUM_ALGO_ORDERS
    assert accepted(desk, desk.place(BID, ALICE, 92, 1))


def test_a_quote_counts_without_the_quote_that_it_replaces(desk: Desk) -> None:
    open_desk(desk, max_orders=2)
    quote = Command(
        CommandType.QUOTE,
        market_id=MARKET,
        user_id=ALICE,
        order_id=1_000,
        price=90,
        quantity=1,
        ceiling=130,
        amount=1,
    )
    assert accepted(desk, quote)
    events = desk.apply(quote._replace(order_id=2_000, price=91))
    assert kinds(events) == ["ORDER_CANCELED"] * 2 + ["ORDER_ACCEPTED"] * 2
    assert desk.refusal(desk.place(BID, ALICE, 80, 1)) is Reason.MAX_NUM_ORDERS
    desk.apply(limits(max_orders=1))
    assert desk.refusal(quote._replace(order_id=3_000)) is Reason.MAX_NUM_ORDERS
    assert kinds(desk.apply(quote._replace(order_id=4_000, ceiling=0, amount=0)))[-1] == (
        "ORDER_ACCEPTED"
    )


def test_a_position_is_what_is_held_and_bid_for_exactly(desk: Desk) -> None:
    """100 lots are held, of which an ask locks 30; bids of 20 and 10 may come to 130 lots."""
    open_desk(desk, max_position=130 * LOT)
    desk.rest(ASK, ALICE, 110, 30)
    first = desk.rest(BID, ALICE, 90, 20)
    assert desk.refusal(desk.place(BID, ALICE, 91, 11)) is Reason.MAX_POSITION
    desk.rest(BID, ALICE, 91, 10)
    assert desk.refusal(desk.place(BID, ALICE, 92, 1)) is Reason.MAX_POSITION
    assert desk.refusal(desk.market_order(BID, ALICE, 1)) is Reason.MAX_POSITION
    assert accepted(desk, desk.place(ASK, ALICE, 112, 5))  # a sale makes no position
    desk.apply(cancel(ALICE, first))
    desk.rest(BID, ALICE, 92, 20)


def test_an_amend_that_makes_an_order_larger_keeps_to_the_bounds(desk: Desk) -> None:
    open_desk(desk, max_position=130 * LOT, max_notional=95 * 30 * UNIT)
    order_id = desk.rest(BID, ALICE, 90, 20)
    amend = Command(CommandType.AMEND, market_id=MARKET, user_id=ALICE, order_id=order_id)
    assert desk.refusal(amend._replace(quantity=31)) is Reason.MAX_POSITION
    assert kinds(desk.apply(amend._replace(quantity=30))) == ["ORDER_AMENDED"]
    assert desk.refusal(amend._replace(price=96)) is Reason.NOTIONAL
    assert kinds(desk.apply(amend._replace(price=95))) == ["ORDER_AMENDED"]


def test_a_position_that_leaves_int64_is_too_large(desk: Desk) -> None:
    open_desk(desk, max_position=INT64_MAX)
    lots = INT64_MAX // LOT
    assert desk.refusal(desk.place(BID, ALICE, 1, lots - 50)) is Reason.MAX_POSITION


def test_bounds_leave_alone_what_rests_and_survive_a_restart(desk: Desk, kernel_name: str) -> None:
    open_desk(desk)
    orders = [desk.rest(BID, ALICE, price, 1) for price in (90, 91, 92)]
    desk.apply(limits(max_orders=1, max_notional=1))
    assert desk.queue(BID) == orders[::-1]
    other = Desk(load_kernel(kernel_name))
    other.kernel.load_state(PackedState(canonical_bytes(desk.kernel)))
    assert canonical_bytes(other.kernel) == canonical_bytes(desk.kernel)
    command = desk.place(BID, ALICE, 80, 1)
    assert other.refusal(command) is desk.refusal(command) is Reason.NOTIONAL
