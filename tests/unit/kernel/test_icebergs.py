"""Rules 14 and 17: icebergs show one tranche at a time, and a new one goes to the back."""

from typing import Any

import pytest

from engine.kernel.limits import ICEBERG_TRANCHES_MAX
from engine.kernel.state import PackedState, canonical_bytes
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
    OrderType,
    Reason,
    Side,
    StpMode,
    TimeInForce,
    Trade,
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
    kinds,
    move,
    reduce,
)

USERS = (ALICE, BOB, CAROL)


def open_desk(desk: Desk) -> Desk:
    desk.open_market(users=USERS)
    for user in USERS:
        desk.fund(user, BTC, 10_000 * LOT)
        desk.fund(user, USD, 10_000_000 * UNIT)
    return desk


def iceberg(
    desk: Desk, side: Side, user: int, price: int, lots: int, shown: int, **more: Any
) -> Command:
    return desk.place(side, user, price, lots, flags=CommandFlag.ICEBERG, ceiling=shown, **more)


def rest_iceberg(
    desk: Desk, side: Side, user: int, price: int, lots: int, shown: int, **more: Any
) -> int:
    command = iceberg(desk, side, user, price, lots, shown, **more)
    assert kinds(desk.apply(command)) == ["ORDER_TERMS", "ORDER_ACCEPTED"]
    return command.order_id


def fills(events: list[Event]) -> list[tuple[int, int, int]]:
    """(maker order, lots, lots that came into view) of each trade."""
    return [
        (event.body.maker_order_id, event.body.quantity_lots, event.body.maker_refilled_lots)
        for event in events
        if isinstance(event.body, Trade)
    ]


def published(desk: Desk, side: Side) -> list[tuple[int, int, int]]:
    book = desk.kernel.book(MARKET, 10)
    assert book is not None
    levels = book[0 if side is BID else 1]
    return [(level.price_ticks, level.quantity_lots, level.orders) for level in levels]


def amend(user_id: int, order_id: int, quantity: int) -> Command:
    return Command(
        CommandType.AMEND,
        market_id=MARKET,
        user_id=user_id,
        order_id=order_id,
        quantity=quantity,
    )


def test_14_the_book_shows_one_tranche_and_the_account_holds_all(desk: Desk) -> None:
    open_desk(desk)
    command = iceberg(desk, ASK, ALICE, 100, 10, 3)
    terms, accepted = desk.apply(command)
    assert terms.body == OrderTerms(command.order_id, ALICE, 0, 0, 3, 0, 0, 0, 0, 0)
    assert isinstance(accepted.body, OrderAccepted)
    assert accepted.body[3:6] == (10, 0, 10 * LOT)
    desk.rest(ASK, BOB, 100, 4)
    assert published(desk, ASK) == [(100, 7, 2)]
    order = desk.kernel.order(MARKET, command.order_id)
    assert order is not None
    assert (order.leaves_lots, order.shown_lots) == (10, 3)


def test_14_a_new_tranche_goes_to_the_back_of_its_level(desk: Desk) -> None:
    open_desk(desk)
    ice = rest_iceberg(desk, ASK, ALICE, 100, 8, 3)
    plain = desk.rest(ASK, BOB, 100, 4)
    assert fills(desk.apply(desk.place(BID, CAROL, 100, 2))) == [(ice, 2, 0)]
    assert desk.queue(ASK) == [ice, plain]
    assert fills(desk.apply(desk.place(BID, CAROL, 100, 2))) == [(ice, 1, 3), (plain, 1, 0)]
    assert desk.queue(ASK) == [plain, ice]
    assert published(desk, ASK) == [(100, 6, 2)]
    events = desk.apply(desk.place(BID, CAROL, 100, 20))
    assert fills(events) == [(plain, 3, 0), (ice, 3, 2), (ice, 2, 0)]
    assert events[-1].header.flags == EventFlag.BID | EventFlag.MAKER_DONE
    assert published(desk, ASK) == []
    assert desk.balance(ALICE, BTC) == (10_000 * LOT - 8 * LOT, 0)


def test_14_two_icebergs_of_a_level_take_turns(desk: Desk) -> None:
    open_desk(desk)
    first = rest_iceberg(desk, ASK, ALICE, 100, 5, 2)
    second = rest_iceberg(desk, ASK, BOB, 100, 4, 3)
    assert fills(desk.apply(desk.place(BID, CAROL, 100, 8))) == [
        (first, 2, 2),
        (second, 3, 1),
        (first, 2, 1),
        (second, 1, 0),
    ]
    assert desk.queue(ASK) == [first]


@pytest.mark.parametrize(("total", "shown"), [(9, 3), (4, 3), (3, 3), (2, 2), (12, 3)])
def test_14_an_amend_changes_the_visible_part_only_if_the_total_is_below_it(
    desk: Desk, total: int, shown: int
) -> None:
    open_desk(desk)
    ice = rest_iceberg(desk, BID, ALICE, 100, 10, 3)
    (event,) = desk.apply(amend(ALICE, ice, quantity=total))
    assert event.body == OrderChanged(
        ice, ALICE, 100, 10 - total, total, total * 100 * UNIT, 3, shown
    )
    assert published(desk, BID) == [(100, shown, 1)]


def test_14_a_reduce_and_a_cancel_say_what_the_book_shows_before_and_after(desk: Desk) -> None:
    open_desk(desk)
    ice = rest_iceberg(desk, ASK, ALICE, 100, 10, 3)
    (event,) = desk.apply(reduce(ALICE, ice, 8))
    assert event.body == OrderChanged(ice, ALICE, 100, 8, 2, 2 * LOT, 3, 2)
    (event,) = desk.apply(cancel(ALICE, ice))
    assert event.body == OrderChanged(ice, ALICE, 100, 2, 0, 0, 2, 0)
    assert desk.balance(ALICE, BTC) == (10_000 * LOT, 0)


def test_14_an_iceberg_that_takes_first_rests_with_a_tranche_of_what_is_left(desk: Desk) -> None:
    open_desk(desk)
    desk.rest(ASK, BOB, 100, 8)
    command = iceberg(desk, BID, ALICE, 100, 10, 4)
    assert kinds(desk.apply(command)) == ["ORDER_TERMS", "ORDER_ACCEPTED", "TRADE"]
    assert published(desk, BID) == [(100, 2, 1)]
    (event,) = desk.apply(move(ALICE, command.order_id, 99))
    assert event.body == OrderChanged(command.order_id, ALICE, 99, 0, 2, 2 * 99 * UNIT, 2, 2)


def test_14_a_move_across_the_book_trades_hidden_lots_too(desk: Desk) -> None:
    open_desk(desk)
    ice = rest_iceberg(desk, BID, ALICE, 100, 10, 4)
    ask = desk.rest(ASK, BOB, 101, 7)
    events = desk.apply(move(ALICE, ice, 101))
    assert fills(events) == [(ask, 7, 0)]
    assert published(desk, BID) == [(101, 3, 1)]


@pytest.mark.parametrize(
    ("lots", "shown", "reason"),
    [
        (10, 0, Reason.INVALID_ICEBERG),
        (10, -1, Reason.INVALID_ICEBERG),
        (10, 11, Reason.INVALID_ICEBERG),
        (10 * ICEBERG_TRANCHES_MAX + 1, 10, Reason.INVALID_ICEBERG),
        (10 * ICEBERG_TRANCHES_MAX, 10, None),
        (10, 10, None),
    ],
)
def test_14_an_iceberg_has_at_most_a_hundred_tranches(
    desk: Desk, lots: int, shown: int, reason: Reason | None
) -> None:
    open_desk(desk)
    command = iceberg(desk, ASK, ALICE, 100, lots, shown)
    if reason:
        assert desk.refusal(command) is reason
    else:
        assert kinds(desk.apply(command))[-1] == "ORDER_ACCEPTED"


def test_14_an_amend_may_not_make_more_tranches_than_that(desk: Desk) -> None:
    open_desk(desk)
    ice = rest_iceberg(desk, ASK, ALICE, 100, 10, 2)
    assert desk.refusal(amend(ALICE, ice, quantity=201)) is Reason.INVALID_ICEBERG
    assert kinds(desk.apply(amend(ALICE, ice, quantity=200))) == ["ORDER_AMENDED"]
    assert desk.kernel.event_bound == 2 * 100


@pytest.mark.parametrize(
    "change",
    [
        {"time_in_force": TimeInForce.IOC},
        {"time_in_force": TimeInForce.FOK},
        {"order_type": OrderType.MARKET, "time_in_force": 0, "price": 0},
        {"order_type": OrderType.LIMIT_MAKER},
        {"amount": 1},
    ],
)
def test_only_an_order_that_can_rest_is_an_iceberg(desk: Desk, change: dict[str, Any]) -> None:
    open_desk(desk)
    command = iceberg(desk, BID, ALICE, 100, 10, 3)._replace(**change)
    assert desk.refusal(command) is Reason.MALFORMED


def test_a_limit_maker_can_be_an_iceberg(desk: Desk) -> None:
    open_desk(desk)
    kind = {"order_type": OrderType.LIMIT_MAKER, "time_in_force": TimeInForce.NONE}
    rest_iceberg(desk, BID, ALICE, 100, 10, 3, **kind)
    assert published(desk, BID) == [(100, 3, 1)]


def test_10_a_fok_counts_hidden_lots(desk: Desk) -> None:
    open_desk(desk)
    ice = rest_iceberg(desk, ASK, ALICE, 100, 10, 4)
    fok = TimeInForce.FOK
    assert kinds(desk.apply(desk.place(BID, BOB, 100, 11, time_in_force=fok)))[-1] == (
        "ORDER_EXPIRED"
    )
    events = desk.apply(desk.place(BID, BOB, 100, 10, time_in_force=fok))
    assert fills(events) == [(ice, 4, 4), (ice, 4, 2), (ice, 2, 0)]


def test_6_a_buy_by_amount_meets_hidden_lots_in_their_turn(desk: Desk) -> None:
    open_desk(desk)
    ice = rest_iceberg(desk, ASK, ALICE, 100, 6, 2)
    own = desk.rest(ASK, BOB, 100, 5)
    amount = 4 * 100 * UNIT
    order = desk.market_order(BID, BOB, 0, amount=amount, stp=StpMode.EXPIRE_TAKER)
    events = desk.apply(order)
    assert fills(events) == [(ice, 2, 2)]
    assert (events[-1].type, events[-1].reason) == (EventType.ORDER_EXPIRED, Reason.STP)
    assert desk.queue(ASK) == [own, ice]


def test_17_a_decrement_takes_an_iceberg_off_tranche_by_tranche(desk: Desk) -> None:
    open_desk(desk)
    ice = rest_iceberg(desk, ASK, ALICE, 100, 5, 2)
    other = desk.rest(ASK, BOB, 100, 1)
    taker = desk.place(BID, ALICE, 100, 4, stp=StpMode.DECREMENT)
    events = desk.apply(taker)[2:]
    assert kinds(events) == [*["ORDER_PREVENTED"] * 2, "TRADE", *["ORDER_PREVENTED"] * 2]
    assert events[0].body == OrderPrevented(
        ice, ALICE, 100, 2, 3, 3 * LOT, 2, 2, taker.order_id, 100
    )
    assert fills(events) == [(other, 1, 0)]
    assert events[3].body == OrderPrevented(
        ice, ALICE, 100, 1, 2, 2 * LOT, 2, 1, taker.order_id, 100
    )
    assert events[4].header.flags == EventFlag.BID | EventFlag.DONE


def test_17_expire_maker_ends_an_iceberg_with_its_hidden_lots(desk: Desk) -> None:
    open_desk(desk)
    ice = rest_iceberg(desk, ASK, ALICE, 100, 5, 2)
    events = desk.apply(desk.place(BID, ALICE, 100, 4, stp=StpMode.EXPIRE_MAKER))
    assert events[2].body == OrderChanged(ice, ALICE, 100, 5, 0, 0, 2, 0)
    assert desk.balance(ALICE, BTC) == (10_000 * LOT, 0)


def test_the_event_bound_counts_tranches_and_comes_back_with_the_state(desk: Desk) -> None:
    open_desk(desk)
    desk.rest(ASK, ALICE, 100, 5)
    ice = rest_iceberg(desk, ASK, ALICE, 100, 10, 3)
    assert desk.kernel.event_bound == 2 * (1 + 4)
    desk.apply(desk.place(BID, BOB, 100, 6))
    state = canonical_bytes(desk.kernel)
    again = type(desk.kernel)()
    again.load_state(PackedState(state))
    assert canonical_bytes(again) == state
    assert again.event_bound == desk.kernel.event_bound == 2 * 4
    desk.apply(cancel(ALICE, ice))
    assert desk.kernel.event_bound == 0
