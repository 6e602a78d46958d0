"""Numeric vectors of exchange-core's own fee tests, which every matching core must reproduce.

Scales: 1,000,000 base atoms a lot, 10,000 quote atoms for one tick and lot; taker 1,900 and maker
700 quote atoms a lot.
"""

from engine.proto.records import CommandFlag, Reason, TimeInForce
from tests.unit.kernel.desk import ALICE, ASK, BID, BOB, BTC, USD, Desk, cancel, kinds

HOUSE = 0


def open_desk(desk: Desk) -> None:
    desk.open_market(maker=700, taker=1_900, flags=CommandFlag.FEE_PER_LOT, tick=10**6, lot=10**6)


def test_a_bid_is_held_with_its_taker_fee_to_the_atom(desk: Desk) -> None:
    open_desk(desk)
    desk.fund(ALICE, USD, 3_420_000_000)
    assert desk.refusal(desk.place(BID, ALICE, 11_400, 30)) is Reason.INSUFFICIENT_BALANCE
    desk.fund(ALICE, USD, 56_999)
    assert desk.refusal(desk.place(BID, ALICE, 11_400, 30)) is Reason.INSUFFICIENT_BALANCE
    desk.fund(ALICE, USD, 1)
    order_id = desk.rest(BID, ALICE, 11_400, 30)
    assert desk.balance(ALICE, USD) == (0, 3_420_057_000)
    desk.apply(cancel(ALICE, order_id))
    assert desk.balance(ALICE, USD) == (3_420_057_000, 0)
    assert desk.balance(HOUSE, USD) == (0, 0)


def test_a_resting_bid_filled_whole_releases_all_up_to_its_ceiling(desk: Desk) -> None:
    open_desk(desk)
    desk.fund(ALICE, USD, 200 * 10**9)
    desk.fund(BOB, BTC, 2 * 10**9)
    desk.rest(BID, ALICE, 11_500, 1_731, ceiling=11_553)
    ioc = desk.place(ASK, BOB, 11_493, 2_000, time_in_force=TimeInForce.IOC)
    events = desk.apply(ioc)
    assert kinds(events) == ["ORDER_ACCEPTED", "TRADE", "ORDER_EXPIRED"]
    assert desk.balance(ALICE, USD) == (933_788_300, 0)
    assert 200 * 10**9 - (115_000_000 + 700) * 1_731 == 933_788_300
    assert desk.balance(ALICE, BTC) == (1_731_000_000, 0)
    assert desk.balance(BOB, USD) == (199_061_711_100, 0)
    assert desk.balance(BOB, BTC) == (269_000_000, 0)
    assert desk.balance(HOUSE, USD) == (4_500_600, 0)
    assert events[-1].body.removed_lots == 269  # type: ignore[union-attr]


def test_a_resting_bid_filled_in_part_keeps_ceiling_and_taker_rate_held(desk: Desk) -> None:
    open_desk(desk)
    desk.fund(ALICE, USD, 200 * 10**9)
    desk.fund(BOB, BTC, 2 * 10**9)
    order_id = desk.rest(BID, ALICE, 11_500, 1_731, ceiling=11_553)
    desk.apply(desk.place(ASK, BOB, 11_493, 1_000, time_in_force=TimeInForce.IOC))
    held = (115_530_000 + 1_900) * 731
    assert desk.balance(ALICE, USD) == (200 * 10**9 - 115_000_700 * 1_000 - held, held)
    order = desk.kernel.order(1, order_id)
    assert order is not None
    assert (order.leaves_lots, order.reserved_atoms) == (731, held)


def test_an_ioc_bid_pays_the_makers_price_and_the_taker_fee(desk: Desk) -> None:
    open_desk(desk)
    desk.fund(ALICE, USD, 260 * 10**9)
    desk.fund(BOB, BTC, 2 * 10**9)
    desk.rest(ASK, BOB, 11_500, 2_000)
    desk.apply(desk.place(BID, ALICE, 11_521, 2_197, time_in_force=TimeInForce.IOC))
    assert desk.balance(ALICE, USD) == (260 * 10**9 - 115_001_900 * 2_000, 0)
    assert desk.balance(BOB, USD) == (114_999_300 * 2_000, 0)
    assert desk.balance(HOUSE, USD) == ((1_900 + 700) * 2_000, 0)
