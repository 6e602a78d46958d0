"""Venue rules become integers exactly, or not at all."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from apps.markets.listings import (
    AssetListing,
    ListingError,
    asset_listings,
    atoms,
    listing_from_symbol,
    recorded_market_listings,
)


def symbol(**changes: dict[str, str]) -> dict[str, Any]:
    """Return an exchangeInfo symbol; a change replaces members of the filter it names."""
    filters = {
        "PRICE_FILTER": {"minPrice": "0.01", "maxPrice": "1000000.00", "tickSize": "0.01"},
        "LOT_SIZE": {"minQty": "0.001", "maxQty": "9000.000", "stepSize": "0.001"},
        "MIN_NOTIONAL": {"minNotional": "10.00"},
    }
    for kind, members in changes.items():
        filters[kind] = filters.get(kind, {}) | members
    return {
        "symbol": "XYZUSD",
        "baseAsset": "XYZ",
        "quoteAsset": "USD",
        "filters": [{"filterType": kind, **members} for kind, members in filters.items()],
    }


def test_a_symbol_becomes_ticks_lots_and_atoms() -> None:
    listing = listing_from_symbol(symbol())
    assert (listing.tick_atoms, listing.lot_atoms, listing.tick_lot_atoms) == (10**6, 10**5, 1000)
    assert (listing.min_price_ticks, listing.max_price_ticks) == (1, 100_000_000)
    assert (listing.min_quantity_lots, listing.max_quantity_lots) == (1, 9_000_000)
    assert listing.min_notional_atoms == 1_000_000_000
    assert not listing.is_refined


def test_the_recorded_symbols_have_the_grids_of_the_venue() -> None:
    grids = {
        name: (
            listing.published_tick_atoms,
            listing.published_lot_atoms,
            listing.min_notional_atoms,
        )
        for name, listing in recorded_market_listings().items()
    }
    assert grids == {
        "NKNUSDT": (10_000, 100_000_000, 1_000_000_000),
        "BLZETH": (1, 100_000_000, 500_000),
        "LRCBTC": (1, 100_000_000, 10_000),
        "RUNEEUR": (100_000, 10_000_000, 1_000_000_000),
        "BTCUSDT": (1_000_000, 1_000, 1_000_000_000),
        "ETHUSDT": (1_000_000, 10_000, 1_000_000_000),
    }


def test_only_the_market_with_older_orders_in_its_book_is_listed_on_a_finer_grid() -> None:
    listings = recorded_market_listings()
    assert [name for name, listing in listings.items() if listing.is_refined] == ["NKNUSDT"]
    nkn = listings["NKNUSDT"]
    assert (nkn.tick_atoms, nkn.lot_atoms, nkn.tick_lot_atoms) == (1_000, 10_000_000, 100)
    assert (nkn.min_price_ticks, nkn.max_price_ticks) == (10, 100_000_000)
    assert (nkn.min_quantity_lots, nkn.max_quantity_lots) == (10, 90_000_000)


def test_levels_refine_the_grid_to_their_greatest_common_step() -> None:
    levels = [(Decimal("1.004"), Decimal("2.0")), (Decimal("1.01"), Decimal("0.0005"))]
    listing = listing_from_symbol(symbol(), levels)
    assert (listing.tick_atoms, listing.lot_atoms) == (200_000, 50_000)


def test_the_newer_notional_filter_is_preferred() -> None:
    listing = listing_from_symbol(symbol(NOTIONAL={"minNotional": "5.00"}))
    assert listing.min_notional_atoms == 500_000_000


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"PRICE_FILTER": {"tickSize": "0.000000001"}}, "0.000000001 has more than 8 decimals"),
        ({"PRICE_FILTER": {"tickSize": "0"}}, "XYZUSD tick 0 x lot 100000 atoms is not a whole"),
        (
            {"PRICE_FILTER": {"tickSize": "0.00000001"}, "LOT_SIZE": {"stepSize": "0.1"}},
            "XYZUSD tick 1 x lot 10000000 atoms is not a whole number of quote atoms",
        ),
        ({"PRICE_FILTER": {"minPrice": "0.015"}}, "XYZUSD minPrice is 1500000 atoms"),
        ({"LOT_SIZE": {"maxQty": "1.0005"}}, "XYZUSD maxQty is 100050000 atoms"),
    ],
)
def test_rules_that_are_not_whole_numbers_are_refused(
    changes: dict[str, dict[str, str]], problem: str
) -> None:
    with pytest.raises(ListingError, match=problem):
        listing_from_symbol(symbol(**changes))


def test_a_symbol_without_a_needed_filter_is_refused() -> None:
    bare = symbol()
    bare["filters"] = bare["filters"][:2]
    with pytest.raises(
        ListingError, match="XYZUSD has no MIN_NOTIONAL, it has LOT_SIZE, PRICE_FILTER"
    ):
        listing_from_symbol(bare)


def test_a_price_or_quantity_off_the_grid_is_refused() -> None:
    listing = listing_from_symbol(symbol())
    assert listing.price_ticks(Decimal("1.23")) == 123
    assert listing.quantity_lots(Decimal("0.005")) == 5
    assert listing.quantity(5) == Decimal("0.005")
    with pytest.raises(ListingError, match=r"XYZUSD price 1\.234 is 123400000 atoms"):
        listing.price_ticks(Decimal("1.234"))
    with pytest.raises(ListingError, match=r"XYZUSD quantity 0\.0005 is 50000 atoms"):
        listing.quantity_lots(Decimal("0.0005"))


def test_each_asset_of_the_markets_is_listed_once() -> None:
    codes = [asset.code for asset in asset_listings(recorded_market_listings().values())]
    assert codes == ["BLZ", "BTC", "ETH", "EUR", "LRC", "NKN", "RUNE", "USDT"]
    assert AssetListing("BTC").max_total_atoms <= 2**63 - 1


def test_an_amount_with_a_ninth_decimal_is_no_whole_number_of_atoms() -> None:
    assert atoms(Decimal("0.00000001")) == 1
    assert atoms(Decimal("92233720368.54775807")) == 2**63 - 1
    with pytest.raises(ListingError, match="more than 8 decimals"):
        atoms(Decimal("0.000000015"))
