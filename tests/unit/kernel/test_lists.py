"""Order lists: what they hold, which leg ends which, and when pending legs begin (rule 27)."""

from typing import Any

import pytest

from engine.kernel import load_kernel
from engine.kernel.codes import WAIT_LIST, WAIT_STOP
from engine.kernel.state import PackedState, canonical_bytes
from engine.proto.records import (
    Command,
    CommandType,
    EventFlag,
    EventType,
    ListSet,
    ListType,
    OrderAccepted,
    OrderType,
    Reason,
    Side,
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
    MARKET,
    UNIT,
    USD,
    Desk,
    Event,
    cancel,
    kinds,
    move,
    reduce,
    request,
)

WEALTH = 10**9


def open_desk(desk: Desk) -> Desk:
    desk.open_market(users=(ALICE, BOB, CAROL))
    for user in (ALICE, BOB, CAROL):
        desk.fund(user, USD, WEALTH)
        desk.fund(user, BTC, WEALTH)
    trade_at(desk, 100)
    return desk


def trade_at(desk: Desk, price: int) -> list[Event]:
    return desk.apply(desk.place(ASK, BOB, price, 1), desk.place(BID, CAROL, price, 1))[2:]


def leg(desk: Desk, kind: OrderType, side: Side, price: int, **more: Any) -> Command:
    has_force = kind in (OrderType.LIMIT, OrderType.STOP_LOSS_LIMIT)
    force = TimeInForce.GTC if has_force else TimeInForce.NONE
    fields = {"order_type": kind, "time_in_force": force, **more}
    lots = fields.pop("lots", 5)
    return desk.place(side, ALICE, price, lots, **fields)._replace(type=CommandType.PLACE_LEG)


def listed(kind: ListType, legs: list[Command], **more: Any) -> list[Command]:
    return [
        *legs,
        Command(
            CommandType.PLACE_LIST,
            market_id=MARKET,
            user_id=ALICE,
            order_type=kind,
            quantity=len(legs),
            **more,
        ),
    ]


def pair(desk: Desk, side: Side) -> list[Command]:
    """The two legs of an OCO around 100."""
    limit, stop = (90, 110) if side is BID else (110, 90)
    return [
        leg(desk, OrderType.LIMIT_MAKER, side, limit),
        leg(desk, OrderType.STOP_LOSS_LIMIT, side, stop, amount=stop),
    ]


def oco(desk: Desk, side: Side) -> tuple[int, int]:
    legs = pair(desk, side)
    events = desk.apply(*listed(ListType.OCO, legs))
    assert kinds(events[-4:]) == [
        "ORDER_TERMS",
        "ORDER_ACCEPTED",
        "ORDER_TERMS",
        "ORDER_ACCEPTED",
    ]
    return legs[0].order_id, legs[1].order_id


def test_an_oco_is_accepted_as_a_whole_and_holds_the_dearer_leg(desk: Desk) -> None:
    """Rule 27."""
    open_desk(desk)
    legs = pair(desk, BID)
    events = desk.apply(*listed(ListType.OCO, legs, text=b"mine"))
    limit, stop = (each.order_id for each in legs)
    assert kinds(events)[:3] == ["LEG_TAKEN", "LEG_TAKEN", "LIST_ACCEPTED"]
    assert events[2].body == ListSet(limit, ALICE, ListType.OCO, 2, limit, stop, 0, b"mine")
    holds = [each.body.reserved_atoms for each in events if isinstance(each.body, OrderAccepted)]
    assert holds == [5 * 90 * UNIT, 5 * 20 * UNIT]
    assert desk.balance(ALICE, USD) == (WEALTH - 5 * 110 * UNIT, 5 * 110 * UNIT)
    views = {view.order_id: (view.wait, view.list_id) for view in desk.kernel.open_orders(ALICE)}
    assert views == {limit: (0, limit), stop: (WAIT_STOP, limit)}


@pytest.mark.parametrize("side", [BID, ASK])
@pytest.mark.parametrize("which", [0, 1])
def test_cancelling_one_leg_of_an_oco_cancels_both(desk: Desk, side: Side, which: int) -> None:
    open_desk(desk)
    legs = oco(desk, side)
    first, second, ended = desk.apply(cancel(ALICE, legs[which]))
    assert (first.order_id, first.reason) == (legs[which], Reason.NONE)
    assert (second.order_id, second.reason) == (legs[1 - which], Reason.LIST)
    assert ended.type is EventType.LIST_ENDED
    assert desk.balance(ALICE, USD) == (WEALTH, 0)
    assert desk.balance(ALICE, BTC) == (WEALTH, 0)


@pytest.mark.parametrize("side", [BID, ASK])
def test_a_partial_fill_of_the_limit_leg_cancels_the_stop(desk: Desk, side: Side) -> None:
    """Rule 27."""
    open_desk(desk)
    limit, stop = oco(desk, side)
    taker = desk.place(Side(1 - side), BOB, 90 if side is BID else 110, 2)
    events = desk.apply(taker)
    assert kinds(events) == ["ORDER_ACCEPTED", "TRADE", "ORDER_CANCELED"]
    assert (events[2].order_id, events[2].reason) == (stop, Reason.LIST)
    assert events[2].header.flags & EventFlag.PARKED
    asset, held = (USD, 3 * 90 * UNIT) if side is BID else (BTC, 3 * LOT)
    assert desk.balance(ALICE, asset)[1] == held
    assert kinds(desk.apply(cancel(ALICE, limit))) == ["ORDER_CANCELED", "LIST_ENDED"]


@pytest.mark.parametrize("side", [BID, ASK])
def test_a_triggered_stop_cancels_the_limit_and_takes_over_its_hold(desk: Desk, side: Side) -> None:
    """Rule 27."""
    open_desk(desk)
    limit, stop = oco(desk, side)
    events = trade_at(desk, 110 if side is BID else 90)
    assert kinds(events) == ["TRADE", "ORDER_CANCELED", "ORDER_TRIGGERED"]
    canceled, triggered = events[-2:]
    assert (canceled.order_id, canceled.reason) == (limit, Reason.LIST)
    held = 5 * 110 * UNIT if side is BID else 5 * LOT
    assert triggered.body._asdict()["reserved_atoms"] == held
    assert desk.balance(ALICE, USD if side is BID else BTC)[1] == held
    assert kinds(desk.apply(cancel(ALICE, stop))) == ["ORDER_CANCELED", "LIST_ENDED"]


def oto(desk: Desk, pending: Command, price: int = 95) -> tuple[int, list[Event]]:
    working = leg(desk, OrderType.LIMIT, BID, price)
    events = desk.apply(*listed(ListType.OTO, [working, pending]))
    return working.order_id, events


def test_a_pending_leg_holds_nothing_until_the_working_leg_is_filled(desk: Desk) -> None:
    """Rule 27: OTO."""
    open_desk(desk)
    pending = leg(desk, OrderType.LIMIT, ASK, 120)
    working, events = oto(desk, pending)
    assert kinds(events)[2:] == ["LIST_ACCEPTED", *["ORDER_TERMS", "ORDER_ACCEPTED"] * 2]
    assert events[-1].header.flags == EventFlag.PARKED
    assert desk.balance(ALICE, BTC) == (WEALTH, 0)
    assert desk.kernel.order(MARKET, pending.order_id).wait == WAIT_LIST  # type: ignore[union-attr]
    assert kinds(desk.apply(desk.place(ASK, BOB, 95, 4))) == ["ORDER_ACCEPTED", "TRADE"]
    events = desk.apply(desk.place(ASK, BOB, 95, 1))
    assert kinds(events) == ["ORDER_ACCEPTED", "TRADE", "ORDER_TRIGGERED"]
    assert events[-1].order_id == pending.order_id
    assert desk.balance(ALICE, BTC) == (WEALTH, 5 * LOT)
    assert desk.queue(ASK) == [pending.order_id]
    assert working not in desk.queue(BID)
    events = desk.apply(desk.place(BID, CAROL, 120, 5))
    assert kinds(events) == ["ORDER_ACCEPTED", "TRADE", "LIST_ENDED"]


def test_a_working_leg_that_is_filled_at_once_starts_its_pending_leg_at_once(desk: Desk) -> None:
    open_desk(desk)
    desk.rest(ASK, BOB, 100, 5)
    pending = leg(desk, OrderType.MARKET, ASK, 0)
    desk.rest(BID, CAROL, 99, 3)
    _, events = oto(desk, pending, 100)
    assert kinds(events)[5:] == [
        "TRADE",
        "ORDER_TERMS",
        "ORDER_ACCEPTED",
        "ORDER_TRIGGERED",
        "TRADE",
        "ORDER_EXPIRED",
        "LIST_ENDED",
    ]


def test_a_pending_leg_that_cannot_be_paid_ends(desk: Desk) -> None:
    """Rule 27: it may end rejected."""
    open_desk(desk)
    pending = leg(desk, OrderType.LIMIT, BID, 96, lots=5)
    oto(desk, pending)
    available, _ = desk.balance(ALICE, USD)
    desk.apply(
        Command(
            CommandType.WITHDRAW,
            user_id=ALICE,
            asset_id=USD,
            amount=available,
            request_id=request(77),
        )
    )
    events = desk.apply(desk.place(ASK, BOB, 95, 5))
    assert kinds(events) == ["ORDER_ACCEPTED", "TRADE", "ORDER_EXPIRED", "LIST_ENDED"]
    assert (events[2].order_id, events[2].reason) == (
        pending.order_id,
        Reason.INSUFFICIENT_BALANCE,
    )


@pytest.mark.parametrize("which", ["working", "pending"])
def test_without_its_partner_neither_leg_of_an_oto_stays(desk: Desk, which: str) -> None:
    open_desk(desk)
    pending = leg(desk, OrderType.LIMIT, ASK, 120)
    working, _ = oto(desk, pending)
    gone = working if which == "working" else pending.order_id
    events = desk.apply(cancel(ALICE, gone))
    assert kinds(events) == ["ORDER_CANCELED", "ORDER_CANCELED", "LIST_ENDED"]
    assert desk.kernel.open_order_count == 0
    assert desk.balance(ALICE, USD) == (WEALTH, 0)


def test_an_otoco_starts_its_pair_when_the_working_leg_is_filled(desk: Desk) -> None:
    open_desk(desk)
    working, limit, stop = (leg(desk, OrderType.LIMIT, BID, 95), *pair(desk, ASK))
    desk.apply(*listed(ListType.OTOCO, [working, limit, stop]))
    events = desk.apply(desk.place(ASK, BOB, 95, 5))
    assert kinds(events)[2:] == ["ORDER_TRIGGERED", "ORDER_TRIGGERED"]
    assert [event.header.flags for event in events[2:]] == [0, EventFlag.PARKED]
    assert desk.balance(ALICE, BTC) == (WEALTH, 5 * LOT)
    events = desk.apply(desk.place(BID, CAROL, 110, 5))
    assert kinds(events)[1:] == ["TRADE", "ORDER_CANCELED", "LIST_ENDED"]
    assert events[2].order_id == stop.order_id
    assert desk.kernel.open_order_count == 0


def test_a_leg_of_a_list_can_be_cancelled_only(desk: Desk) -> None:
    open_desk(desk)
    limit, stop = oco(desk, BID)
    assert desk.refusal(move(ALICE, limit, 91)) is Reason.ORDER_IN_LIST
    assert desk.refusal(reduce(ALICE, limit, 1)) is Reason.ORDER_IN_LIST
    assert desk.refusal(reduce(ALICE, stop, 1)) is Reason.ORDER_IN_LIST
    assert desk.refusal(move(ALICE, stop, 91)) is Reason.ORDER_IS_PARKED


def spoilt(desk: Desk, what: str) -> list[Command]:
    legs = pair(desk, BID)
    if what == "sides":
        legs[1] = legs[1]._replace(side=ASK)
    elif what == "quantities":
        legs[1] = legs[1]._replace(quantity=4)
    elif what == "order":
        legs.reverse()
    elif what == "take":
        desk.rest(ASK, BOB, 90, 1)
    elif what == "trigger":
        legs[1] = legs[1]._replace(amount=100)
    elif what == "text":
        legs = [each._replace(text=b"same") for each in legs]
    elif what == "funds":
        legs = [each._replace(quantity=10**6) for each in legs]
    elif what == "draft":
        return listed(ListType.OCO, legs)[:1] + listed(ListType.OCO, legs)[2:]
    return listed(ListType.OCO, legs)


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("sides", Reason.INVALID_LIST),
        ("quantities", Reason.INVALID_LIST),
        ("order", Reason.INVALID_LIST),
        ("take", Reason.WOULD_TAKE),
        ("trigger", Reason.WOULD_TRIGGER),
        ("text", Reason.DUPLICATE_CLIENT_ORDER_ID),
        ("funds", Reason.INSUFFICIENT_BALANCE),
        ("draft", Reason.NO_DRAFT),
    ],
)
def test_a_list_is_placed_as_a_whole_or_not_at_all(desk: Desk, what: str, reason: Reason) -> None:
    open_desk(desk)
    *legs, place = spoilt(desk, what)
    desk.apply(*legs)
    assert desk.refusal(place) is reason


def test_a_repeated_list_is_told_its_first_outcome(desk: Desk) -> None:
    """Rule 23."""
    open_desk(desk)
    commands = listed(ListType.OCO, pair(desk, BID), request_id=request(5))
    first = desk.apply(*commands)
    again = desk.apply(*commands)
    assert kinds(again) == ["LEG_TAKEN", "LEG_TAKEN", "REQUEST_REPLAYED"]
    assert again[-1].body._asdict()["first_event_seq"] == first[2].header.event_seq


def test_lists_come_back_with_a_state(desk: Desk) -> None:
    open_desk(desk)
    oco(desk, ASK)
    working, limit, stop = (leg(desk, OrderType.LIMIT, BID, 95), *pair(desk, ASK))
    desk.apply(*listed(ListType.OTOCO, [working, limit, stop]))
    oto(desk, leg(desk, OrderType.STOP_LOSS, ASK, 0, amount=80))
    state = canonical_bytes(desk.kernel)
    again = Desk(load_kernel(desk.kernel.name))
    again.kernel.load_state(PackedState(state))
    assert canonical_bytes(again.kernel) == state
    assert again.kernel.event_bound == desk.kernel.event_bound
    probes = [desk.place(ASK, BOB, 95, 10), desk.place(BID, CAROL, 110, 7)]
    assert again.apply(*probes) == desk.apply(*probes)
    assert canonical_bytes(again.kernel) == canonical_bytes(desk.kernel)
