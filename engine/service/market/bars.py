"""Trades summed up by intervals of time, from one second to one month (UTC).

A bar exists only for an interval in which there was a trade. Sums are Python integers: a month's
turnover may leave 64 bits. Invariant: every bar of every interval is the sum of the same trades,
each counted once; a series keeps a bounded number of bars.
"""

from __future__ import annotations

from bisect import bisect_left
from datetime import UTC, datetime, timedelta
from functools import reduce
from typing import Final, NamedTuple

SECOND_US: Final = 1_000_000
DAY_S: Final = 86_400
BARS_MAX: Final = 1_500  # of each interval; one-minute bars of a day are 1,440
BARS_SLACK: Final = 100  # so that a full series is cut now and then, not with each bar
MONTH: Final = "1M"
INTERVAL_SECONDS: Final = {
    "1s": 1,
    "1m": 60,
    "3m": 180,
    "5m": 300,
    "15m": 900,
    "30m": 1_800,
    "1h": 3_600,
    "2h": 7_200,
    "4h": 14_400,
    "6h": 21_600,
    "8h": 28_800,
    "12h": 43_200,
    "1d": DAY_S,
    "3d": 3 * DAY_S,
    "1w": 7 * DAY_S,
}
INTERVALS: Final = (*INTERVAL_SECONDS, MONTH)
_MONDAY_US: Final = 4 * DAY_S * SECOND_US  # the first one after the epoch, a Thursday


class Bar(NamedTuple):
    """Prices in ticks, `volume` in lots, `quote` in ticks x lots; `buy_*`: what takers bought."""

    open_us: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    quote: int
    buy_volume: int
    buy_quote: int
    first_trade_id: int
    last_trade_id: int


def merged(earlier: Bar, later: Bar) -> Bar:
    """Both together, from the opening of the earlier one."""
    return Bar(
        earlier.open_us,
        earlier.open,
        max(earlier.high, later.high),
        min(earlier.low, later.low),
        later.close,
        earlier.volume + later.volume,
        earlier.quote + later.quote,
        earlier.buy_volume + later.buy_volume,
        earlier.buy_quote + later.buy_quote,
        earlier.first_trade_id,
        later.last_trade_id,
    )


def opening(interval: str, time_us: int) -> int:
    """When the interval that holds `time_us` began. Weeks begin on Mondays."""
    if interval == MONTH:
        at = _date(time_us)
        return _time_us(at.replace(day=1, hour=0, minute=0, second=0, microsecond=0))
    length_us = INTERVAL_SECONDS[interval] * SECOND_US
    first_us = _MONDAY_US if interval == "1w" else 0
    return time_us - (time_us - first_us) % length_us


def closing(interval: str, open_us: int) -> int:
    """When the interval that began at `open_us` ends, and the next one begins."""
    if interval == MONTH:
        return opening(MONTH, open_us + 31 * DAY_S * SECOND_US)
    return open_us + INTERVAL_SECONDS[interval] * SECOND_US


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def _date(time_us: int) -> datetime:
    return _EPOCH + timedelta(microseconds=time_us)


def _time_us(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(microseconds=1)


class MarketBars:
    """The bars of one market. The second that is not over yet is kept apart: only when it closes
    the longer intervals are touched."""

    def __init__(self) -> None:
        self.second: Bar | None = None
        self.series: dict[str, list[Bar]] = {interval: [] for interval in INTERVALS}
        self._day: tuple[tuple[int, int], Bar | None] = ((0, 0), None)

    def add(self, part: Bar) -> None:
        """Count trades of one second (`open_us`), which is not before the last one."""
        second = self.second
        if second is None:
            self.second = part
        elif part.open_us <= second.open_us:
            self.second = merged(second, part)
        else:
            self._close(second)
            self.second = part

    def _close(self, second: Bar) -> None:
        for interval, bars in self.series.items():
            _add(bars, interval, second)

    def bars(self, interval: str, from_us: int, to_us: int, limit: int) -> list[Bar]:
        """The last `limit` bars that open within from_us <= open_us < to_us, oldest first."""
        closed = self.series[interval]
        bars = closed[bisect_left(closed, (from_us,)) :]
        if self.second is not None and self.second.open_us >= from_us:
            _add(bars, interval, self.second)
        if bars and bars[0].open_us < from_us:
            del bars[0]
        del bars[bisect_left(bars, (to_us,)) :]
        return bars[-limit:]

    def last(self, interval: str) -> Bar | None:
        """The newest bar."""
        closed, second = self.series[interval], self.second
        if second is None:
            return None
        open_us = opening(interval, second.open_us)
        if closed and closed[-1].open_us == open_us:
            return merged(closed[-1], second)
        return second._replace(open_us=open_us)

    def since(self, from_us: int) -> Bar | None:
        """All trades since the beginning of the minute `from_us`, as one bar."""
        minutes = self.series["1m"]
        state = (from_us, minutes[-2].open_us if len(minutes) > 1 else 0)
        if self._day[0] != state:  # the minutes before the last do not change any more
            whole = [bar for bar in minutes[:-1] if bar.open_us >= from_us]
            self._day = (state, reduce(merged, whole) if whole else None)
        parts = [self._day[1], *minutes[-1:], self.second]
        inside = [part for part in parts if part is not None and part.open_us >= from_us]
        return reduce(merged, inside)._replace(open_us=from_us) if inside else None


def _add(bars: list[Bar], interval: str, part: Bar) -> None:
    open_us = opening(interval, part.open_us)
    if bars and bars[-1].open_us == open_us:
        bars[-1] = merged(bars[-1], part)
        return
    bars.append(part._replace(open_us=open_us))
    if len(bars) > BARS_MAX + BARS_SLACK:
        del bars[:-BARS_MAX]
