"""Stop orders: what they hold, when they are triggered, in which order, and what then happens."""

from typing import Any

import pytest

from engine.kernel import load_kernel
from engine.kernel.codes import WAIT_DUE, WAIT_STOP, WAIT_TRAIL
from engine.kernel.limits import TRIGGERS_PER_COMMAND_MAX
from engine.kernel.state import PackedState, canonical_bytes
from engine.proto.records import (
    Command,
    CommandFlag,
    CommandType,
    EventFlag,
    EventType,
    MarketState,
    OrderChanged,
    OrderTerms,
    OrderType,
    Reason,
    Side,
    TimeInForce,
    decisive_event,
    pack_command,
)
from tests.unit.kernel.desk import (
    ALICE,
    ASK,
    BID,
    BOB,
    BTC,
    CAROL,
    LOT,
    MARKET,
    UNIT,
    USD,
    Desk,
    Event,
    cancel,
    filters,
    force_cancel,
    kinds,
    move,
    read_events,
    reduce,
    set_state,
    tick,
)

WEALTH = 10**15


def open_desk(desk: Desk, **market: Any) -> Desk:
    desk.open_market(users=(ALICE, BOB, CAROL), **market)
    for user in (ALICE, BOB, CAROL):
        desk.fund(user, USD, WEALTH)
        desk.fund(user, BTC, WEALTH)
    return desk


def trade_at(desk: Desk, *prices: int) -> list[Event]:
    """Let others trade one lot at each price; return all but their own orders' events."""
    events = []
    for price in prices:
        for side, user in ((ASK, BOB), (BID, CAROL)):
            events += desk.apply(desk.place(side, user, price, 1))
    return [event for event in events if event.type is not EventType.ORDER_ACCEPTED]


def stop(
    desk: Desk, kind: OrderType, side: Side, stop_price: int, lots: int = 5, **more: Any
) -> Command:
    """A stop order of Alice; with a limit price it is GTC unless `more` says otherwise."""
    fields: dict[str, Any] = {"price": 0, "time_in_force": TimeInForce.NONE}
    if "price" in more:
        fields = {"time_in_force": TimeInForce.GTC}
    fields |= more
    price = fields.pop("price")
    return desk.place(side, ALICE, price, lots, order_type=kind, amount=stop_price, **fields)


def triggered(events: list[Event]) -> list[int]:
    return [event.order_id for event in events if event.type is EventType.ORDER_TRIGGERED]


def test_a_stop_states_its_terms_holds_its_funds_and_is_not_in_the_book(desk: Desk) -> None:
    """Rule 27: funds are locked at placement. Rule 6: a buy holds quantity x stop."""
    open_desk(desk)
    order = stop(desk, OrderType.STOP_LOSS, BID, 110)
    terms, accepted = desk.apply(order)
    assert terms.body == OrderTerms(order.order_id, ALICE, 110, 0, 0, 0, 0, 0, 0, 0)
    assert accepted.header.flags == EventFlag.BID | EventFlag.PARKED
    assert accepted.body._asdict() | {"text": b""} == {
        "order_id": order.order_id,
        "user_id": ALICE,
        "price_ticks": 0,
        "quantity_lots": 5,
        "bound": 110,
        "reserved_atoms": 5 * 110 * UNIT,
        "terms": OrderType.STOP_LOSS,
        "text": b"",
    }
    assert desk.balance(ALICE, USD) == (WEALTH - 5 * 110 * UNIT, 5 * 110 * UNIT)
    assert desk.kernel.book(MARKET, 9) == ([], [])
    (view,) = desk.kernel.open_orders(ALICE)
    assert (view.order_id, view.wait, view.stop_price_ticks) == (order.order_id, WAIT_STOP, 110)
    assert desk.kernel.order(MARKET, order.order_id) == view


@pytest.mark.parametrize(
    ("kind", "side", "stop_price", "reached", "short_of"),
    [
        (OrderType.STOP_LOSS_LIMIT, BID, 110, 110, 109),
        (OrderType.STOP_LOSS_LIMIT, ASK, 90, 90, 91),
        (OrderType.TAKE_PROFIT_LIMIT, BID, 90, 90, 91),
        (OrderType.TAKE_PROFIT_LIMIT, ASK, 110, 110, 109),
        (OrderType.STOP_LOSS, BID, 110, 112, 109),
        (OrderType.STOP_LOSS, ASK, 90, 88, 91),
        (OrderType.TAKE_PROFIT, BID, 90, 88, 91),
        (OrderType.TAKE_PROFIT, ASK, 110, 112, 109),
    ],
)
def test_each_type_is_triggered_at_its_stop_and_not_before(
    desk: Desk, kind: OrderType, side: Side, stop_price: int, reached: int, short_of: int
) -> None:
    """Rule 25: by the last trade price, after the command that moved it."""
    open_desk(desk)
    trade_at(desk, 100)
    more = {"price": 100} if kind in (6, 8) else {}
    order = stop(desk, kind, side, stop_price, **more)
    desk.apply(order)
    assert triggered(trade_at(desk, short_of)) == []
    _, first, *_ = trade_at(desk, reached)
    assert first.type is EventType.ORDER_TRIGGERED
    held = 5 * LOT
    if side is BID:
        held = 5 * (more.get("price") or stop_price) * UNIT
    assert first.body == OrderChanged(order.order_id, ALICE, more.get("price", 0), 0, 5, held)
    assert first.header.flags == int(side)


@pytest.mark.parametrize(
    ("kind", "side", "stop_price"),
    [
        (OrderType.STOP_LOSS, BID, 100),
        (OrderType.STOP_LOSS, ASK, 100),
        (OrderType.TAKE_PROFIT, BID, 101),
        (OrderType.TAKE_PROFIT, ASK, 99),
    ],
)
def test_a_stop_that_would_be_triggered_at_once_is_refused(
    desk: Desk, kind: OrderType, side: Side, stop_price: int
) -> None:
    """Rule 25. Without a last price there is nothing to compare with."""
    open_desk(desk)
    assert kinds(desk.apply(stop(desk, kind, side, stop_price)))[-1] == "ORDER_ACCEPTED"
    desk.apply(force_cancel(1))
    trade_at(desk, 100)
    assert desk.refusal(stop(desk, kind, side, stop_price)) is Reason.WOULD_TRIGGER


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"amount": 0}, Reason.INVALID_STOP_PRICE),
        ({"amount": -1}, Reason.INVALID_STOP_PRICE),
        ({"amount": 201}, Reason.INVALID_STOP_PRICE),
        ({"amount": 0, "asset_id": 5, "price": 0, "order_type": 5, "time_in_force": 0}, 61),
        ({"asset_id": 10_000}, Reason.INVALID_TRAILING_DELTA),
        ({"ceiling": 200}, Reason.MALFORMED),
        ({"time_in_force": TimeInForce.NONE}, Reason.MALFORMED),
        ({"order_type": OrderType.STOP_LOSS}, Reason.MALFORMED),
        ({"order_type": OrderType.LIMIT, "amount": 0, "asset_id": 5}, Reason.MALFORMED),
        ({"price": 0}, Reason.INVALID_PRICE),
        ({"price": 201}, Reason.PRICE_FILTER),
        ({"quantity": 0}, Reason.INVALID_QUANTITY),
        ({"quantity": 2**60}, Reason.OVERFLOW),
        ({"quantity": 2**40}, Reason.INSUFFICIENT_BALANCE),
        ({"user_id": 99}, Reason.UNKNOWN_USER),
    ],
)
def test_a_stop_that_is_not_right_is_refused(
    desk: Desk, change: dict[str, Any], reason: Reason
) -> None:
    open_desk(desk)
    desk.apply(filters(price_max=200))
    order = stop(desk, OrderType.STOP_LOSS_LIMIT, BID, 110, price=111)
    assert desk.refusal(order._replace(**change)) is Reason(reason)


def test_a_triggered_limit_rests_at_its_price_and_keeps_its_ids(desk: Desk) -> None:
    open_desk(desk)
    trade_at(desk, 100)
    order = stop(desk, OrderType.STOP_LOSS_LIMIT, BID, 110, price=105, text=b"mine")
    desk.apply(order)
    assert kinds(trade_at(desk, 110)) == ["TRADE", "ORDER_TRIGGERED"]
    assert desk.queue(BID) == [order.order_id]
    again = desk.place(BID, ALICE, 90, 1, text=b"mine")
    assert desk.refusal(again) is Reason.DUPLICATE_CLIENT_ORDER_ID
    events = desk.apply(move(ALICE, order.order_id, 104), cancel(ALICE, order.order_id))
    assert kinds(events) == ["ORDER_MOVED", "ORDER_CANCELED"]
    assert desk.balance(ALICE, USD) == (WEALTH, 0)


@pytest.mark.parametrize(
    ("tif", "expected"),
    [
        (TimeInForce.IOC, ["ORDER_TRIGGERED", "TRADE", "ORDER_EXPIRED"]),
        (TimeInForce.FOK, ["ORDER_TRIGGERED", "ORDER_EXPIRED"]),
        (TimeInForce.GTC, ["ORDER_TRIGGERED", "TRADE"]),
    ],
)
def test_a_triggered_limit_trades_as_its_time_in_force_says(
    desk: Desk, tif: TimeInForce, expected: list[str]
) -> None:
    open_desk(desk)
    trade_at(desk, 100)
    desk.apply(stop(desk, OrderType.STOP_LOSS_LIMIT, BID, 110, price=112, time_in_force=tif))
    desk.rest(ASK, BOB, 112, 3)
    assert kinds(trade_at(desk, 110)[1:]) == expected


def test_a_stop_without_a_limit_trades_at_any_price_and_never_rests(desk: Desk) -> None:
    """Rule 12 for what is left of it."""
    open_desk(desk)
    trade_at(desk, 100)
    order = stop(desk, OrderType.STOP_LOSS, ASK, 90)
    desk.apply(order)
    desk.rest(BID, BOB, 50, 2)
    _, first, trade, expired = trade_at(desk, 90)
    assert (first.type, trade.type) == (EventType.ORDER_TRIGGERED, EventType.TRADE)
    assert expired.body == OrderChanged(order.order_id, ALICE, 0, 3, 0, 0)
    assert desk.balance(ALICE, BTC) == (WEALTH - 2 * LOT, 0)


def test_a_triggered_buy_fills_within_its_hold_and_no_further(desk: Desk) -> None:
    """Rule 6: 10 lots at stop 110 hold 1100; five at 100 and five at 120 are within it, the rest
    of a dearer book is not."""
    open_desk(desk)
    trade_at(desk, 100)
    order = stop(desk, OrderType.STOP_LOSS, BID, 110, 10)
    desk.apply(order)
    desk.rest(ASK, BOB, 120, 5)
    desk.rest(ASK, BOB, 130, 9)
    _, first, cut, *trades = trade_at(desk, 110)
    assert first.type is EventType.ORDER_TRIGGERED
    assert (cut.type, cut.reason) == (EventType.ORDER_REDUCED, Reason.SLIPPAGE)
    assert cut.body == OrderChanged(order.order_id, ALICE, 0, 2, 8, 10 * 110 * UNIT)
    assert kinds(trades) == ["TRADE", "TRADE"]
    assert desk.balance(ALICE, USD) == (WEALTH - (5 * 120 + 3 * 130) * UNIT, 0)


def test_a_triggered_buy_that_can_pay_for_nothing_expires(desk: Desk) -> None:
    open_desk(desk)
    trade_at(desk, 100)
    desk.apply(stop(desk, OrderType.STOP_LOSS, BID, 110, 1))
    desk.rest(ASK, BOB, 111, 5)
    *_, expired = trade_at(desk, 110)
    assert (expired.type, expired.reason) == (EventType.ORDER_EXPIRED, Reason.SLIPPAGE)
    assert desk.balance(ALICE, USD) == (WEALTH, 0)


def test_triggered_orders_run_by_trigger_price_and_then_by_sequence(desk: Desk) -> None:
    """Rule 25."""
    open_desk(desk)
    trade_at(desk, 100)
    stops = [112, 111, 112, 110, 111]
    orders = [stop(desk, OrderType.STOP_LOSS_LIMIT, BID, each, price=90) for each in stops]
    desk.apply(*orders)
    ranked = sorted(range(5), key=lambda number: (stops[number], number))
    assert triggered(trade_at(desk, 115)) == [orders[number].order_id for number in ranked]


def test_a_trade_on_the_way_triggers_though_the_last_price_is_back(desk: Desk) -> None:
    open_desk(desk)
    trade_at(desk, 100)
    order = stop(desk, OrderType.TAKE_PROFIT_LIMIT, BID, 95, price=90)
    desk.apply(order)
    for price in (95, 99):
        desk.rest(ASK, BOB, price, 1)
    assert triggered(desk.apply(desk.place(BID, CAROL, 99, 2))) == [order.order_id]


def chain(desk: Desk, count: int) -> list[Command]:
    """Stops of which each, as it trades, triggers the next; the last finds nothing to buy."""
    open_desk(desk)
    trade_at(desk, 1_000)
    orders = [
        stop(
            desk,
            *(OrderType.STOP_LOSS_LIMIT, BID, 1_001 + number, 1),
            price=2_000,
            time_in_force=TimeInForce.IOC,
        )
        for number in range(count)
    ]
    desk.apply(*orders)
    for number in range(count):
        desk.rest(ASK, BOB, 1_001 + number, 1)
    return orders


def test_a_cascade_is_bounded_per_command_and_goes_on_before_the_next(desk: Desk) -> None:
    """Rule 25: never dropped."""
    count = TRIGGERS_PER_COMMAND_MAX + 10
    orders = chain(desk, count + 1)
    first = desk.apply(desk.place(BID, CAROL, 1_001, 1))
    assert triggered(first) == [order.order_id for order in orders[:TRIGGERS_PER_COMMAND_MAX]]
    assert desk.kernel.next_timer_us == desk.kernel.time_us
    state = canonical_bytes(desk.kernel)
    again = Desk(load_kernel(desk.kernel.name))
    again.kernel.load_state(PackedState(state))
    refused = desk.place(BID, CAROL, -1, 1)
    events = desk.apply(refused)
    assert events == again.apply(refused)
    assert triggered(events) == [order.order_id for order in orders[TRIGGERS_PER_COMMAND_MAX:]]
    assert events[-1].type is EventType.REFUSED
    assert {event.header.command_seq for event in events} == {events[-1].header.command_seq}
    assert desk.kernel.next_timer_us == 0
    assert desk.kernel.open_order_count == 0


def test_the_outcome_of_a_command_is_found_behind_what_ran_before_it(desk: Desk) -> None:
    orders = chain(desk, TRIGGERS_PER_COMMAND_MAX + 3)
    mine = desk.place(BID, ALICE, 10, 1)
    desk.apply(mine)
    desk.apply(desk.place(BID, CAROL, 1_001, 1))
    packed = desk.kernel.apply(pack_command(cancel(ALICE, mine.order_id)), desk.kernel.time_us)
    events = read_events(packed)
    assert triggered(events) == [order.order_id for order in orders[-3:]]
    decisive = events[decisive_event(packed)]
    assert (decisive.type, decisive.order_id) == (EventType.ORDER_CANCELED, mine.order_id)


def test_what_a_command_left_over_runs_in_a_tick_of_its_own(desk: Desk) -> None:
    chain(desk, TRIGGERS_PER_COMMAND_MAX + 5)
    desk.apply(desk.place(BID, CAROL, 1_001, 1))
    assert desk.kernel.event_bound >= 4 * 5
    events = desk.apply(tick())
    assert len(triggered(events)) == 5
    assert EventType.REFUSED not in {event.type for event in events}
    assert desk.refusal(tick()) is Reason.NOTHING_CHANGES


def test_what_is_left_over_runs_before_a_checkpoint_too(desk: Desk) -> None:
    chain(desk, TRIGGERS_PER_COMMAND_MAX + 2)
    desk.apply(desk.place(BID, CAROL, 1_001, 1))
    events = desk.apply(Command(CommandType.CHECKPOINT))
    assert len(triggered(events)) == 2
    assert events[-1].type is EventType.CHECKPOINT


def test_no_stop_comes_into_a_market_that_does_not_trade(desk: Desk) -> None:
    """Rule 28."""
    open_desk(desk)
    desk.apply(set_state(MarketState.HALT))
    order = stop(desk, OrderType.STOP_LOSS, ASK, 90)
    assert desk.refusal(order) is Reason.MARKET_NOT_TRADING


def test_what_is_left_over_runs_before_a_halt_and_nothing_while_it_lasts(desk: Desk) -> None:
    """Rule 28."""
    chain(desk, TRIGGERS_PER_COMMAND_MAX + 5)
    later = stop(desk, OrderType.STOP_LOSS_LIMIT, BID, 3_000, price=900)
    desk.apply(later)
    desk.apply(desk.place(BID, CAROL, 1_001, 1))
    left = [view for view in desk.kernel.open_orders(ALICE) if view.wait == WAIT_DUE]
    assert len(left) == 1
    events = desk.apply(set_state(MarketState.HALT))
    assert len(triggered(events)) == 5
    assert events[-1].type is EventType.MARKET_STATE_SET
    assert kinds(desk.apply(set_state(MarketState.TRADING))) == ["MARKET_STATE_SET"]
    assert triggered(trade_at(desk, 3_000)) == [later.order_id]


def test_where_only_limits_are_let_in_a_stop_without_one_waits_for_trading(desk: Desk) -> None:
    """Rules 28 and 31: no stop triggers to a market order there, and what is due is kept."""
    open_desk(desk)
    trade_at(desk, 100)
    free = stop(desk, OrderType.STOP_LOSS, BID, 110)
    bound = stop(desk, OrderType.STOP_LOSS_LIMIT, BID, 110, price=95)
    desk.apply(free, bound, set_state(MarketState.LIMIT_ONLY))
    assert triggered(trade_at(desk, 112)) == [bound.order_id]
    (view,) = (each for each in desk.kernel.open_orders(ALICE) if each.wait)
    assert (view.order_id, view.wait) == (free.order_id, WAIT_DUE)
    state = canonical_bytes(desk.kernel)
    again = Desk(load_kernel(desk.kernel.name))
    again.kernel.load_state(PackedState(state))
    assert again.kernel.next_timer_us == desk.kernel.next_timer_us == 0
    for each in (desk, again):
        events = each.apply(set_state(MarketState.TRADING))
        assert kinds(events) == ["MARKET_STATE_SET", "ORDER_TRIGGERED", "ORDER_EXPIRED"]
        assert events[1].order_id == free.order_id


def test_parked_orders_are_cancelled_and_reduced_and_nothing_else(desk: Desk) -> None:
    open_desk(desk)
    order = stop(desk, OrderType.STOP_LOSS_LIMIT, BID, 110, price=112)
    desk.apply(order)
    assert desk.refusal(move(ALICE, order.order_id, 113)) is Reason.ORDER_IS_PARKED
    amend = Command(
        CommandType.AMEND, market_id=MARKET, user_id=ALICE, order_id=order.order_id, quantity=3
    )
    assert desk.refusal(amend) is Reason.ORDER_IS_PARKED
    (reduced,) = desk.apply(reduce(ALICE, order.order_id, 2))
    assert reduced.body == OrderChanged(order.order_id, ALICE, 112, 2, 3, 3 * 112 * UNIT)
    assert reduced.header.flags == EventFlag.BID | EventFlag.PARKED
    assert desk.refusal(cancel(BOB, order.order_id)) is Reason.UNKNOWN_ORDER
    (canceled,) = desk.apply(force_cancel(order.order_id))
    assert canceled.header.flags == (
        EventFlag.BID | EventFlag.PARKED | EventFlag.DONE | EventFlag.OPERATOR
    )
    assert desk.balance(ALICE, USD) == (WEALTH, 0)
    assert triggered(trade_at(desk, 120)) == []


def test_a_parked_order_can_be_good_till_a_time_and_for_a_session(desk: Desk) -> None:
    open_desk(desk)
    order = stop(
        desk,
        *(OrderType.STOP_LOSS_LIMIT, BID, 110),
        price=112,
        time_in_force=TimeInForce.GTD,
        spare=5_000,
    )
    desk.apply_at(100, order)
    (expired,) = desk.apply_at(5_000, tick())
    assert (expired.type, expired.reason) == (EventType.ORDER_EXPIRED, Reason.GTD)
    assert expired.header.flags == EventFlag.BID | EventFlag.PARKED | EventFlag.DONE
    bound = order._replace(flags=CommandFlag.IN_SESSION, spare=9_000)
    assert desk.refusal(bound) is Reason.UNKNOWN_SESSION


SCENARIOS = {
    "A": (OrderType.STOP_LOSS_LIMIT, BID, 44_000, 500, 45_000, (37_000, 45_000, 46_000, 42_000)),
    "B": (OrderType.STOP_LOSS_LIMIT, ASK, 39_000, 1_000, 38_000, (41_500, 39_000, 37_000, 41_000)),
    "C": (
        *(OrderType.TAKE_PROFIT_LIMIT, BID, 38_000, 850, 38_500),
        (42_000, 38_000, 37_000, 39_000, 38_000),
    ),
    "D": (
        *(OrderType.TAKE_PROFIT_LIMIT, ASK, 42_000, 750, 41_000),
        (41_500, 39_000, 42_000, 45_000, 44_000, 46_500),
    ),
    "E": (OrderType.STOP_LOSS_LIMIT, ASK, 0, 700, 39_000, (42_000, 39_500, 45_500)),
}
TRIGGERS = {"A": 441_000, "B": 369_000, "C": 401_450, "D": 430_125, "E": 423_150}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_trailing_stops_follow_the_published_scenarios(desk: Desk, scenario: str) -> None:
    """Rule 26: Binance's trailing stop FAQ, A to E; ten ticks are one of its units, for D has a
    half. The price is one tick short of the trigger before it is at it."""
    kind, side, stop_price, delta, limit, path = SCENARIOS[scenario]
    open_desk(desk)
    trade_at(desk, 400_000)
    order = stop(desk, kind, side, stop_price * 10, price=limit * 10, asset_id=delta)
    assert kinds(desk.apply(order))[-1] == "ORDER_ACCEPTED"
    if scenario == "A":  # the linear rise begins at the stop price
        path = (*path[:1], 44_000, *path[1:])
    assert triggered(trade_at(desk, *(price * 10 for price in path))) == []
    trigger = TRIGGERS[scenario]
    short_of = trigger - 1 if side is BID else trigger + 1
    assert triggered(trade_at(desk, short_of)) == []
    (view,) = desk.kernel.open_orders(ALICE)
    assert view.wait == WAIT_TRAIL
    assert triggered(trade_at(desk, trigger)) == [order.order_id]


def test_a_trailing_stop_follows_each_trade_of_one_sweep(desk: Desk) -> None:
    """Rule 26: activated at the first price at its stop, and due five per cent above it."""
    open_desk(desk)
    trade_at(desk, 900)
    order = stop(desk, OrderType.STOP_LOSS_LIMIT, BID, 1_000, price=800, asset_id=500)
    desk.apply(order)
    for price in (1_000, 1_049, 1_050):
        desk.rest(ASK, BOB, price, 1)
    assert triggered(desk.apply(desk.place(BID, CAROL, 1_049, 2))) == []
    assert triggered(desk.apply(desk.place(BID, CAROL, 1_050, 1))) == [order.order_id]


def test_a_trailing_stop_without_a_last_price_begins_with_the_next_trade(desk: Desk) -> None:
    open_desk(desk)
    order = stop(desk, OrderType.STOP_LOSS_LIMIT, ASK, 0, price=10, asset_id=1_000)
    desk.apply(order)
    assert triggered(trade_at(desk, 100, 91)) == []
    assert triggered(trade_at(desk, 90)) == [order.order_id]


def test_a_trailing_buy_without_a_limit_holds_what_its_trigger_can_reach(desk: Desk) -> None:
    open_desk(desk)
    trade_at(desk, 1_000)
    desk.apply(stop(desk, OrderType.STOP_LOSS, BID, 0, 1, asset_id=500))
    assert desk.balance(ALICE, USD)[1] == 1_050 * UNIT
    desk.apply(stop(desk, OrderType.TAKE_PROFIT, BID, 900, 1, asset_id=1))
    assert desk.balance(ALICE, USD)[1] == (1_050 + 901) * UNIT


def test_parked_orders_come_back_with_a_state_and_wait_in_the_same_order(desk: Desk) -> None:
    open_desk(desk)
    trade_at(desk, 1_000)
    for number in range(40):
        price = {"price": 900} if number % 2 else {}
        desk.apply(
            stop(desk, OrderType.STOP_LOSS_LIMIT if price else OrderType.STOP_LOSS, BID,
                 1_010 + number % 5, 1, asset_id=(0, 100)[number % 3 == 0], **price)
        )  # fmt: skip
    trade_at(desk, 1_012)
    state = canonical_bytes(desk.kernel)
    again = Desk(load_kernel(desk.kernel.name))
    again.kernel.load_state(PackedState(state))
    assert canonical_bytes(again.kernel) == state
    assert list(again.kernel.open_orders()) == list(desk.kernel.open_orders())
    probes = [desk.place(ASK, BOB, 1_030, 1), desk.place(BID, CAROL, 1_030, 1)]
    assert again.apply(*probes) == desk.apply(*probes)
    assert canonical_bytes(again.kernel) == canonical_bytes(desk.kernel)
