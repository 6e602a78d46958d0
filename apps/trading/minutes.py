"""The minutes of a market up to one of its trades, for who counts on from there by events.

Invariant: either all trades up to the stated one are counted, or nothing is said: the books may be
behind the engine.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Final, NamedTuple

from django.db import connection

_REACHED: Final = "SELECT 1 FROM trading_trade WHERE market_id = %s AND trade_id = %s"
# First and last price by trade id: several trades can have one time stamp.
_MINUTES: Final = """
SELECT date_bin('1 minute', executed_at, '1970-01-01 00:00:00+00') AS opened_at,
       (array_agg(price ORDER BY trade_id))[1],
       max(price), min(price),
       (array_agg(price ORDER BY trade_id DESC))[1],
       sum(quantity), sum(quote_quantity), count(*)
  FROM trading_trade
 WHERE market_id = %s AND executed_at >= %s AND trade_id <= %s
 GROUP BY 1
 ORDER BY 1
"""


class TradedMinute(NamedTuple):
    """Prices in quote per unit of base, `volume` in base, `quote_volume` in quote: decimals."""

    opened_at: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    quote_volume: Decimal
    trades: int


def minutes_upto(
    market_id: int, *, start: datetime, last_trade_id: int
) -> list[TradedMinute] | None:
    """Return the minutes with a trade from `start` to a trade; None if the books lack that one."""
    with connection.cursor() as cursor:
        cursor.execute(_REACHED, [market_id, last_trade_id])
        if cursor.fetchone() is None:
            return None
        cursor.execute(_MINUTES, [market_id, start, last_trade_id])
        return [TradedMinute(*row) for row in cursor.fetchall()]
