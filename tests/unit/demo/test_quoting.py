"""The market maker's arithmetic: on the grid, worth enough, and never against itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import pytest

from apps.markets.listings import recorded_market_listings
from engine.proto.records import Side
from quantatrade.demo.grid import Grid, grid_of
from quantatrade.demo.maker import maker_funds
from quantatrade.demo.quoting import (
    LEVELS,
    PERMILLE,
    Cancel,
    Change,
    Move,
    Quote,
    Resting,
    changes,
    imbalance_permille,
    ladder,
    side_notional,
    spacing_ticks,
)

BTC = Grid(
    symbol="BTCUSDT",
    base="BTC",
    quote="USDT",
    tick=Decimal("0.01"),
    lot=Decimal("0.00001"),
    max_price_ticks=100_000_000,
    min_lots=1,
    max_lots=900_000_000,
    min_notional=Decimal(10),
)
NKN = Grid(
    symbol="NKNUSDT",
    base="NKN",
    quote="USDT",
    tick=Decimal("0.00001"),
    lot=Decimal("0.1"),
    tick_step=10,
    lot_step=10,
    min_lots=10,
    min_notional=Decimal(10),
)
LRC = Grid(
    symbol="LRCBTC",
    base="LRC",
    quote="BTC",
    tick=Decimal("0.00000001"),
    lot=Decimal(1),
    min_lots=1,
    min_notional=Decimal("0.0001"),
)
PLACES = [(BTC, 7_590_000), (BTC, 7_590_123), (NKN, 35_230), (LRC, 638), (LRC, 2)]


def wanted(grid: Grid, ticks: int, imbalance: int = 0) -> list[Quote]:
    return ladder(grid, ticks, imbalance=imbalance, seed="s")


def rested(quotes: Sequence[Quote]) -> list[Resting]:
    return [
        Resting(number, quote.side, quote.ticks, quote.lots)
        for number, quote in enumerate(quotes, start=1)
    ]


def of(side: Side, quotes: Sequence[Quote]) -> list[int]:
    return [quote.ticks for quote in quotes if quote.side is side]


@pytest.mark.parametrize(("grid", "ticks"), PLACES)
@pytest.mark.parametrize("imbalance", [-PERMILLE + 1, 0, PERMILLE - 1])
def test_quotes_are_on_the_grid_within_the_bounds_and_worth_enough(
    grid: Grid, ticks: int, imbalance: int
) -> None:
    quotes = wanted(grid, ticks, imbalance)
    for quote in quotes:
        assert quote.ticks % grid.tick_step == 0
        assert quote.ticks >= 1
        assert quote.lots % grid.lot_step == 0
        assert quote.lots >= grid.min_lots
        assert grid.notional(quote.ticks, quote.lots) >= grid.min_notional
    if ticks > LEVELS + 3:
        assert len(quotes) == 2 * LEVELS


@pytest.mark.parametrize(("grid", "ticks"), PLACES[:4])
def test_bids_are_below_the_reference_and_asks_above_it_best_first(grid: Grid, ticks: int) -> None:
    quotes = wanted(grid, ticks)
    bids, asks = of(Side.BID, quotes), of(Side.ASK, quotes)
    assert bids == sorted(set(bids), reverse=True)
    assert asks == sorted(set(asks))
    assert bids[0] < ticks < asks[0]
    assert asks[0] - bids[0] <= 4 * spacing_ticks(grid, ticks)


def test_too_much_inventory_pushes_prices_down_and_in_the_end_stops_bids() -> None:
    level, more, most = (wanted(BTC, 7_590_000, each) for each in (0, 900, PERMILLE))
    assert max(of(Side.BID, more)) < max(of(Side.BID, level))
    assert of(Side.BID, most) == []
    assert len(of(Side.ASK, most)) == LEVELS


def test_too_little_inventory_pushes_prices_up_and_in_the_end_stops_asks() -> None:
    level, less, least = (wanted(BTC, 7_590_000, each) for each in (0, -900, -PERMILLE))
    assert min(of(Side.ASK, less)) > min(of(Side.ASK, level))
    assert of(Side.ASK, least) == []
    assert len(of(Side.BID, least)) == LEVELS


@pytest.mark.parametrize(
    ("held", "expected"), [("0", -1000), ("5", -500), ("10", 0), ("15", 500), ("99", 1000)]
)
def test_imbalance_is_the_distance_from_the_target(held: str, expected: int) -> None:
    assert imbalance_permille(Decimal(held), Decimal(10)) == expected


def test_an_asset_without_a_target_is_never_out_of_balance() -> None:
    assert imbalance_permille(Decimal(5), Decimal(0)) == 0


def test_a_book_that_is_as_wanted_needs_no_command() -> None:
    quotes = wanted(BTC, 7_590_000)
    assert changes(BTC, quotes, rested(quotes)) == []


def test_a_small_move_of_the_market_changes_few_orders() -> None:
    before = wanted(BTC, 7_590_000)
    after = wanted(BTC, 7_590_000 + spacing_ticks(BTC, 7_590_000))
    commands = changes(BTC, after, rested(before))
    assert 1 <= len(commands) <= 4


def outcome(resting: Sequence[Resting], commands: Sequence[Change]) -> set[tuple[Side, int]]:
    """What rests after the commands; fails when a command would meet the maker's own orders."""
    orders = {each.order_id: (each.side, each.ticks) for each in resting}
    fresh = 1_000
    for each in commands:
        if isinstance(each, Cancel):
            del orders[each.order_id]
            continue
        if isinstance(each, Move):
            key, side = each.order_id, each.side
            assert orders[key][0] is side
        else:
            fresh += 1
            key, side = fresh, each.side
        others = [ticks for other, ticks in orders.values() if other is not side]
        if side is Side.BID:
            assert all(each.ticks < ticks for ticks in others)
        else:
            assert all(each.ticks > ticks for ticks in others)
        orders[key] = (side, each.ticks)
    return set(orders.values())


@pytest.mark.parametrize("jump_ticks", [-90_000, -1_700, 0, 1_700, 90_000])
def test_after_the_commands_the_book_is_as_wanted_and_no_order_met_another(
    jump_ticks: int,
) -> None:
    resting = rested(wanted(BTC, 7_590_000))[2:]
    quotes = wanted(BTC, 7_590_000 + jump_ticks)
    after = outcome(resting, changes(BTC, quotes, resting))
    assert after == {(quote.side, quote.ticks) for quote in quotes}


def test_an_order_that_is_nearly_used_up_is_placed_anew() -> None:
    quotes = wanted(BTC, 7_590_000)
    resting = rested(quotes)
    resting[0] = replace(resting[0], leaves_lots=resting[0].leaves_lots // 4)
    assert changes(BTC, quotes, resting) == [Cancel(1), quotes[0]]


def test_what_is_not_wanted_any_more_is_canceled() -> None:
    resting = rested(wanted(BTC, 7_590_000))
    commands = changes(BTC, [], resting)
    assert sorted(each.order_id for each in commands if isinstance(each, Cancel)) == [
        each.order_id for each in resting
    ]


def test_lots_worth_an_amount_round_down_and_are_none_below_the_least_notional() -> None:
    assert BTC.lots_worth(Decimal(100), 7_590_000) == 131
    assert BTC.lots_worth(Decimal(10), 7_590_000) == 0  # 13 lots are worth 9.87
    assert NKN.lots_worth(Decimal(100), 35_230) == 2_830
    assert BTC.lots_worth(Decimal(100), 0) == 0
    assert BTC.price_text(7_590_001) == "75900.01"
    assert NKN.quantity_text(2_830) == "283"


def test_a_grid_is_what_the_api_states() -> None:
    stated = {
        "symbol": "NKNUSDT", "base_asset": "NKN", "quote_asset": "USDT", "tick": "0.00001",
        "lot": "0.1", "min_price": "0.0001", "max_price": "1000", "min_quantity": "1",
        "max_quantity": None, "min_notional": "10",
    }  # fmt: skip
    assert grid_of(stated, tick_step=10, lot_step=10) == replace(
        NKN, min_price_ticks=10, max_price_ticks=100_000_000
    )


def test_funds_cover_many_sides_of_every_ladder_and_fit_the_assets() -> None:
    funds = maker_funds([BTC, LRC], {"BTCUSDT": Decimal(75_900), "LRCBTC": Decimal("0.00000638")})
    assert funds["USDT"] == side_notional(BTC) * 12
    assert funds["BTC"] == side_notional(LRC) * 12 + round(funds["USDT"] / 75_900, 4)
    listed = {listing.base_code for listing in recorded_market_listings().values()}
    assert {"BTC", "LRC"} <= listed
