"""What the books tell of the time before the feeds listened, from a real PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from django.db import connections

from apps.markets.types import AssetTerms, MarketTerms
from apps.realtime.history import history_read
from apps.realtime.ticker import Minute
from tests.fixtures_database import DatabaseHandle

BASE = AssetTerms(1, "BTC", 8, 10**15, 1)
QUOTE = AssetTerms(2, "USDT", 6, 10**15, 2)
MARKET = MarketTerms(
    1, "BTCUSDT", BASE, QUOTE, 10**4, 10**4, 1, 1_000, 2_000,
    fee_in_quote=False, fee_per_lot=False, added_event_seq=3,
)  # fmt: skip
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
NOON_MINUTE = int(NOON.timestamp()) // 60
INSERT = """
INSERT INTO trading_trade (event_seq, market_id, trade_id, taker_side, maker_order_id,
    taker_order_id, maker_user_id, taker_user_id, price, quantity, quote_quantity, maker_fee,
    taker_fee, maker_fee_asset_id, taker_fee_asset_id, executed_at, day)
VALUES (%s, 1, %s, %s, 1, 2, 1, 2, %s, %s, %s::numeric * %s::numeric, 0, 0, 1, 2, %s, %s)
"""


@pytest.fixture
def trades(django_database: DatabaseHandle) -> None:
    """Four trades: one of yesterday, two in one minute, one that the feeds heard themselves."""
    rows = (
        (1, "BID", "49000", "1", NOON - timedelta(days=2)),
        (2, "BID", "50000", "0.002", NOON),
        (3, "ASK", "49999.5", "0.0001", NOON + timedelta(seconds=5)),
        (4, "BID", "50001", "3", NOON + timedelta(seconds=9)),
    )
    with psycopg.connect(django_database.mirror_url) as connection:
        for number, side, price, quantity, at in rows:
            connection.execute(
                INSERT,
                (100 + number, number, side, price, quantity, price, quantity, at, at.date()),
            )


@pytest.mark.usefixtures("trades")
async def test_the_past_is_whole_ticks_and_lots_up_to_the_trade_and_public_fields_alone() -> None:
    past = await history_read(MARKET, first_minute=NOON_MINUTE - 1_439, last_trade_id=3, trades=2)
    assert past is not None
    assert past.minutes == [
        Minute(
            minute=NOON_MINUTE, open_ticks=5_000_000, high_ticks=5_000_000, low_ticks=4_999_950,
            close_ticks=4_999_950, lots=21, tick_lots=5_000_000 * 20 + 4_999_950, trades=2,
        )
    ]  # fmt: skip
    assert past.trades == [
        {
            "trade_id": 2, "price": "50000", "quantity": "0.002", "side": "buy",
            "time": "2026-01-01T12:00:00.000000Z",
        },
        {
            "trade_id": 3, "price": "49999.5", "quantity": "0.0001", "side": "sell",
            "time": "2026-01-01T12:00:05.000000Z",
        },
    ]  # fmt: skip


@pytest.mark.usefixtures("trades")
async def test_books_that_are_behind_say_nothing_yet() -> None:
    past = await history_read(MARKET, first_minute=NOON_MINUTE - 1_439, last_trade_id=5, trades=2)
    assert past is None


async def test_books_that_cannot_be_reached_say_nothing_and_break_nothing(
    django_database: DatabaseHandle, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = {**connections.settings["default"], "HOST": "127.0.0.1", "PORT": "9"}
    monkeypatch.setitem(connections.settings, "default", nowhere)
    assert await history_read(MARKET, first_minute=0, last_trade_id=5, trades=2) is None
