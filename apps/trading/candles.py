"""Candles out of the trades of a market, computed by SQL over one index.

Invariants: candles are contiguous, one for each interval, from the first trade on; an interval
without a trade repeats the last close with nothing traded; each trade counts in exactly one candle.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from django.db import connection

INTERVALS: Final = {
    "1m": timedelta(minutes=1),
    "5m": timedelta(minutes=5),
    "15m": timedelta(minutes=15),
    "30m": timedelta(minutes=30),
    "1h": timedelta(hours=1),
    "4h": timedelta(hours=4),
    "1d": timedelta(days=1),
}
CANDLES_DEFAULT: Final = 300
CANDLES_MAX: Final = 1_000
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

# First and last price by event sequence: several trades can have one time stamp.
_BUCKETS: Final = """
WITH bucket AS (
    SELECT date_bin(%s, executed_at, '1970-01-01 00:00:00+00') AS opened_at,
           max(price) AS high, min(price) AS low, sum(quantity) AS volume,
           sum(quote_quantity) AS quote_volume, count(*) AS trades,
           min(event_seq) AS first_seq, max(event_seq) AS last_seq
      FROM trading_trade
     WHERE market_id = %s AND executed_at >= %s AND executed_at < %s
     GROUP BY 1
)
SELECT bucket.opened_at, opening.price, bucket.high, bucket.low, closing.price,
       bucket.volume, bucket.quote_volume, bucket.trades
  FROM bucket
  JOIN trading_trade AS opening ON opening.event_seq = bucket.first_seq
  JOIN trading_trade AS closing ON closing.event_seq = bucket.last_seq
 ORDER BY bucket.opened_at
"""
_CLOSE_BEFORE: Final = """
SELECT price FROM trading_trade WHERE market_id = %s AND executed_at < %s
 ORDER BY executed_at DESC, event_seq DESC LIMIT 1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candle:
    """Prices in quote per unit of base; `volume` in base, `quote_volume` in quote."""

    opened_at: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    quote_volume: Decimal
    trades: int


def floor_instant(instant: datetime, interval: timedelta) -> datetime:
    """Return the beginning of the interval that holds the instant."""
    return instant - (instant - EPOCH) % interval


def traded_candles(
    market_id: int, interval: timedelta, start: datetime, end: datetime
) -> list[Candle]:
    """Return the candles of start <= time < end that have a trade."""
    parameters: list[Any] = [interval, market_id, start, end]
    with connection.cursor() as cursor:
        cursor.execute(_BUCKETS, parameters)
        return [
            Candle(
                opened_at=row[0],
                open=row[1],
                high=row[2],
                low=row[3],
                close=row[4],
                volume=row[5],
                quote_volume=row[6],
                trades=row[7],
            )
            for row in cursor.fetchall()
        ]


def candles_get(
    market_id: int,
    interval: str,
    *,
    now: datetime,
    start: datetime | None = None,
    end: datetime | None = None,
    limit: int = CANDLES_DEFAULT,
) -> list[Candle]:
    """Return contiguous candles, oldest first, at most `limit`; the last may still be growing.

    They begin at the interval that holds `start` and end before `end` (and now). Without `start`
    they are the newest ones before `end`. KeyError for an unknown interval.
    """
    if not 1 <= limit <= CANDLES_MAX:
        raise ValueError(f"limit was {limit}, expected 1 to {CANDLES_MAX}")
    step = INTERVALS[interval]
    last = min(now, now if end is None else end - timedelta(microseconds=1))
    stop = floor_instant(last, step) + step
    first = stop - limit * step if start is None else floor_instant(start, step)
    stop = min(stop, first + limit * step)
    if stop <= first:
        return []
    traded = traded_candles(market_id, step, first, stop)
    before = _close_before(market_id, first)
    return list(_contiguous(traded, before, first, stop, step))


def _close_before(market_id: int, instant: datetime) -> Decimal | None:
    with connection.cursor() as cursor:
        cursor.execute(_CLOSE_BEFORE, [market_id, instant])
        row = cursor.fetchone()
    return None if row is None else row[0]


def _contiguous(
    traded: list[Candle],
    close: Decimal | None,
    first: datetime,
    stop: datetime,
    step: timedelta,
) -> Iterator[Candle]:
    by_opening = {candle.opened_at: candle for candle in traded}
    opened_at = first
    while opened_at < stop:
        candle = by_opening.get(opened_at)
        if candle is not None:
            close = candle.close
            yield candle
        elif close is not None:
            yield flat_candle(opened_at, close)
        opened_at += step


def flat_candle(opened_at: datetime, close: Decimal) -> Candle:
    """Return the candle of an interval without a trade."""
    none = Decimal(0)
    return Candle(
        opened_at=opened_at,
        open=close,
        high=close,
        low=close,
        close=close,
        volume=none,
        quote_volume=none,
        trades=0,
    )
