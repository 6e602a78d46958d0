"""Candles out of the trades of a market, computed by SQL over one index; before them imported ones.

Invariants: candles are contiguous, one for each interval, from the first on; an interval without a
trade repeats the last close with nothing traded; each trade counts in exactly one candle. Imported
minutes count only before the minute of the market's own first trade, and a candle that holds any
says so: its volume is the source's, and its quote volume is not known.
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

# The minute of the market's own first trade, from which on imported minutes do not count.
_OWN_BEGINNING: Final = """
    (SELECT coalesce(date_bin('1 minute', min(executed_at), '1970-01-01 00:00:00+00'), 'infinity')
       FROM trading_trade WHERE market_id = %s)
"""
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
_IMPORTED_BUCKETS: Final = f"""
SELECT date_bin(%s, opened_at, '1970-01-01 00:00:00+00') AS bucket_at,
       (array_agg(open ORDER BY opened_at))[1], max(high), min(low),
       (array_agg(close ORDER BY opened_at DESC))[1], sum(volume)
  FROM trading_importedcandle
 WHERE market_id = %s AND opened_at >= %s AND opened_at < least(%s, {_OWN_BEGINNING})
 GROUP BY 1
 ORDER BY 1
"""  # noqa: S608 - constants only
_CLOSE_BEFORE: Final = f"""
SELECT coalesce(
    (SELECT price FROM trading_trade WHERE market_id = %s AND executed_at < %s
      ORDER BY executed_at DESC, event_seq DESC LIMIT 1),
    (SELECT close FROM trading_importedcandle
      WHERE market_id = %s AND opened_at < least(%s, {_OWN_BEGINNING})
      ORDER BY opened_at DESC LIMIT 1))
"""  # noqa: S608 - constants only


@dataclass(frozen=True, slots=True, kw_only=True)
class Candle:
    """Prices in quote per unit of base; `volume` in base, `quote_volume` in quote.

    `trades` are those of this exchange. With imported minutes the quote volume is None.
    """

    opened_at: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    quote_volume: Decimal | None
    trades: int
    imported: bool = False


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
    imported = _imported_candles(market_id, step, first, stop)
    traded = _joined(imported, traded_candles(market_id, step, first, stop))
    before = _close_before(market_id, first)
    return list(_contiguous(traded, before, first, stop, step))


def _imported_candles(
    market_id: int, interval: timedelta, start: datetime, end: datetime
) -> list[Candle]:
    """Return the candles of imported minutes in start <= time < end, before own trading began."""
    parameters: list[Any] = [interval, market_id, start, end, market_id]
    with connection.cursor() as cursor:
        cursor.execute(_IMPORTED_BUCKETS, parameters)
        return [
            Candle(
                opened_at=row[0],
                open=row[1],
                high=row[2],
                low=row[3],
                close=row[4],
                volume=row[5],
                quote_volume=None,
                trades=0,
                imported=True,
            )
            for row in cursor.fetchall()
        ]


def _joined(imported: list[Candle], traded: list[Candle]) -> list[Candle]:
    """Return both; the one interval in which own trading began may have minutes of both kinds."""
    if not imported or not traded or imported[-1].opened_at != traded[0].opened_at:
        return [*imported, *traded]
    earlier, later = imported[-1], traded[0]
    both = Candle(
        opened_at=earlier.opened_at,
        open=earlier.open,
        high=max(earlier.high, later.high),
        low=min(earlier.low, later.low),
        close=later.close,
        volume=earlier.volume + later.volume,
        quote_volume=None,
        trades=later.trades,
        imported=True,
    )
    return [*imported[:-1], both, *traded[1:]]


def _close_before(market_id: int, instant: datetime) -> Decimal | None:
    with connection.cursor() as cursor:
        cursor.execute(_CLOSE_BEFORE, [market_id, instant, market_id, instant, market_id])
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
