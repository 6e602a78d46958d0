"""The last 24 hours of each market, to the minute, kept up in the process.

It exists because counting a day of trades anew for every request would cost more the more is
traded. Per market the process keeps one candle for each minute and reads only what came since.
Invariant: trades reach the books in the order of their time, so a minute before the newest one
known is complete and never read again.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from django.db import connection

from apps.core.amounts import EXACT
from apps.trading.candles import INTERVALS, Candle, floor_instant, traded_candles

WINDOW: Final = timedelta(hours=24)
AGE_MAX_S: Final = 1.0
_MINUTE: Final = INTERVALS["1m"]
_LAST_PRICE: Final = """
SELECT price FROM trading_trade WHERE market_id = %s
 ORDER BY executed_at DESC, event_seq DESC LIMIT 1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticker:
    """What a market did in the window; None where nothing was ever traded.

    `open_price` is that of the first trade in the window; without one, the last price.
    """

    market: str
    last_price: Decimal | None
    open_price: Decimal | None
    high_price: Decimal | None
    low_price: Decimal | None
    price_change: Decimal | None
    volume: Decimal
    quote_volume: Decimal
    trades: int
    window_start: datetime


@dataclass
class _Window:
    """A market's minutes, oldest first."""

    guard: threading.Lock = field(default_factory=threading.Lock)
    minutes: dict[datetime, Candle] = field(default_factory=dict)
    last_price: Decimal | None = None
    read_s: float = float("-inf")


_windows: Final[dict[tuple[str, int], _Window]] = {}
_windows_guard: Final = threading.Lock()


def ticker_get(market_id: int, symbol: str, *, now: datetime) -> Ticker:
    """Return a market's ticker, at most AGE_MAX_S old."""
    # Keyed by database as well, so that a process with several never mixes them.
    key = (str(connection.settings_dict["NAME"]), market_id)
    with _windows_guard:
        window = _windows.setdefault(key, _Window())
    with window.guard:
        if time.monotonic() - window.read_s >= AGE_MAX_S:
            _read(window, market_id, now)
        return _ticker(window, symbol, floor_instant(now - WINDOW, _MINUTE))


def _read(window: _Window, market_id: int, now: datetime) -> None:
    start = floor_instant(now - WINDOW, _MINUTE)
    newest = max(window.minutes, default=start)
    for minute in traded_candles(market_id, _MINUTE, max(newest, start), now + WINDOW):
        window.minutes[minute.opened_at] = minute
    for opened_at in [opened_at for opened_at in window.minutes if opened_at < start]:
        del window.minutes[opened_at]
    if window.minutes:
        window.last_price = window.minutes[max(window.minutes)].close
    elif window.last_price is None:
        with connection.cursor() as cursor:
            cursor.execute(_LAST_PRICE, [market_id])
            row = cursor.fetchone()
        window.last_price = None if row is None else row[0]
    window.read_s = time.monotonic()


def _ticker(window: _Window, symbol: str, start: datetime) -> Ticker:
    last = window.last_price
    minutes = [window.minutes[opened_at] for opened_at in sorted(window.minutes)]
    opening = minutes[0].open if minutes else last
    volume = quote_volume = Decimal(0)
    for minute in minutes:
        assert minute.quote_volume is not None, "of trades the quote volume is known"
        volume = EXACT.add(volume, minute.volume)
        quote_volume = EXACT.add(quote_volume, minute.quote_volume)
    change = None if last is None or opening is None else EXACT.subtract(last, opening)
    return Ticker(
        market=symbol,
        last_price=last,
        open_price=opening,
        high_price=max((minute.high for minute in minutes), default=last),
        low_price=min((minute.low for minute in minutes), default=last),
        price_change=change,
        volume=volume,
        quote_volume=quote_volume,
        trades=sum(minute.trades for minute in minutes),
        window_start=start,
    )
