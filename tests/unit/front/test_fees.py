"""Fees, holds and outlooks of the page are those that the kernel charges, atom by atom."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import Any

import pytest

from engine.kernel import load_kernel
from engine.kernel.reference.fees import ceil_ppm
from engine.proto.records import CommandFlag, EventType, OrderAccepted, Trade
from tests.unit.front.conftest import Modules
from tests.unit.front.markets import listed
from tests.unit.kernel.desk import ALICE, ASK, BID, BOB, BTC, LOT, USD, Desk

FUNDS = 10**15
CASES = 12
LEVELS = 6
BASES = {
    "RECEIVED_ASSET": 0,
    "QUOTE_ASSET": int(CommandFlag.FEE_IN_QUOTE),
    "QUOTE_PER_LOT": int(CommandFlag.FEE_PER_LOT | CommandFlag.FEE_IN_QUOTE),
}
OUTLOOK = """(m, { market, cases }) => {
    const terms = m.termsOf(market);
    return cases.map(({ order, levels }) => {
        const read = { ...order, ticks: BigInt(order.ticks), lots: BigInt(order.lots) };
        const opposite = levels.map((level) => level.map(BigInt));
        const seen = m.outlook(terms, read, opposite);
        return [seen.taken.lots, seen.taken.notional, seen.taken.fee, seen.rest.lots,
            seen.rest.fee, m.reserveOf(terms, read, opposite)];
    });
}"""


def test_a_rebate_is_paid_to_the_maker_and_rounded_towards_zero(modules: Modules) -> None:
    market = listed(**fee_texts("QUOTE_ASSET", -150, 500))
    body = """(m, market) => {
        const terms = m.termsOf(market);
        const paid = (notional) => m.feeOf(terms, "ASK", terms.makerRate, 1n, notional);
        return [terms.makerRate, paid(9_999n), paid(10_000n), paid(-0n), paid(6_666n)];
    }"""
    assert modules.run("terms fees", body, market) == ["-150", "-1", "-1", "0", "0"]


def fee_texts(basis: str, maker: int, taker: int) -> dict[str, str]:
    places = 6  # millionths of what it is taken from, or atoms of quote
    texts = {"maker_fee": f"{maker / 10**places:.6f}", "taker_fee": f"{taker / 10**places:.6f}"}
    return {"fee_basis": basis, **texts}


def scenario(chance: random.Random, basis: str, maker: int, taker: int) -> tuple[Any, list[str]]:
    """One order against a kernel's book: what the page is told, and what the kernel did."""
    desk = Desk(load_kernel("reference"))
    # With lots of 0.0001 and ticks of 1 a lot of one tick is 100 quote atoms.
    desk.open_market(maker=maker, taker=taker, flags=BASES[basis], tick=10**6, lot=LOT)
    for user in (ALICE, BOB):
        desk.fund(user, BTC, FUNDS)
        desk.fund(user, USD, FUNDS)
    side = chance.choice([BID, ASK])
    other, sign = (ASK, 1) if side is BID else (BID, -1)
    levels = []
    for step in range(chance.randrange(1, LEVELS)):
        price, lots = 1000 + sign * step * 3, 0
        for _ in range(chance.randrange(1, 3)):  # several orders rest at one level
            quantity = chance.randrange(1, 2000)
            desk.rest(other, BOB, price, quantity)
            lots += quantity
        levels.append([str(price), str(lots)])
    ticks, lots = 1000 + sign * chance.randrange(-4, 14), chance.randrange(1, 6000)
    is_market = chance.random() < 0.3
    if is_market:
        command = desk.market_order(side, ALICE, lots)
    else:
        command = desk.place(side, ALICE, ticks, lots)
    events = desk.apply(command)
    fills = [event.body for event in events if isinstance(event.body, Trade)]
    taken = sum(fill.quantity_lots for fill in fills)
    notional = sum(fill.quantity_lots * fill.price_ticks * 100 for fill in fills)
    accepted = events[0].body
    assert events[0].type is EventType.ORDER_ACCEPTED
    assert isinstance(accepted, OrderAccepted)
    rest = 0 if is_market else lots - taken
    rest_fee = 0
    if rest:
        (fill,) = [
            event.body
            for event in desk.apply(desk.place(other, BOB, ticks, rest))
            if isinstance(event.body, Trade)
        ]
        rest_fee = fill.maker_fee_atoms
    kind = {"type": "MARKET"} if is_market else {"type": "LIMIT", "timeInForce": "GTC"}
    price = 0 if is_market else ticks
    order = {"side": side.name, "ticks": str(price), "lots": str(lots), **kind}
    fee = sum(fill.taker_fee_atoms for fill in fills)
    done = [taken, notional, fee, rest, rest_fee, accepted.reserved_atoms]
    return {"order": order, "levels": levels}, [str(each) for each in done]


@pytest.mark.parametrize("basis", list(BASES))
@pytest.mark.parametrize(("maker", "taker"), [(800, 1000), (0, 333), (1, 7)])
def test_the_page_foretells_fees_and_holds_as_the_kernel_charges_them(
    modules: Modules, basis: str, maker: int, taker: int
) -> None:
    chance = random.Random(f"{basis} {maker} {taker}")
    made = [scenario(chance, basis, maker, taker) for _ in range(CASES)]
    market = listed(**fee_texts(basis, maker, taker))
    got = modules.run(
        "terms fees", OUTLOOK, {"market": market, "cases": [case for case, _ in made]}
    )
    assert got == [done for _, done in made]


def test_rounding_up_is_the_kernel_s(modules: Modules) -> None:
    chance = random.Random(3)
    pairs = [(chance.randrange(2**63), chance.randrange(10**6 + 1)) for _ in range(500)]
    got = modules.run(
        "fees",
        "(m, pairs) => pairs.map(([a, r]) => m.ceilPpm(BigInt(a), BigInt(r)))",
        [[str(amount), str(rate)] for amount, rate in pairs],
    )
    assert got == [str(ceil_ppm(amount, rate)) for amount, rate in pairs]


@pytest.mark.parametrize("basis", list(BASES))
def test_a_share_of_the_balance_is_the_most_that_it_covers(modules: Modules, basis: str) -> None:
    body = """(m, { market, funds }) => {
        const terms = m.termsOf(market);
        const asks = [[1000n, 50n], [1003n, 700n], [1010n, 90000n]];
        return funds.flatMap((each) => ["LIMIT", "MARKET"].map((type) => {
            const order = { side: "BID", type, ticks: 1003n };
            const lots = m.lotsWithin(terms, order, BigInt(each), asks);
            return [m.reserveOf(terms, { ...order, lots }, asks),
                m.reserveOf(terms, { ...order, lots: lots + 1n }, asks)];
        }));
    }"""
    funds = [0, 1, 99_999, 100_100, 5_000_000, 12_345_678, 987_654_321]
    market = listed(**fee_texts(basis, 800, 1000))
    got = modules.run("terms fees", body, {"market": market, "funds": [str(f) for f in funds]})
    expected = [each for each in funds for _ in range(2)]
    for (covered, beyond), available in zip(got, expected, strict=True):
        assert int(covered) <= available < int(beyond)


def test_fees_do_not_depend_on_how_an_order_is_split(modules: Modules) -> None:
    body = """(m, market) => {
        const terms = m.termsOf(market);
        return [1, 2, 7, 100, 9999].map((parts) => {
            const levels = Array.from({ length: parts }, (_, i) => [1000n, 9999n / BigInt(parts)]);
            levels.push([1000n, 9999n]);
            return m.sweep(terms, "ASK", levels, 9999n, null).fee;
        });
    }"""
    got = modules.run("terms fees", body, listed())
    assert all(left == right for left, right in pairwise(got))
