"""Candles and tickers out of mirrored trades: contiguous, exact, and complete at every border."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import pytest

from engine.proto.records import RECORD_BYTES, Side
from tests.fixtures_database import DatabaseHandle

if TYPE_CHECKING:
    from tests.integration.console.exchange_day import ExchangeDay

MINUTE_US: Final = 60_000_000
TEN: Final = datetime(2026, 3, 1, 10, tzinfo=UTC)
TEN_US: Final = int(TEN.timestamp()) * 1_000_000


@pytest.fixture
def day() -> ExchangeDay:
    """A kernel with markets and money, shortly before ten o'clock."""
    from tests.integration.console import exchange_day

    made = exchange_day.ExchangeDay(TEN_US - 10 * MINUTE_US)
    exchange_day._open(made)
    return made


def trade(day: ExchangeDay, at_us: int, price: int, lots: int) -> None:
    """Let Alice sell to Bob at a moment; the price in hundredths."""
    from tests.integration.console.exchange_day import ALICE, BOB, COMMAND_STEP_US

    day.time_us = at_us - 2 * COMMAND_STEP_US
    day.place(ALICE, Side.ASK, price, lots)
    day.place(BOB, Side.BID, price, lots)


class Mirror:
    """Writes what is new of the day into the books."""

    def __init__(self, url: str, day: ExchangeDay) -> None:
        self.url, self.day, self.written = url, day, 0

    def catch_up(self) -> None:
        from contextlib import closing

        from apps.mirror.books import Books, EventRun

        with closing(Books(self.url)) as books:
            books.open()
            new = bytes(self.day.events[self.written * RECORD_BYTES :])
            books.apply(EventRun(1, self.written + 1, new))
        self.written = len(self.day.events) // RECORD_BYTES


@pytest.fixture
def mirror(django_database: DatabaseHandle, day: ExchangeDay) -> Mirror:
    return Mirror(django_database.mirror_url, day)


def figures(candle: Any) -> tuple[str, ...]:
    """Minute, open, high, low, close, volume, quote volume, trades."""
    from apps.core.amounts import plain

    numbers = (
        candle.open, candle.high, candle.low, candle.close, candle.volume, candle.quote_volume,
    )  # fmt: skip
    return (f"{candle.opened_at:%H:%M}", *map(plain, numbers), str(candle.trades))


def test_minutes_without_a_trade_repeat_the_last_close(day: ExchangeDay, mirror: Mirror) -> None:
    from apps.trading.candles import candles_get

    trade(day, TEN_US, 6_000_000, 10_000)
    trade(day, TEN_US + 20_000_000, 5_900_000, 5_000)
    trade(day, TEN_US + MINUTE_US - 1, 6_100_000, 10_000)
    trade(day, TEN_US + 3 * MINUTE_US, 6_050_000, 20_000)
    mirror.catch_up()
    now = TEN + timedelta(minutes=5, seconds=30)
    candles = candles_get(1, "1m", now=now, limit=8)
    assert [figures(candle) for candle in candles] == [
        ("10:00", "60000", "61000", "59000", "61000", "2.5", "150500", "3"),
        ("10:01", "61000", "61000", "61000", "61000", "0", "0", "0"),
        ("10:02", "61000", "61000", "61000", "61000", "0", "0", "0"),
        ("10:03", "60500", "60500", "60500", "60500", "2", "121000", "1"),
        ("10:04", "60500", "60500", "60500", "60500", "0", "0", "0"),
        ("10:05", "60500", "60500", "60500", "60500", "0", "0", "0"),
    ]
    later = candles_get(1, "1m", now=now, start=TEN + timedelta(minutes=1), limit=2)
    assert [figures(candle)[0] for candle in later] == ["10:01", "10:02"]
    ended = candles_get(1, "1m", now=now, end=TEN + timedelta(minutes=2), limit=1)
    assert [figures(candle)[0] for candle in ended] == ["10:01"]
    assert candles_get(1, "1m", now=now, start=TEN + timedelta(hours=1)) == []
    assert candles_get(2, "1m", now=now) == []


@pytest.mark.parametrize("interval", ["1m", "5m", "15m", "30m", "1h", "4h", "1d"])
def test_every_trade_counts_once_in_every_interval(
    day: ExchangeDay, mirror: Mirror, interval: str
) -> None:
    from apps.trading.candles import INTERVALS, candles_get

    for n in range(12):
        trade(day, TEN_US + n * 7 * MINUTE_US, 6_000_000 + n, 1_000)
    mirror.catch_up()
    candles = candles_get(1, interval, now=TEN + timedelta(hours=2), limit=200)
    assert sum(candle.trades for candle in candles) == 12
    assert sum(candle.volume for candle in candles) == Decimal("1.2")
    assert (candles[0].open, candles[-1].close) == (Decimal("60000"), Decimal("60000.11"))
    steps = {after.opened_at - before.opened_at for before, after in pairwise(candles)}
    assert steps <= {INTERVALS[interval]}
    for before, after in pairwise(candles):
        assert after.trades or after.open == before.close


def test_the_ticker_reads_only_what_is_new_and_forgets_what_is_old(
    day: ExchangeDay, mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    from apps.trading import tickers
    from apps.trading.candles import traded_candles as read

    monkeypatch.setattr(tickers, "AGE_MAX_S", 0.0)
    asked: list[datetime] = []

    def noted(market_id: int, step: timedelta, start: datetime, end: datetime) -> Any:
        asked.append(start)
        return read(market_id, step, start, end)

    monkeypatch.setattr(tickers, "traded_candles", noted)
    trade(day, TEN_US, 6_000_000, 10_000)
    trade(day, TEN_US + MINUTE_US, 6_200_000, 10_000)
    mirror.catch_up()
    now = TEN + timedelta(minutes=2)
    first = tickers.ticker_get(1, "BTCUSDT", now=now)
    assert (first.last_price, first.price_change) == (Decimal(62_000), Decimal(2_000))
    assert (first.volume, first.trades) == (Decimal(2), 2)
    trade(day, TEN_US + MINUTE_US + 30_000_000, 6_100_000, 5_000)
    mirror.catch_up()
    second = tickers.ticker_get(1, "BTCUSDT", now=now)
    assert (second.last_price, second.volume) == (Decimal(61_000), Decimal("2.5"))
    assert second.trades == 3
    assert asked == [now - timedelta(hours=24), TEN + timedelta(minutes=1)]
    next_day = tickers.ticker_get(1, "BTCUSDT", now=TEN + timedelta(hours=24, minutes=1))
    assert (next_day.open_price, next_day.trades) == (Decimal(62_000), 2)
    silent = tickers.ticker_get(1, "BTCUSDT", now=TEN + timedelta(days=3))
    assert (silent.last_price, silent.price_change) == (Decimal(61_000), Decimal(0))
    assert silent.trades == 0


def test_candles_are_read_through_the_index_alone(
    day: ExchangeDay, mirror: Mirror, django_database: DatabaseHandle
) -> None:
    import psycopg

    from apps.trading.candles import _BUCKETS

    for n in range(30):
        trade(day, TEN_US + n * MINUTE_US, 6_000_000, 100)
    mirror.catch_up()
    with psycopg.connect(django_database.app_url) as connection:
        connection.execute("SET enable_seqscan = off")
        plan = connection.execute(
            "EXPLAIN " + _BUCKETS,
            [timedelta(minutes=1), 1, TEN, TEN + timedelta(hours=1)],
        ).fetchall()
    text = "\n".join(row[0] for row in plan)
    assert "trading_trade_of_market" in text


def test_no_page_of_candles_is_without_a_limit(django_database: DatabaseHandle) -> None:
    from apps.trading.candles import CANDLES_MAX, candles_get

    del django_database
    for limit in (0, CANDLES_MAX + 1):
        with pytest.raises(ValueError, match="expected 1 to 1000"):
            candles_get(1, "1m", now=TEN, limit=limit)
