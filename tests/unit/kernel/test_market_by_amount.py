"""Rules 6 and 12: MARKET orders by quote amount on both sides."""

import pytest

from engine.proto.records import (
    INT64_MAX,
    CommandFlag,
    EventFlag,
    EventType,
    OrderAccepted,
    OrderChanged,
    OrderTerms,
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
    LOT,
    UNIT,
    USD,
    Desk,
    Event,
    kinds,
)

BTC_START = 1_000 * LOT
USD_START = 1_000_000 * UNIT
TAKER_PPM = 1_900


def open_desk(desk: Desk, *, maker: int = 0, taker: int = 0, flags: int = 0) -> Desk:
    desk.open_market(maker=maker, taker=taker, flags=flags)
    for user in (ALICE, BOB):
        desk.fund(user, BTC, BTC_START)
        desk.fund(user, USD, USD_START)
    return desk


def by_amount(desk: Desk, side: Side, amount: int, **more: int) -> list[Event]:
    return desk.apply(desk.market_order(side, ALICE, 0, amount=amount, **more))


def fills(events: list[Event]) -> list[tuple[int, int]]:
    """(lots, price) of each trade."""
    return [
        (event.body.quantity_lots, event.body.price_ticks)
        for event in events
        if isinstance(event.body, Trade)
    ]


def spent(desk: Desk) -> int:
    available, locked = desk.balance(ALICE, USD)
    assert locked == 0
    return USD_START - available


def test_6_a_buy_takes_what_the_amount_pays_for_and_ends(desk: Desk) -> None:
    open_desk(desk)
    desk.rest(ASK, BOB, 100, 3)
    desk.rest(ASK, BOB, 110, 5)
    amount = (3 * 100 + 2 * 110 + 109) * UNIT
    events = by_amount(desk, BID, amount)
    assert kinds(events) == ["ORDER_TERMS", "ORDER_ACCEPTED", "TRADE", "TRADE"]
    assert isinstance(events[0].body, OrderTerms)
    assert events[0].body.quote_atoms == amount
    accepted = events[1].body
    assert isinstance(accepted, OrderAccepted)
    assert (accepted.quantity_lots, accepted.reserved_atoms, accepted.bound) == (5, amount, 0)
    assert fills(events) == [(3, 100), (2, 110)]
    assert events[-1].header.flags == EventFlag.BID | EventFlag.DONE
    assert spent(desk) == (3 * 100 + 2 * 110) * UNIT
    assert desk.balance(ALICE, BTC) == (BTC_START + 5 * LOT, 0)


@pytest.mark.parametrize("short", [0, 1])
@pytest.mark.parametrize("flags", [CommandFlag.FEE_IN_QUOTE, CommandFlag.FEE_PER_LOT])
def test_6_a_buy_never_overspends_with_its_fee_in_quote(desk: Desk, flags: int, short: int) -> None:
    open_desk(desk, maker=700, taker=TAKER_PPM, flags=flags)
    desk.rest(ASK, BOB, 10_000, 9)
    price = 7 * 10_000 * UNIT
    fee = 7 * TAKER_PPM if flags == CommandFlag.FEE_PER_LOT else price * TAKER_PPM // 10**6
    events = by_amount(desk, BID, price + fee - short)
    bought = 7 - short
    assert fills(events) == [(bought, 10_000)]
    assert spent(desk) == (price + fee) * bought // 7 <= price + fee - short


def test_6_what_is_left_of_a_buy_is_less_than_one_lot_at_the_next_price(desk: Desk) -> None:
    open_desk(desk, maker=700, taker=TAKER_PPM, flags=CommandFlag.FEE_IN_QUOTE)
    for price in range(100, 120):
        desk.rest(ASK, BOB, price, 2)
    for amount in range(10**4, 3 * 10**5, 7_919):
        before = spent(desk)
        book = desk.kernel.book(1, 1)
        assert book is not None
        assert book[1]
        by_amount(desk, BID, amount)
        left = amount - (spent(desk) - before)
        next_price = desk.kernel.book(1, 1)[1][0].price_ticks  # type: ignore[index]
        lot_with_fee = next_price * UNIT * (10**6 + TAKER_PPM) // 10**6 + 1
        assert 0 <= left < lot_with_fee
        if spent(desk) > 350_000:
            break


def test_6_a_sale_is_the_fewest_lots_whose_proceeds_reach_the_amount(desk: Desk) -> None:
    open_desk(desk)
    desk.rest(BID, BOB, 110, 3)
    desk.rest(BID, BOB, 100, 5)
    for amount, expected in (
        (3 * 110 * UNIT, [(3, 110)]),
        (1, [(1, 100)]),
        (100 * UNIT, [(1, 100)]),
        (100 * UNIT + 1, [(2, 100)]),
    ):
        events = by_amount(desk, ASK, amount)
        assert fills(events) == expected
        accepted = events[1].body
        assert isinstance(accepted, OrderAccepted)
        assert accepted.reserved_atoms == accepted.quantity_lots * LOT


def test_6_a_sale_beyond_the_book_sells_to_all_of_it(desk: Desk) -> None:
    open_desk(desk)
    desk.rest(BID, BOB, 110, 3)
    events = by_amount(desk, ASK, INT64_MAX)
    assert fills(events) == [(3, 110)]
    assert events[-1].header.flags == EventFlag.DONE | EventFlag.MAKER_DONE
    assert desk.kernel.open_order_count == 0


def test_6_dust_that_buys_no_lot_expires_with_nothing_held(desk: Desk) -> None:
    open_desk(desk)
    desk.rest(ASK, BOB, 100, 3)
    terms, accepted, expired = by_amount(desk, BID, 100 * UNIT - 1)
    assert isinstance(accepted.body, OrderAccepted)
    assert accepted.body.quantity_lots == 0
    assert isinstance(expired.body, OrderChanged)
    assert (expired.type, expired.reason) == (EventType.ORDER_EXPIRED, Reason.TIME_IN_FORCE)
    assert tuple(expired.body)[3:6] == (0, 0, 0)
    assert terms.type is EventType.ORDER_TERMS
    assert spent(desk) == 0


@pytest.mark.parametrize("side", [ASK, BID])
def test_12_by_amount_on_an_empty_book_expires(desk: Desk, side: Side) -> None:
    open_desk(desk)
    assert kinds(by_amount(desk, side, 10**6)) == ["ORDER_TERMS", "ORDER_ACCEPTED", "ORDER_EXPIRED"]
    assert desk.kernel.open_order_count == 0


def test_a_buy_holds_its_whole_amount_and_a_sale_its_lots(desk: Desk) -> None:
    open_desk(desk)
    desk.rest(ASK, BOB, 100, 3)
    order = desk.market_order(BID, ALICE, 0, amount=USD_START + 1)
    assert desk.refusal(order) is Reason.INSUFFICIENT_BALANCE
    desk.rest(BID, BOB, 99, 1_001)
    order = desk.market_order(ASK, ALICE, 0, amount=1_000 * 99 * UNIT + 1)
    assert desk.refusal(order) is Reason.INSUFFICIENT_BALANCE


def test_an_amount_and_a_quantity_or_a_negative_amount_are_refused(desk: Desk) -> None:
    open_desk(desk)
    assert desk.refusal(desk.market_order(BID, ALICE, 1, amount=1)) is Reason.MALFORMED
    assert desk.refusal(desk.market_order(BID, ALICE, 0, amount=-1)) is Reason.INVALID_AMOUNT
    assert desk.refusal(desk.market_order(BID, ALICE, 0)) is Reason.INVALID_QUANTITY


@pytest.mark.parametrize(
    ("stp", "expected", "last"),
    [
        (StpMode.EXPIRE_MAKER, [(2, 100), (3, 120)], "TRADE"),
        (StpMode.EXPIRE_TAKER, [(2, 100)], "ORDER_EXPIRED"),
        (StpMode.EXPIRE_BOTH, [(2, 100)], "ORDER_EXPIRED"),
        (StpMode.DECREMENT, [(2, 100), (1, 120)], "TRADE"),
    ],
)
def test_6_and_16_by_amount_among_own_orders(
    desk: Desk, stp: StpMode, expected: list[tuple[int, int]], last: str
) -> None:
    open_desk(desk)
    desk.rest(ASK, BOB, 100, 2)
    desk.rest(ASK, ALICE, 110, 2)
    desk.rest(ASK, BOB, 120, 9)
    events = by_amount(desk, BID, (2 * 100 + 2 * 110 + 120 + 119) * UNIT, stp=stp)
    assert fills(events) == expected
    assert kinds(events)[-1] == last
    assert spent(desk) == sum(lots * price for lots, price in expected) * UNIT
