"""Rule 21's cancel-replace, and quotes: a bid and an ask in one command."""

from typing import Any

import pytest

from engine.proto.records import (
    Command,
    CommandFlag,
    CommandType,
    EventType,
    MarketState,
    OrderAccepted,
    OrderChanged,
    OrderType,
    Reason,
    Refused,
    StpMode,
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
    Event,
    cancel,
    filters,
    kinds,
    request,
    set_state,
)

BTC_START = 1_000 * LOT
USD_START = 1_000_000 * UNIT
ALLOW = CommandFlag.ALLOW_FAILURE


def open_desk(desk: Desk) -> Desk:
    desk.open_market()
    for user in (ALICE, BOB):
        desk.fund(user, BTC, BTC_START)
        desk.fund(user, USD, USD_START)
    return desk


def replace(desk: Desk, order_id: int, new: Command, **more: Any) -> list[Event]:
    """Replace one of Alice's orders; the leg's own event is left out."""
    taker = Command(
        CommandType.REPLACE,
        market_id=MARKET,
        user_id=ALICE,
        order_id=order_id,
        quantity=1,
        **more,
    )
    taken, *events = desk.apply(new._replace(type=CommandType.PLACE_LEG), taker)
    assert taken.type is EventType.LEG_TAKEN
    return events


def quote(desk: Desk, bid: int, ask: int, lots: int = 5, **more: Any) -> Command:
    """A QUOTE of Alice's; price 0 = no such side."""
    order_id = desk.next_id()
    desk.next_id()  # the ask's
    terms = {
        "price": bid,
        "quantity": lots if bid else 0,
        "ceiling": ask,
        "amount": lots if ask else 0,
        **more,
    }
    return Command(CommandType.QUOTE, market_id=MARKET, user_id=ALICE, order_id=order_id, **terms)


def test_21_a_replace_cancels_and_places(desk: Desk) -> None:
    open_desk(desk)
    old = desk.rest(BID, ALICE, 100, 10_000)  # all of the money
    new = desk.place(BID, ALICE, 200, 5_000)
    events = replace(desk, old, new)
    assert kinds(events) == ["ORDER_CANCELED", "ORDER_ACCEPTED"]
    assert desk.queue(BID) == [new.order_id]
    assert desk.balance(ALICE, USD) == (0, USD_START)
    assert desk.kernel.last_order_id == new.order_id


def test_21_where_the_cancel_fails_only_allow_failure_places(desk: Desk) -> None:
    open_desk(desk)
    new = desk.place(BID, ALICE, 100, 5)
    (refused,) = replace(desk, 77, new)
    assert (refused.type, refused.reason) == (EventType.REFUSED, Reason.UNKNOWN_ORDER)
    assert kinds(replace(desk, 77, new, flags=ALLOW)) == ["ORDER_ACCEPTED"]
    assert desk.queue(BID) == [new.order_id]


@pytest.mark.parametrize("flags", [0, ALLOW])
def test_21_filters_are_checked_before_the_cancel(desk: Desk, flags: int) -> None:
    open_desk(desk)
    old = desk.rest(BID, ALICE, 100, 10)
    desk.apply(filters(price_max=150, notional_min=500 * UNIT))
    for price, lots, reason in ((151, 10, Reason.PRICE_FILTER), (100, 4, Reason.NOTIONAL)):
        (refused,) = replace(desk, old, desk.place(BID, ALICE, price, lots), flags=flags)
        assert refused.reason is reason
    assert desk.queue(BID) == [old]


@pytest.mark.parametrize("flags", [0, ALLOW])
def test_21_funds_are_checked_after_the_cancel_which_then_stands(desk: Desk, flags: int) -> None:
    open_desk(desk)
    old = desk.rest(BID, ALICE, 100, 10)
    new = desk.place(BID, ALICE, 100, 10_001, request_id=request(4), text=b"mine")
    canceled, refused = replace(desk, old, new, flags=flags)
    assert canceled.body == OrderChanged(old, ALICE, 100, 10, 0, 0)
    assert refused.reason is Reason.INSUFFICIENT_BALANCE
    assert refused.body == Refused(CommandType.PLACE_LEG, ALICE, new.order_id, request(4), b"mine")
    assert desk.balance(ALICE, USD) == (USD_START, 0)


def test_21_where_both_fail_there_is_one_refusal(desk: Desk) -> None:
    open_desk(desk)
    new = desk.place(BID, ALICE, 100, 10_001)
    (refused,) = replace(desk, 77, new, flags=ALLOW)
    assert refused.reason is Reason.INSUFFICIENT_BALANCE


def test_21_a_replace_may_spare_an_order_that_has_traded(desk: Desk) -> None:
    open_desk(desk)
    old = desk.rest(BID, ALICE, 100, 10)
    desk.apply(desk.place(ASK, BOB, 100, 1))
    new = desk.place(BID, ALICE, 99, 5)
    (refused,) = replace(desk, old, new, flags=CommandFlag.ONLY_NEW)
    assert refused.reason is Reason.CANCEL_RESTRICTED
    only_partly = CommandFlag.ONLY_PARTIALLY_FILLED
    assert kinds(replace(desk, old, new, flags=only_partly))[-1] == "ORDER_ACCEPTED"


def test_21_the_new_order_may_have_the_client_order_id_of_the_old(desk: Desk) -> None:
    open_desk(desk)
    old = desk.rest(BID, ALICE, 100, 10, text=b"mine")
    events = replace(desk, old, desk.place(BID, ALICE, 99, 5, text=b"mine"))
    assert kinds(events) == ["ORDER_CANCELED", "ORDER_ACCEPTED"]


def test_a_replace_without_its_leg_is_refused(desk: Desk) -> None:
    open_desk(desk)
    old = desk.rest(BID, ALICE, 100, 10)
    bare = Command(CommandType.REPLACE, market_id=MARKET, user_id=ALICE, order_id=old, quantity=1)
    assert desk.refusal(bare) is Reason.NO_DRAFT
    assert desk.refusal(bare._replace(quantity=2)) is Reason.INVALID_QUANTITY
    leg = desk.place(BID, BOB, 99, 5)._replace(type=CommandType.PLACE_LEG)
    assert desk.apply(leg, bare)[-1].reason is Reason.NO_DRAFT
    assert desk.queue(BID) == [old]


def test_23_a_replace_sent_again_is_told_its_first_outcome(desk: Desk) -> None:
    open_desk(desk)
    old = desk.rest(BID, ALICE, 100, 10)
    new = desk.place(BID, ALICE, 99, 5)
    replace(desk, old, new, request_id=request(9))
    (again,) = replace(desk, old, new._replace(order_id=999), request_id=request(9))
    assert again.type is EventType.REQUEST_REPLAYED
    assert desk.queue(BID) == [new.order_id]


def test_a_quote_places_two_post_only_orders(desk: Desk) -> None:
    open_desk(desk)
    command = quote(desk, 99, 101)
    bid, ask = desk.apply(command)
    terms = int(OrderType.LIMIT_MAKER)
    assert bid.body == OrderAccepted(command.order_id, ALICE, 99, 5, 0, 5 * 99 * UNIT, terms, b"")
    assert ask.body == OrderAccepted(command.order_id + 1, ALICE, 101, 5, 0, 5 * LOT, terms, b"")
    assert desk.kernel.last_order_id == command.order_id + 1


def test_a_quote_replaces_the_last_one_and_uses_what_that_held(desk: Desk) -> None:
    open_desk(desk)
    first = quote(desk, 200, 300, lots=1_000)
    desk.apply(first._replace(quantity=5_000))
    second = quote(desk, 250, 300, lots=1_000)
    events = desk.apply(second._replace(quantity=4_000))
    assert kinds(events) == ["ORDER_CANCELED"] * 2 + ["ORDER_ACCEPTED"] * 2
    assert {event.reason for event in events[:2]} == {Reason.QUOTE_REPLACED}
    assert desk.queue(BID) == [second.order_id]
    assert desk.queue(ASK) == [second.order_id + 1]
    assert desk.balance(ALICE, USD) == (0, USD_START)
    assert desk.balance(ALICE, BTC) == (0, BTC_START)


def test_a_quote_may_cross_what_it_replaces_and_nothing_else(desk: Desk) -> None:
    open_desk(desk)
    desk.apply(quote(desk, 99, 101))
    up = quote(desk, 102, 104)
    assert kinds(desk.apply(up)) == ["ORDER_CANCELED"] * 2 + ["ORDER_ACCEPTED"] * 2
    theirs = desk.rest(ASK, BOB, 104, 1)
    assert desk.refusal(quote(desk, 104, 106)) is Reason.WOULD_TAKE
    assert desk.queue(ASK) == [up.order_id + 1, theirs]


def test_a_side_without_a_price_is_not_quoted_and_no_side_withdraws(desk: Desk) -> None:
    open_desk(desk)
    desk.apply(quote(desk, 99, 101))
    one = quote(desk, 0, 103)
    assert kinds(desk.apply(one)) == ["ORDER_CANCELED"] * 2 + ["ORDER_ACCEPTED"]
    assert (desk.queue(BID), desk.queue(ASK)) == ([], [one.order_id + 1])
    desk.apply(set_state(MarketState.CANCEL_ONLY))
    assert desk.refusal(quote(desk, 99, 101)) is Reason.MARKET_NOT_TRADING
    assert kinds(desk.apply(quote(desk, 0, 0))) == ["ORDER_CANCELED"]
    assert desk.refusal(quote(desk, 0, 0)) is Reason.NOTHING_CHANGES
    assert desk.kernel.open_order_count == 0


def test_what_has_ended_of_a_quote_is_not_cancelled_again(desk: Desk) -> None:
    open_desk(desk)
    first = quote(desk, 99, 101)
    desk.apply(first)
    desk.apply(desk.place(BID, BOB, 101, 5), cancel(ALICE, first.order_id))
    assert kinds(desk.apply(quote(desk, 98, 102))) == ["ORDER_ACCEPTED"] * 2


def test_a_quote_carries_a_mode_of_prevention(desk: Desk) -> None:
    open_desk(desk)
    events = desk.apply(quote(desk, 99, 101, stp=StpMode.EXPIRE_MAKER))
    assert kinds(events) == ["ORDER_TERMS", "ORDER_ACCEPTED"] * 2


@pytest.mark.parametrize(
    ("terms", "reason"),
    [
        ({"price": 101}, Reason.INVALID_PRICE),
        ({"price": -1}, Reason.INVALID_PRICE),
        ({"price": 0}, Reason.INVALID_PRICE),
        ({"amount": 0}, Reason.INVALID_QUANTITY),
        ({"quantity": -5}, Reason.INVALID_QUANTITY),
        ({"ceiling": 111}, Reason.PRICE_FILTER),
        ({"quantity": 50}, Reason.LOT_SIZE),
        ({"quantity": 1}, Reason.NOTIONAL),
        ({"amount": 2**62}, Reason.LOT_SIZE),
        ({"order_id": 0}, Reason.DUPLICATE_ORDER_ID),
        ({"order_id": 2**63 - 1}, Reason.DUPLICATE_ORDER_ID),
        ({"stp": 5}, Reason.MALFORMED),
        ({"user_id": 77}, Reason.UNKNOWN_USER),
        ({"market_id": 9}, Reason.UNKNOWN_MARKET),
    ],
)
def test_a_quote_of_which_one_side_is_not_taken_changes_nothing(
    desk: Desk, terms: dict[str, Any], reason: Reason
) -> None:
    open_desk(desk)
    first = quote(desk, 99, 101)
    desk.apply(first, filters(price_max=110, lots_max=40, notional_min=200 * UNIT))
    assert desk.refusal(quote(desk, 98, 101)._replace(**terms)) is reason
    assert desk.queue(BID) == [first.order_id]


def test_a_quote_beyond_the_funds_of_one_side_leaves_the_last_one(desk: Desk) -> None:
    open_desk(desk)
    first = quote(desk, 99, 101, lots=1_000)
    desk.apply(first)
    assert desk.refusal(quote(desk, 99, 101, lots=1_001)) is Reason.INSUFFICIENT_BALANCE
    assert desk.queue(ASK) == [first.order_id + 1]


def test_23_a_quote_sent_again_is_told_its_first_outcome(desk: Desk) -> None:
    open_desk(desk)
    first = quote(desk, 99, 101, request_id=request(3))
    desk.apply(first)
    (again,) = desk.apply(first._replace(order_id=500))
    assert again.type is EventType.REQUEST_REPLAYED
    assert desk.kernel.last_order_id == 501
