"""Fees and holds in the three fee models: what is charged, to whom, and what stays reserved."""

from typing import Any

import pytest

from engine.proto.records import (
    INT64_MAX,
    Command,
    CommandFlag,
    CommandType,
    Reason,
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
    cancel,
    money,
    move,
    reduce,
    request,
)

HOUSE = 0
IN_QUOTE = CommandFlag.FEE_IN_QUOTE
PER_LOT = CommandFlag.FEE_PER_LOT


def open_desk(desk: Desk, maker: int, taker: int, flags: int = 0, **units: Any) -> None:
    """A market with these fees; Alice has dollars, Bob has coins."""
    desk.open_market(maker=maker, taker=taker, flags=flags, **units)
    desk.fund(ALICE, USD, 10**12)
    desk.fund(BOB, BTC, 10**12)


def fees(events: list[Event]) -> list[tuple[int, int]]:
    """(maker fee, taker fee) of each fill."""
    return [
        (event.body.maker_fee_atoms, event.body.taker_fee_atoms)
        for event in events
        if isinstance(event.body, Trade)
    ]


def ceil_ppm(amount: int, rate: int) -> int:
    return -(-amount * rate // 10**6)


def test_by_default_each_side_pays_in_the_asset_that_it_receives(desk: Desk) -> None:
    open_desk(desk, maker=1_000, taker=2_000)
    desk.rest(ASK, BOB, 100, 3)
    events = desk.apply(desk.place(BID, ALICE, 100, 3))
    maker_fee, taker_fee = ceil_ppm(300 * UNIT, 1_000), ceil_ppm(3 * LOT, 2_000)
    assert fees(events) == [(maker_fee, taker_fee)]
    assert desk.balance(ALICE, BTC) == (3 * LOT - taker_fee, 0)
    assert desk.balance(ALICE, USD) == (10**12 - 300 * UNIT, 0)
    assert desk.balance(BOB, USD) == (300 * UNIT - maker_fee, 0)
    assert desk.balance(HOUSE, USD) == (maker_fee, 0)
    assert desk.balance(HOUSE, BTC) == (taker_fee, 0)


def test_a_fee_in_quote_is_held_with_the_bid_and_charged_to_both(desk: Desk) -> None:
    open_desk(desk, maker=1_000, taker=2_000, flags=IN_QUOTE)
    order_id = desk.rest(BID, ALICE, 100, 3)
    held = 300 * UNIT + ceil_ppm(300 * UNIT, 2_000)
    assert desk.balance(ALICE, USD) == (10**12 - held, held)
    events = desk.apply(desk.place(ASK, BOB, 100, 3))
    assert fees(events) == [(30, 60)]
    assert desk.kernel.order(1, order_id) is None
    assert desk.balance(ALICE, USD) == (10**12 - 300 * UNIT - 30, 0)
    assert desk.balance(ALICE, BTC) == (3 * LOT, 0)
    assert desk.balance(BOB, USD) == (300 * UNIT - 60, 0)
    assert desk.balance(HOUSE, USD) == (90, 0)
    assert desk.balance(HOUSE, BTC) == (0, 0)


@pytest.mark.parametrize("flags", [0, IN_QUOTE])
@pytest.mark.parametrize("rates", [(333, 777), (1, 999_999), (0, 1_000_000), (10**6, 0)])
def test_many_small_fills_cost_what_one_large_fill_costs(
    desk: Desk, flags: int, rates: tuple[int, int]
) -> None:
    open_desk(desk, *rates, flags=flags, tick=10**4, lot=10**4)
    desk.rest(ASK, BOB, 7, 100)
    whole = fees(desk.apply(desk.place(BID, ALICE, 7, 100)))
    desk.rest(ASK, BOB, 7, 100)
    small: list[tuple[int, int]] = []
    for _ in range(100):
        small += fees(desk.apply(desk.place(BID, ALICE, 7, 1)))
    assert sum(maker for maker, _ in small) == whole[0][0]
    desk.apply(*(desk.place(ASK, BOB, 7, 1) for _ in range(100)))
    swept = fees(desk.apply(desk.place(BID, ALICE, 7, 100)))
    assert len(swept) == 100
    assert sum(taker for _, taker in swept) == whole[0][1]


def test_price_improvement_is_released_with_its_part_of_the_fee_at_each_fill(
    desk: Desk,
) -> None:
    open_desk(desk, maker=1_000, taker=2_000, flags=IN_QUOTE)
    desk.rest(ASK, BOB, 100, 4)
    desk.apply(desk.place(BID, ALICE, 110, 10))
    cost = 400 * UNIT + ceil_ppm(400 * UNIT, 2_000)
    rest = 660 * UNIT
    fee_ahead = max(
        ceil_ppm(400 * UNIT + rest, 2_000) - ceil_ppm(400 * UNIT, 2_000), ceil_ppm(rest, 1_000)
    )
    assert desk.balance(ALICE, USD) == (10**12 - cost - rest - fee_ahead, rest + fee_ahead)


def test_a_ceiling_is_held_though_the_price_is_lower(desk: Desk) -> None:
    open_desk(desk, maker=0, taker=10_000, flags=IN_QUOTE)
    desk.rest(BID, ALICE, 100, 10, ceiling=120)
    assert desk.balance(ALICE, USD)[1] == 1_200 * UNIT + ceil_ppm(1_200 * UNIT, 10_000)
    desk.apply(desk.place(ASK, BOB, 100, 4))
    assert desk.balance(ALICE, USD)[1] == 720 * UNIT + ceil_ppm(720 * UNIT, 10_000)


def test_a_reduction_releases_the_hold_of_the_lots_and_their_fee(desk: Desk) -> None:
    open_desk(desk, maker=7, taker=19, flags=PER_LOT)
    order_id = desk.rest(BID, ALICE, 100, 10)
    assert desk.balance(ALICE, USD)[1] == 10 * (100 * UNIT + 19)
    desk.apply(reduce(ALICE, order_id, 3))
    assert desk.balance(ALICE, USD)[1] == 7 * (100 * UNIT + 19)


def test_an_order_keeps_the_rates_of_its_acceptance(desk: Desk) -> None:
    open_desk(desk, maker=1_000, taker=2_000, flags=IN_QUOTE)
    desk.rest(ASK, BOB, 100, 1)
    desk.apply(Command(CommandType.SET_MARKET_FEES, market_id=1, amount=0, ceiling=50_000))
    events = desk.apply(desk.place(BID, ALICE, 100, 1))
    assert fees(events) == [(ceil_ppm(100 * UNIT, 1_000), ceil_ppm(100 * UNIT, 50_000))]


def test_a_moved_order_pays_the_taker_rate_for_what_it_takes(desk: Desk) -> None:
    open_desk(desk, maker=1_000, taker=2_000, flags=IN_QUOTE)
    order_id = desk.rest(BID, ALICE, 90, 5)
    desk.apply(desk.place(ASK, BOB, 90, 2))
    desk.rest(ASK, BOB, 95, 1)
    events = desk.apply(move(ALICE, order_id, 95))
    assert fees(events) == [(ceil_ppm(95 * UNIT, 1_000), ceil_ppm(95 * UNIT, 2_000))]


def test_a_dust_fill_never_costs_more_than_it_brings(desk: Desk) -> None:
    """One tick for one lot is one quote atom here, and the fees want more."""
    open_desk(desk, maker=1_000_000, taker=10**6, tick=10**4, lot=10**4)
    desk.rest(ASK, BOB, 1, 1)
    events = desk.apply(desk.place(BID, ALICE, 1, 1))
    assert fees(events) == [(1, 10**4)]
    assert desk.balance(BOB, USD) == (0, 0)
    assert desk.balance(ALICE, BTC) == (0, 0)


def test_a_fee_per_lot_beyond_the_proceeds_is_cut_to_them(desk: Desk) -> None:
    open_desk(desk, maker=5, taker=7, flags=PER_LOT, tick=10**4, lot=10**4)
    desk.rest(ASK, BOB, 3, 2)
    events = desk.apply(desk.place(BID, ALICE, 3, 2))
    assert fees(events) == [(6, 14)]
    assert desk.balance(BOB, USD) == (0, 0)
    assert desk.balance(HOUSE, USD) == (20, 0)


def test_a_bids_fee_in_quote_is_cut_to_what_its_reserve_can_spare(desk: Desk) -> None:
    """The hold foresees one role for the rest; trading in both can round up once more."""
    open_desk(desk, maker=500_000, taker=500_000, flags=IN_QUOTE, tick=10**4, lot=10**4)
    order_id = desk.rest(BID, ALICE, 1, 3)
    assert desk.balance(ALICE, USD)[1] == 3 + 2
    first = fees(desk.apply(desk.place(ASK, BOB, 1, 1)))
    desk.rest(ASK, BOB, 2, 1)
    desk.apply(move(ALICE, order_id, 1, flags=CommandFlag.REQUEUE))
    second = fees(desk.apply(desk.place(ASK, BOB, 1, 2)))
    assert first == [(1, 1)]
    assert second == [(1, 1)]
    assert desk.balance(ALICE, USD) == (10**12 - 3 - 2, 0)


def test_a_market_bid_holds_its_sweep_with_the_fee_in_quote(desk: Desk) -> None:
    for flags, fee in ((IN_QUOTE, ceil_ppm(205 * UNIT, 2_000)), (PER_LOT, 2 * 2_000)):
        market_desk = Desk(type(desk.kernel)())
        open_desk(market_desk, maker=0, taker=2_000, flags=flags)
        market_desk.rest(ASK, BOB, 100, 1)
        market_desk.rest(ASK, BOB, 105, 1)
        market_desk.apply(
            Command(
                CommandType.WITHDRAW,
                user_id=ALICE,
                asset_id=USD,
                amount=10**12 - 205 * UNIT - fee + 1,
                request_id=bytes(15) + b"w",
            )
        )
        refused = market_desk.refusal(market_desk.market_order(BID, ALICE, 2))
        assert refused is Reason.INSUFFICIENT_BALANCE
        market_desk.fund(ALICE, USD, 1)
        events = market_desk.apply(market_desk.market_order(BID, ALICE, 2))
        assert sum(taker for _, taker in fees(events)) == fee
        assert market_desk.balance(ALICE, USD) == (0, 0)


def test_a_budget_bid_holds_its_budget_with_the_fee_and_returns_what_is_left(
    desk: Desk,
) -> None:
    open_desk(desk, maker=0, taker=2_000, flags=IN_QUOTE)
    desk.rest(ASK, BOB, 100, 2)
    budget = 250 * UNIT
    events = desk.apply(desk.budget_order(BID, ALICE, 2, budget))
    assert events[0].body.reserved_atoms == budget + ceil_ppm(budget, 2_000)  # type: ignore[union-attr]
    fee = ceil_ppm(200 * UNIT, 2_000)
    assert desk.balance(ALICE, USD) == (10**12 - 200 * UNIT - fee, 0)


def test_a_rate_of_nothing_charges_nothing_and_touches_no_fee_account(desk: Desk) -> None:
    open_desk(desk, maker=0, taker=0)
    desk.rest(ASK, BOB, 100, 1)
    assert fees(desk.apply(desk.place(BID, ALICE, 100, 1))) == [(0, 0)]
    assert desk.balance(HOUSE, USD) == desk.balance(HOUSE, BTC) == (0, 0)


def test_a_cumulative_amount_beyond_64_bits_starts_afresh(desk: Desk) -> None:
    """An ask sells each of its four lots for a third of what fits, as a taker each time.

    Between the third and the fourth the buyer gets a part of his dollars back.
    """
    price = INT64_MAX // 3
    desk.open_market(maker=0, taker=100_000, tick=10**8, lot=1)
    desk.fund(ALICE, USD, price * 3)
    desk.fund(BOB, BTC, 4)
    for _ in range(3):
        desk.rest(BID, ALICE, price, 1)
    ask = desk.place(ASK, BOB, 1, 4)
    charged = [taker for _, taker in fees(desk.apply(ask))]
    desk.apply(move(BOB, ask.order_id, price + 1))
    desk.apply(
        money(CommandType.ADJUST, BOB, USD, -price, request(1)),
        money(CommandType.ADJUST, ALICE, USD, price, request(2)),
    )
    desk.rest(BID, ALICE, price, 1)
    charged += [taker for _, taker in fees(desk.apply(move(BOB, ask.order_id, price)))]
    totals = [ceil_ppm(lots * price, 100_000) for lots in (1, 2, 3)]
    assert charged == [totals[0], totals[1] - totals[0], totals[2] - totals[1], totals[0]]
    assert desk.kernel.open_order_count == 0


def test_after_everything_is_cancelled_nothing_is_locked(desk: Desk) -> None:
    open_desk(desk, maker=333, taker=777, flags=IN_QUOTE)
    desk.rest(ASK, BOB, 105, 9)
    desk.apply(*(desk.place(BID, ALICE, price, 3, ceiling=price + 2) for price in range(95, 109)))
    desk.apply(*(cancel(ALICE, order_id) for order_id in desk.queue(BID)))
    desk.apply(*(cancel(BOB, order_id) for order_id in desk.queue(ASK)))
    assert desk.kernel.open_order_count == 0
    assert {view.locked_atoms for view in desk.balances()} == {0}
