"""Rules 13, 32 and what they touch: entry in an auction, and the uncross at its end."""

import random

import pytest

from engine.proto.records import (
    Command,
    CommandFlag,
    CommandType,
    EventFlag,
    EventType,
    MarketState,
    MarketUncrossed,
    OrderChanged,
    Reason,
    Side,
    StpMode,
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
    kinds,
    move,
    set_state,
)

USERS = (ALICE, BOB, CAROL)
START = 10**12


def open_auction(desk: Desk, *, maker: int = 0, taker: int = 0, flags: int = 0) -> Desk:
    desk.open_market(users=USERS, maker=maker, taker=taker, flags=flags)
    for user in USERS:
        desk.fund(user, BTC, START)
        desk.fund(user, USD, START)
    desk.apply(set_state(MarketState.AUCTION))
    return desk


def uncross(desk: Desk, state: MarketState = MarketState.TRADING) -> list[Event]:
    first, *events = desk.apply(set_state(state))
    assert first.type is EventType.MARKET_STATE_SET
    return events


def outcomes(events: list[Event]) -> list[MarketUncrossed]:
    return [event.body for event in events if isinstance(event.body, MarketUncrossed)]


def fills(events: list[Event]) -> list[tuple[int, int, int, int]]:
    """(maker order, taker order, price, lots) of each trade."""
    return [
        (
            event.body.maker_order_id,
            event.body.taker_order_id,
            event.body.price_ticks,
            event.body.quantity_lots,
        )
        for event in events
        if isinstance(event.body, Trade)
    ]


def test_31_in_an_auction_orders_rest_without_meeting(desk: Desk) -> None:
    open_auction(desk)
    ask = desk.rest(ASK, BOB, 90, 5)
    bid = desk.rest(BID, ALICE, 110, 5)
    low = desk.rest(BID, ALICE, 80, 5)
    (event,) = desk.apply(move(ALICE, low, 100))
    assert event.type is EventType.ORDER_MOVED
    assert desk.queue(BID) == [bid, low]
    assert desk.queue(ASK) == [ask]
    assert desk.refusal(desk.market_order(BID, ALICE, 1)) is Reason.MARKET_IN_AUCTION


def test_13_a_limit_maker_that_crosses_is_accepted_in_an_auction(desk: Desk) -> None:
    open_auction(desk)
    desk.rest(ASK, BOB, 90, 5)
    assert kinds(desk.apply(desk.post_only(BID, ALICE, 95, 5))) == ["ORDER_ACCEPTED"]
    quote = Command(
        CommandType.QUOTE,
        market_id=MARKET,
        user_id=CAROL,
        order_id=900,
        price=100,
        quantity=1,
        ceiling=101,
        amount=1,
    )
    assert kinds(desk.apply(quote)) == ["ORDER_ACCEPTED"] * 2


def test_32_a_book_that_does_not_cross_is_not_traded(desk: Desk) -> None:
    open_auction(desk)
    desk.rest(ASK, BOB, 101, 5)
    desk.rest(BID, ALICE, 100, 5)
    events = uncross(desk)
    assert kinds(events) == ["MARKET_UNCROSSED"]
    assert outcomes(events) == [MarketUncrossed(0, 0, 0, 0)]
    assert desk.kernel.open_order_count == 2


def test_32_the_most_volume_decides(desk: Desk) -> None:
    open_auction(desk)
    for price, lots in ((105, 5), (103, 5), (101, 20)):
        desk.rest(BID, ALICE, price, lots)
    for price, lots in ((100, 5), (102, 10), (104, 10)):
        desk.rest(ASK, BOB, price, lots)
    events = uncross(desk)
    (outcome,) = outcomes(events)
    assert outcome == MarketUncrossed(102, 10, -5, 0)
    assert sum(lots for *_, lots in fills(events)) == 10
    assert {price for _, _, price, _ in fills(events)} == {102}
    book = desk.kernel.book(MARKET, 1)
    assert book is not None
    assert (book[0][0].price_ticks, book[1][0].price_ticks) == (101, 102)


def test_32_then_the_least_imbalance(desk: Desk) -> None:
    open_auction(desk)
    desk.rest(BID, ALICE, 105, 10)
    desk.rest(BID, ALICE, 102, 3)
    desk.rest(ASK, BOB, 100, 10)
    events = uncross(desk)
    assert outcomes(events) == [MarketUncrossed(103, 10, 0, 0)]


@pytest.mark.parametrize(("last", "price"), [(50, 96), (99, 99), (104, 104), (150, 104)])
def test_32_then_the_nearest_to_the_reference_price(desk: Desk, last: int, price: int) -> None:
    open_auction(desk)
    desk.apply(set_state(MarketState.TRADING))
    desk.apply(desk.place(ASK, CAROL, last, 1), desk.place(BID, CAROL, last, 1))
    desk.apply(set_state(MarketState.AUCTION))
    desk.rest(BID, ALICE, 105, 10)
    desk.rest(ASK, BOB, 95, 10)
    desk.rest(BID, ALICE, 95, 1)  # at the two ends something would be left
    desk.rest(ASK, BOB, 105, 1)
    events = uncross(desk)
    assert outcomes(events) == [MarketUncrossed(price, 10, 0, last)]


def test_32_then_the_lowest(desk: Desk) -> None:
    open_auction(desk)
    desk.rest(BID, ALICE, 105, 10)
    desk.rest(ASK, BOB, 95, 10)
    assert outcomes(uncross(desk)) == [MarketUncrossed(95, 10, 0, 0)]


def test_32_orders_at_the_price_are_served_first_come_first_served(desk: Desk) -> None:
    open_auction(desk)
    better = [desk.rest(BID, ALICE, 101, 2)]
    first, second = (desk.rest(BID, user, 100, 5) for user in (CAROL, ALICE))
    ask = desk.rest(ASK, BOB, 100, 9)
    events = uncross(desk)
    assert fills(events) == [
        (better[0], ask, 100, 2),
        (first, ask, 100, 5),
        (second, ask, 100, 2),
    ]
    assert desk.queue(BID) == [second]
    assert outcomes(events) == [MarketUncrossed(100, 9, 3, 0)]


def test_32_both_sides_pay_the_makers_rate_and_bids_get_back_the_difference(desk: Desk) -> None:
    open_auction(desk, maker=1_000, taker=50_000, flags=CommandFlag.FEE_IN_QUOTE)
    bid = desk.rest(BID, ALICE, 120, 10)
    ask = desk.rest(ASK, BOB, 100, 10)
    trade, _ = uncross(desk)
    assert isinstance(trade.body, Trade)
    assert trade.body[1:] == (bid, ask, ALICE, BOB, 100, 10, 100, 100, 0, 0, 0)
    done = EventFlag.AUCTION | EventFlag.DONE | EventFlag.MAKER_DONE
    assert trade.header.flags == done  # the later order counts as the taker: it sells
    assert desk.balance(ALICE, USD) == (START - 1_000 * UNIT - 100, 0)
    assert desk.balance(BOB, USD) == (START + 1_000 * UNIT - 100, 0)


def test_32_of_two_orders_of_one_owner_the_later_expires(desk: Desk) -> None:
    open_auction(desk)
    own_ask = desk.rest(ASK, ALICE, 100, 5)
    own = desk.place(BID, ALICE, 105, 5, stp=StpMode.EXPIRE_MAKER)
    desk.apply(own)
    other = desk.rest(BID, BOB, 101, 3)
    events = uncross(desk)
    assert isinstance(events[0].body, OrderChanged)
    assert (events[0].body.order_id, events[0].reason) == (own.order_id, Reason.STP)
    assert sum(lots for *_, lots in fills(events)) == 3
    assert desk.queue(ASK) == [own_ask]
    assert desk.kernel.order(MARKET, other) is None
    assert desk.balance(ALICE, USD)[1] == 0


def test_32_the_mode_of_the_later_order_decides(desk: Desk) -> None:
    open_auction(desk)
    desk.apply(desk.place(ASK, ALICE, 100, 5, stp=StpMode.EXPIRE_BOTH))
    desk.rest(BID, ALICE, 105, 5)
    assert len(fills(uncross(desk))) == 1


def test_32_icebergs_trade_their_hidden_lots_in_turn(desk: Desk) -> None:
    open_auction(desk)
    ice = desk.place(ASK, ALICE, 100, 6, flags=CommandFlag.ICEBERG, ceiling=2)
    desk.apply(ice)
    plain = desk.rest(ASK, BOB, 100, 3)
    bid = desk.rest(BID, CAROL, 100, 8)
    events = uncross(desk)
    assert fills(events) == [
        (ice.order_id, bid, 100, 2),
        (plain, bid, 100, 3),
        (ice.order_id, bid, 100, 2),
        (ice.order_id, bid, 100, 1),
    ]
    assert outcomes(events) == [MarketUncrossed(100, 8, -1, 0)]


def test_32_a_book_left_crossed_is_uncrossed_when_orders_meet_again(desk: Desk) -> None:
    open_auction(desk)
    desk.rest(ASK, BOB, 100, 5)
    desk.rest(BID, ALICE, 105, 5)
    assert uncross(desk, MarketState.HALT) == []
    assert desk.kernel.open_order_count == 2
    events = uncross(desk, MarketState.POST_ONLY)
    assert kinds(events) == ["TRADE", "MARKET_UNCROSSED"]
    assert uncross(desk) == []


def brute_force(bids: list[tuple[int, int]], asks: list[tuple[int, int]], last: int) -> int:
    """The auction price by trying every tick."""
    best = min(asks)[0], max(bids)[0]

    def rank(price: int) -> tuple[int, int, int, int]:
        demand = sum(lots for at, lots in bids if at >= price)
        supply = sum(lots for at, lots in asks if at <= price)
        distance = abs(price - last) if last else 0
        return -min(demand, supply), abs(demand - supply), distance, price

    return min(range(best[0], best[1] + 1), key=rank)


@pytest.mark.parametrize("seed", range(25))
def test_32_the_price_is_the_one_found_by_trying_every_tick(desk: Desk, seed: int) -> None:
    rng = random.Random(seed)
    open_auction(desk)
    last = rng.choice((0, rng.randrange(80, 121)))
    if last:
        desk.apply(set_state(MarketState.TRADING))
        desk.apply(desk.place(ASK, CAROL, last, 1), desk.place(BID, CAROL, last, 1))
        desk.apply(set_state(MarketState.AUCTION))
    sides: dict[Side, list[tuple[int, int]]] = {ASK: [(95, 1)], BID: [(105, 1)]}
    for _ in range(rng.randrange(2, 20)):
        sides[rng.choice((ASK, BID))].append((rng.randrange(85, 116), rng.randrange(1, 9)))
    for side, orders in sides.items():
        for price, lots in orders:
            desk.rest(side, ALICE if side is BID else BOB, price, lots)
    (outcome,) = outcomes(uncross(desk))
    assert outcome.price_ticks == brute_force(sides[BID], sides[ASK], last)
    book = desk.kernel.book(MARKET, 1)
    assert book is not None
    assert not book[0] or not book[1] or book[0][0].price_ticks < book[1][0].price_ticks
    assert desk.balance(ALICE, BTC)[0] == START + (outcome.lots + 0) * LOT
