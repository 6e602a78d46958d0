"""What a trader writes is what the engine gets: exact steps, and errors that say what was wrong."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.amounts import atoms_text, plain
from apps.markets.grid import (
    GridError,
    fee_text,
    lots_of,
    price_text,
    quantity_text,
    quote_text,
    ticks_of,
)
from apps.markets.types import AssetTerms, MarketTerms
from engine.proto.records import INT64_MAX

BTC: Final = AssetTerms(1, "BTC", 8, INT64_MAX, 1)
USDT: Final = AssetTerms(2, "USDT", 6, INT64_MAX, 2)
MARKET: Final = MarketTerms(
    market_id=1,
    symbol="BTCUSDT",
    base=BTC,
    quote=USDT,
    tick_atoms=10_000,  # 0.01 USDT
    lot_atoms=10_000,  # 0.0001 BTC
    tick_lot_atoms=1,
    maker_fee=1_000,
    taker_fee=1_500,
    fee_in_quote=False,
    fee_per_lot=False,
    added_event_seq=3,
)


@pytest.mark.parametrize(
    ("text", "ticks"),
    [
        ("0.01", 1),
        ("60000", 6_000_000),
        ("60000.10", 6_000_010),
        ("00.020", 2),
        ("1.000000000", 100),
    ],
)
def test_a_price_on_the_grid_is_its_ticks(text: str, ticks: int) -> None:
    assert ticks_of(text, MARKET) == ticks


@pytest.mark.parametrize(("text", "lots"), [("0.0001", 1), ("1", 10_000), ("2.5000", 25_000)])
def test_a_quantity_on_the_grid_is_its_lots(text: str, lots: int) -> None:
    assert lots_of(text, MARKET) == lots


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("60000.001", "a multiple of the tick 0.01"),
        ("0.0000001", "at most 6 decimals"),
        ("0", "a decimal above 0"),
        ("0.00", "a decimal above 0"),
        ("92233720368547758.08", "at most 92233720368547758.07"),
        ("9" * 39, "at most 92233720368547758.07"),
    ],
)
def test_a_price_off_the_grid_names_what_was_expected(text: str, expected: str) -> None:
    with pytest.raises(GridError) as raised:
        ticks_of(text, MARKET)
    assert (raised.value.field, raised.value.was, raised.value.expected) == (
        "price",
        text,
        expected,
    )
    assert str(raised.value) == f"price was {text!r}, expected {expected}"


def test_a_quantity_off_the_lot_names_the_lot() -> None:
    with pytest.raises(GridError, match=r"quantity was '0\.00005', expected a multiple of the lot"):
        lots_of("0.00005", MARKET)


@pytest.mark.parametrize(
    "text",
    ["", "-1", "+1", "1e3", "1E3", "NaN", "Infinity", " 1", "1 ", "1,5", ".5", "5.", "٣", "0x10",
     "1_000", "1\n", "9" * 41],
)  # fmt: skip
def test_what_is_not_plain_digits_is_refused(text: str) -> None:
    with pytest.raises(GridError, match="expected a positive decimal of at most 40 characters"):
        ticks_of(text, MARKET)


@given(st.integers(1, INT64_MAX))
def test_ticks_and_lots_survive_the_way_there_and_back(number: int) -> None:
    assert ticks_of(price_text(number, MARKET), MARKET) == number
    assert lots_of(quantity_text(number, MARKET), MARKET) == number


@given(st.integers(0, INT64_MAX), st.integers(0, 18))
def test_text_of_atoms_is_exact_and_without_idle_zeros(atoms: int, decimals: int) -> None:
    text = atoms_text(atoms, decimals)
    assert Decimal(text).scaleb(decimals) == atoms
    assert "E" not in text
    assert "." not in text or not text.endswith(("0", "."))


def test_amounts_are_shown_in_their_units() -> None:
    assert quote_text(6_000_010, 25_000, MARKET) == "150000.25"
    assert fee_text(1_500, MARKET) == "0.0015"
    assert fee_text(250, MARKET._replace(fee_per_lot=True)) == "0.00025"
    assert plain(Decimal("1E+3")) == "1000"
    assert plain(Decimal("0.000000000000000000")) == "0"
