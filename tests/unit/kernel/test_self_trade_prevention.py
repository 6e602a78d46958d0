"""Rules 10, 13, 16 and 17: an order does not trade with one of its own user or trade group.

The lettered scenarios are those of Binance's FAQ on self-trade prevention, a tenth of a coin being
one lot here. H needs TRANSFER, which this engine does not have; of one user it equals G.
"""

import pytest

from engine.proto.records import (
    Command,
    CommandFlag,
    CommandType,
    EventFlag,
    EventType,
    OrderAccepted,
    OrderChanged,
    OrderPrevented,
    OrderTerms,
    Reason,
    StpMode,
    TimeInForce,
)
from tests.unit.kernel.desk import (
    ALICE,
    ASK,
    BID,
    BOB,
    BTC,
    CAROL,
    LOT,
    UNIT,
    USD,
    Desk,
    Event,
    kinds,
    move,
    reduce,
)

BTC_START = 1_000 * LOT
USD_START = 1_000_000 * UNIT


def open_desk(desk: Desk, **market: int) -> Desk:
    desk.open_market(users=(ALICE, BOB, CAROL), **market)
    for user in (ALICE, BOB, CAROL):
        desk.fund(user, BTC, BTC_START)
        desk.fund(user, USD, USD_START)
    return desk


def set_group(user_id: int, group_id: int) -> Command:
    return Command(CommandType.SET_TRADE_GROUP, user_id=user_id, quantity=group_id)


def assert_nothing_is_locked(desk: Desk) -> None:
    assert desk.kernel.open_order_count == 0
    assert {row.locked_atoms for row in desk.balances()} == {0}


def ended(events: list[Event]) -> list[tuple[int, int, Reason]]:
    """(order id, removed lots, reason) of each ORDER_EXPIRED."""
    return [
        (event.body.order_id, event.body.removed_lots, event.reason)
        for event in events
        if isinstance(event.body, OrderChanged) and event.type is EventType.ORDER_EXPIRED
    ]


def test_16_a_without_a_mode_an_order_trades_with_its_own(desk: Desk) -> None:
    open_desk(desk)
    desk.rest(BID, ALICE, 10, 10)
    events = desk.apply(desk.place(ASK, ALICE, 10, 10))
    assert kinds(events) == ["ORDER_ACCEPTED", "TRADE"]
    assert_nothing_is_locked(desk)
    assert desk.balance(ALICE, BTC) == (BTC_START, 0)


def test_16_b_expire_maker_ends_the_makers_and_the_taker_rests(desk: Desk) -> None:
    open_desk(desk)
    makers = [desk.rest(BID, ALICE, *each) for each in ((12, 12), (11, 13), (10, 81))]
    taker = desk.place(ASK, ALICE, 10, 30, stp=StpMode.EXPIRE_MAKER)
    events = desk.apply(taker)
    assert kinds(events) == ["ORDER_TERMS", "ORDER_ACCEPTED", *["ORDER_EXPIRED"] * 3]
    assert ended(events) == [(m, n, Reason.STP) for m, n in zip(makers, (12, 13, 81), strict=True)]
    assert desk.queue(BID) == []
    assert desk.queue(ASK) == [taker.order_id]
    assert desk.balance(ALICE, USD) == (USD_START, 0)
    assert desk.balance(ALICE, BTC) == (BTC_START - 30 * LOT, 30 * LOT)


def test_16_c_expire_taker_ends_the_taker_and_leaves_the_makers(desk: Desk) -> None:
    open_desk(desk)
    makers = [desk.rest(BID, ALICE, *each) for each in ((12, 12), (11, 13), (10, 81))]
    taker = desk.place(ASK, ALICE, 10, 30, stp=StpMode.EXPIRE_TAKER)
    events = desk.apply(taker)
    assert kinds(events) == ["ORDER_TERMS", "ORDER_ACCEPTED", "ORDER_EXPIRED"]
    assert ended(events) == [(taker.order_id, 30, Reason.STP)]
    assert desk.queue(BID) == makers
    assert desk.balance(ALICE, BTC) == (BTC_START, 0)


def test_16_d_expire_both_ends_both(desk: Desk) -> None:
    open_desk(desk)
    maker = desk.rest(BID, ALICE, 10, 10)
    taker = desk.place(ASK, ALICE, 10, 30, stp=StpMode.EXPIRE_BOTH)
    assert ended(desk.apply(taker)) == [
        (maker, 10, Reason.STP),
        (taker.order_id, 30, Reason.STP),
    ]
    assert_nothing_is_locked(desk)


def test_16_e_the_mode_of_the_taker_decides(desk: Desk) -> None:
    open_desk(desk)
    maker = desk.place(BID, ALICE, 10, 10, stp=StpMode.EXPIRE_MAKER)
    taker = desk.place(ASK, ALICE, 10, 10, stp=StpMode.EXPIRE_TAKER)
    assert ended(desk.apply(maker, taker)) == [(taker.order_id, 10, Reason.STP)]
    assert desk.queue(BID) == [maker.order_id]


def test_16_f_a_market_order_that_finds_only_its_own_expires_for_want_of_others(
    desk: Desk,
) -> None:
    open_desk(desk)
    maker = desk.rest(BID, ALICE, 10, 10)
    taker = desk.market_order(ASK, ALICE, 10, stp=StpMode.EXPIRE_MAKER)
    assert ended(desk.apply(taker)) == [
        (maker, 10, Reason.STP),
        (taker.order_id, 10, Reason.TIME_IN_FORCE),
    ]
    assert_nothing_is_locked(desk)


def test_16_g_decrement_takes_the_smaller_off_both(desk: Desk) -> None:
    open_desk(desk)
    maker = desk.rest(BID, ALICE, 20, 60)
    taker = desk.place(ASK, ALICE, 20, 20, stp=StpMode.DECREMENT)
    _, accepted, of_maker, of_taker = desk.apply(taker)
    assert accepted.type is EventType.ORDER_ACCEPTED
    assert of_maker.body == OrderPrevented(
        maker, ALICE, 20, 20, 40, 40 * 20 * UNIT, 0, 0, taker.order_id, 20
    )
    assert of_taker.body == OrderPrevented(taker.order_id, ALICE, 20, 20, 0, 0, 0, 0, maker, 20)
    assert of_maker.header.flags == EventFlag.BID
    assert of_taker.header.flags == EventFlag.DONE
    assert of_maker.reason is of_taker.reason is Reason.STP
    assert desk.balance(ALICE, USD) == (USD_START - 40 * 20 * UNIT, 40 * 20 * UNIT)
    assert desk.balance(ALICE, BTC) == (BTC_START, 0)


def test_16_decrement_of_equal_orders_ends_both(desk: Desk) -> None:
    open_desk(desk)
    desk.rest(ASK, ALICE, 10, 7)
    events = desk.apply(desk.place(BID, ALICE, 12, 7, stp=StpMode.DECREMENT))
    assert [event.header.flags & EventFlag.DONE for event in events[2:]] == [EventFlag.DONE] * 2
    assert_nothing_is_locked(desk)


def test_17_others_ahead_trade_first_and_the_count_of_lots_holds(desk: Desk) -> None:
    open_desk(desk)
    desk.rest(ASK, BOB, 10, 3)
    own = desk.rest(ASK, ALICE, 10, 4)
    desk.rest(ASK, CAROL, 10, 5)
    taker = desk.place(BID, ALICE, 11, 20, stp=StpMode.DECREMENT)
    events = desk.apply(taker)
    assert kinds(events[2:]) == ["TRADE", "ORDER_PREVENTED", "ORDER_PREVENTED", "TRADE"]
    order = desk.kernel.order(1, taker.order_id)
    assert order is not None
    assert order.quantity_lots - (3 + 5) - 4 == order.leaves_lots == 8
    assert order.reserved_atoms == 8 * 11 * UNIT
    assert desk.kernel.order(1, own) is None
    assert desk.balance(ALICE, BTC) == (BTC_START + 8 * LOT, 0)


@pytest.mark.parametrize("flags", [0, CommandFlag.FEE_IN_QUOTE, CommandFlag.FEE_PER_LOT])
def test_17_prevented_lots_release_their_hold_with_the_fee(desk: Desk, flags: int) -> None:
    open_desk(desk, maker=700, taker=1_900, flags=flags)
    bid = desk.rest(BID, ALICE, 100, 10, ceiling=120)
    held = desk.balance(ALICE, USD)[1]
    desk.apply(desk.place(ASK, ALICE, 90, 4, stp=StpMode.DECREMENT))
    assert desk.balance(ALICE, USD)[1] == -(-held * 6 // 10)  # rounded up, as fees are
    desk.apply(desk.place(ASK, ALICE, 90, 6, stp=StpMode.DECREMENT))
    assert desk.kernel.order(1, bid) is None
    assert_nothing_is_locked(desk)
    assert desk.balance(ALICE, USD) == (USD_START, 0)


def test_17_users_of_one_trade_group_are_one(desk: Desk) -> None:
    open_desk(desk)
    (event,) = desk.apply(set_group(ALICE, 5))
    assert (event.type, tuple(event.body)) == (EventType.TRADE_GROUP_SET, (ALICE, 5))
    desk.apply(set_group(BOB, 5))
    maker = desk.rest(ASK, BOB, 10, 3)
    taker = desk.place(BID, ALICE, 10, 3, stp=StpMode.EXPIRE_TAKER)
    assert ended(desk.apply(taker)) == [(taker.order_id, 3, Reason.STP)]
    desk.apply(set_group(BOB, 0))
    assert kinds(desk.apply(desk.place(BID, ALICE, 10, 3, stp=StpMode.EXPIRE_TAKER))[2:]) == [
        "TRADE"
    ]
    assert desk.kernel.order(1, maker) is None


def test_two_users_without_a_group_are_not_one(desk: Desk) -> None:
    open_desk(desk)
    desk.rest(ASK, BOB, 10, 3)
    events = desk.apply(desk.place(BID, ALICE, 10, 3, stp=StpMode.EXPIRE_BOTH))
    assert kinds(events) == ["ORDER_TERMS", "ORDER_ACCEPTED", "TRADE"]


def test_a_trade_group_is_refused_if_nobody_has_it_or_nothing_changes(desk: Desk) -> None:
    open_desk(desk)
    assert desk.refusal(set_group(77, 1)) is Reason.UNKNOWN_USER
    assert desk.refusal(set_group(ALICE, -1)) is Reason.INVALID_QUANTITY
    assert desk.refusal(set_group(ALICE, 0)) is Reason.NOTHING_CHANGES


@pytest.mark.parametrize("mode", [StpMode.EXPIRE_TAKER, StpMode.EXPIRE_BOTH])
def test_17_the_mode_survives_a_move(desk: Desk, mode: StpMode) -> None:
    open_desk(desk)
    desk.rest(ASK, ALICE, 10, 3)
    bid = desk.place(BID, ALICE, 9, 3, stp=mode)
    desk.apply(bid)
    events = desk.apply(move(ALICE, bid.order_id, 10))
    assert kinds(events)[0] == "ORDER_MOVED"
    assert ended(events)[-1] == (bid.order_id, 3, Reason.STP)
    assert desk.balance(ALICE, USD) == (USD_START, 0)
    assert desk.refusal(reduce(ALICE, bid.order_id, 1)) is Reason.UNKNOWN_ORDER


def test_13_a_limit_maker_that_meets_only_its_own_would_take(desk: Desk) -> None:
    open_desk(desk)
    own = desk.rest(ASK, ALICE, 10, 3)
    for mode in StpMode:
        order = desk.post_only(BID, ALICE, 10, 3, stp=mode)
        assert desk.refusal(order) is Reason.WOULD_TAKE
    assert desk.queue(ASK) == [own]


@pytest.mark.parametrize(
    ("mode", "lots", "fills"),
    [
        (StpMode.EXPIRE_MAKER, 8, True),
        (StpMode.EXPIRE_MAKER, 9, False),
        (StpMode.EXPIRE_TAKER, 3, True),
        (StpMode.EXPIRE_TAKER, 4, False),
        (StpMode.EXPIRE_BOTH, 4, False),
        (StpMode.DECREMENT, 3, True),
        (StpMode.DECREMENT, 4, False),
        (StpMode.NONE, 12, True),
    ],
)
def test_10_fok_counts_no_own_orders_that_prevention_would_remove(
    desk: Desk, mode: StpMode, lots: int, fills: bool
) -> None:
    open_desk(desk)
    desk.rest(ASK, BOB, 10, 3)
    own = desk.rest(ASK, ALICE, 10, 4)
    desk.rest(ASK, CAROL, 11, 5)
    taker = desk.place(BID, ALICE, 11, lots, stp=mode, time_in_force=TimeInForce.FOK)
    events = desk.apply(taker)
    if fills:
        assert ended(events) in ([], [(own, 4, Reason.STP)])
        assert desk.balance(ALICE, USD)[1] == 0
    else:
        assert ended(events) == [(taker.order_id, lots, Reason.TIME_IN_FORCE)]
        assert desk.balance(ALICE, USD) == (USD_START, 0)
        assert desk.kernel.open_order_count == 3


def test_10_fok_budget_counts_no_own_orders(desk: Desk) -> None:
    open_desk(desk)
    desk.rest(ASK, ALICE, 10, 5)
    desk.rest(ASK, BOB, 20, 5)
    own_price, others_price = 5 * 10 * UNIT, 5 * 20 * UNIT
    order = desk.budget_order(BID, ALICE, 5, own_price)._replace(stp=StpMode.EXPIRE_MAKER)
    assert ended(desk.apply(order)) == [(order.order_id, 5, Reason.BUDGET)]
    order = desk.budget_order(BID, ALICE, 5, others_price)._replace(stp=StpMode.EXPIRE_MAKER)
    assert kinds(desk.apply(order)) == ["ORDER_TERMS", "ORDER_ACCEPTED", "ORDER_EXPIRED", "TRADE"]


def test_a_market_buy_holds_nothing_for_what_is_prevented(desk: Desk) -> None:
    open_desk(desk)
    desk.rest(ASK, ALICE, 10, 5)
    desk.rest(ASK, BOB, 20, 5)
    taker = desk.market_order(BID, ALICE, 8, stp=StpMode.DECREMENT)
    events = desk.apply(taker)
    assert isinstance(events[1].body, OrderAccepted)
    assert events[1].body.reserved_atoms == 3 * 20 * UNIT
    assert kinds(events[2:]) == ["ORDER_PREVENTED", "ORDER_PREVENTED", "TRADE"]
    assert desk.balance(ALICE, USD) == (USD_START - 3 * 20 * UNIT, 0)


def test_the_terms_of_an_order_with_a_mode_come_just_before_it(desk: Desk) -> None:
    open_desk(desk)
    order = desk.place(BID, ALICE, 10, 5, stp=StpMode.DECREMENT)
    terms, accepted = desk.apply(order)
    assert terms.body == OrderTerms(order.order_id, ALICE, 0, 0, 0, 0, 0, 0, StpMode.DECREMENT, 0)
    assert terms.header.flags == EventFlag.BID
    assert accepted.header.event_seq == terms.header.event_seq + 1
