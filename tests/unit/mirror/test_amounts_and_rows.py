"""The step between integers and SQL, which must be exact in both directions."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core import copy_rows
from apps.core.amounts import atoms_decimal, decimal_atoms
from apps.markets.types import AssetTerms, MarketTerms
from apps.trading import sql
from apps.trading.rows import open_row, order_of_row
from apps.trading.types import Conditions, Order
from engine.proto.records import INT64_MAX, OrderType, StpMode, TimeInForce

BTC = AssetTerms(1, "BTC", 8, 10**18, 1)
USDT = AssetTerms(2, "USDT", 6, 10**18, 2)
MARKET = MarketTerms(
    1, "BTCUSDT", BTC, USDT, 10**4, 10**4, 1, 1_000, 2_000,
    fee_in_quote=False, fee_per_lot=False, added_event_seq=3,
)  # fmt: skip
INT64 = st.integers(-INT64_MAX, INT64_MAX)
COUNTS = st.integers(1, 10**12)
OPTIONAL = st.just(0) | COUNTS
CONDITIONS = st.builds(
    Conditions,
    stop_price_ticks=OPTIONAL,
    trailing_bips=st.integers(0, 9_999),
    display_lots=OPTIONAL,
    expires_us=st.just(0) | st.integers(1, 4_102_444_800_000_000),
    list_id=OPTIONAL,
    quote_atoms=OPTIONAL,
    stp_mode=st.sampled_from(StpMode).map(int),
    session_id=OPTIONAL,
)


@pytest.mark.parametrize(
    ("atoms", "decimals", "text"),
    [
        (0, 0, "0.000000000000000000"),
        (0, 8, "0.000000000000000000"),
        (7, 0, "7.000000000000000000"),
        (-1050, 3, "-1.050000000000000000"),
        (1, 18, "0.000000000000000001"),
        (-1, 18, "-0.000000000000000001"),
        (INT64_MAX, 18, "9.223372036854775807"),
        (INT64_MAX, 0, "9223372036854775807.000000000000000000"),
        (INT64_MAX, 8, "92233720368.547758070000000000"),
    ],
)
def test_atoms_become_the_text_that_postgresql_prints(atoms: int, decimals: int, text: str) -> None:
    assert copy_rows.numeric(atoms, decimals) == text


@given(INT64, st.integers(0, 18))
def test_atoms_survive_every_way_into_decimals_and_back(atoms: int, decimals: int) -> None:
    assert decimal_atoms(Decimal(copy_rows.numeric(atoms, decimals)), decimals) == atoms
    assert decimal_atoms(atoms_decimal(atoms, decimals), decimals) == atoms


def test_a_decimal_below_one_atom_is_refused_and_not_rounded() -> None:
    with pytest.raises(ValueError, match=r"amount was 0\.000000001, expected at most 8 decimals"):
        decimal_atoms(Decimal("0.000000001"), 8)


def test_instants_are_written_as_postgresql_prints_them() -> None:
    assert copy_rows.instant(1_500_000) == "1970-01-01 00:00:01.5+00"
    assert copy_rows.instant(1_767_225_600_000_000) == "2026-01-01 00:00:00+00"
    assert copy_rows.instant(1_767_225_599_999_999) == "2025-12-31 23:59:59.999999+00"
    assert copy_rows.day(1_767_225_599_999_999) == "2025-12-31"
    assert copy_rows.day(1_767_225_600_000_000) == "2026-01-01"


@given(st.integers(0, 4_102_444_800_000_000))
def test_instants_survive_the_way_there_and_back(at_us: int) -> None:
    assert copy_rows.time_us(copy_rows.utc(at_us)) == at_us


def test_text_that_copy_would_misread_is_escaped() -> None:
    assert copy_rows.text("a\tb\\c\nd") == "a\\tb\\\\c\\nd"


@given(
    quantity=COUNTS,
    executed=st.integers(0, 10**6),
    removed=st.integers(0, 10**6),
    price=COUNTS,
    reserved=st.integers(0, INT64_MAX),
    fees=st.tuples(st.integers(0, INT64_MAX), st.integers(0, INT64_MAX)),
    is_bid=st.booleans(),
    has_budget=st.booleans(),
    bound=st.integers(0, 10**12),
    conditions=CONDITIONS,
    is_parked=st.booleans(),
    triggered=OPTIONAL,
)
def test_a_stored_open_order_is_read_back_as_it_was(
    quantity: int,
    executed: int,
    removed: int,
    price: int,
    reserved: int,
    fees: tuple[int, int],
    is_bid: bool,
    has_budget: bool,
    bound: int,
    conditions: Conditions,
    is_parked: bool,
    triggered: int,
) -> None:
    order = Order(
        order_id=5,
        market=MARKET,
        user_id=7,
        is_bid=is_bid,
        order_type=int(OrderType.FOK_BUDGET if has_budget else OrderType.LIMIT),
        time_in_force=int(TimeInForce.NONE if has_budget else TimeInForce.GTC),
        price_ticks=price,
        bound=bound,
        quantity_lots=quantity + executed + removed,
        client_order_id="mine",
        accepted_event_seq=9,
        accepted_us=1_767_225_600_000_001,
        reserved_atoms=reserved,
        last_event_seq=11,
        executed_lots=executed,
        removed_lots=removed,
        executed_quote_atoms=price * executed,
        maker_fee_atoms=fees[0],
        taker_fee_atoms=fees[1],
        is_parked=is_parked,
        triggered_event_seq=triggered,
        conditions=conditions,
    )
    assert order_of_row(_as_loaded(open_row(order)), MARKET) == order


def _as_loaded(row: tuple[str, ...]) -> tuple[object, ...]:
    """What psycopg gives for these texts."""
    loaded: list[object] = []
    for column, value in zip(sql.OPEN_COLUMNS, row, strict=True):
        if value == copy_rows.NULL:
            loaded.append(None)
        elif column == "is_parked":
            loaded.append(value == "t")
        elif column in ("accepted_at", "expires_at"):
            loaded.append(datetime.fromisoformat(value).astimezone(UTC))
        elif "." in value:
            loaded.append(Decimal(value))
        elif value.isdecimal() and column != "client_order_id":
            loaded.append(int(value))
        else:
            loaded.append(value)
    return tuple(loaded)
