"""The last 24 hours of a market: a rolling window over minutes.

History comes from the books, what happens now from the events; a trade is counted once because
history ends at the trade id at which listening began. Invariant: sums are whole atoms and lots, and
the window moves by whole minutes, so the same trades give the same figures in every process.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

WINDOW_MINUTES: Final = 24 * 60
MINUTE_US: Final = 60_000_000


@dataclass(slots=True, kw_only=True)
class Minute:
    """The trades of one minute; `minute` counts minutes since 1970."""

    minute: int
    open_ticks: int
    high_ticks: int
    low_ticks: int
    close_ticks: int
    lots: int
    tick_lots: int  # sum of price x quantity
    trades: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """The window as a whole. Prices are None where nothing traded in it."""

    open_ticks: int | None
    high_ticks: int | None
    low_ticks: int | None
    close_ticks: int | None
    lots: int
    tick_lots: int
    trades: int


class Ticker:
    """One market's window. `is_complete` tells whether its history has been loaded."""

    def __init__(self) -> None:
        self._minutes: dict[int, Minute] = {}
        self.last_trade_id = 0
        self.history_trade_id = 0  # the last trade that history has to tell
        self.is_complete = False

    def restart(self, last_trade_id: int) -> None:
        """Begin to listen after a trade; everything up to it is for history to say."""
        self._minutes.clear()
        self.last_trade_id = self.history_trade_id = last_trade_id
        self.is_complete = last_trade_id == 0

    def add(self, *, trade_id: int, time_us: int, price_ticks: int, lots: int) -> bool:
        """Count a trade; False if it was counted or belongs to history."""
        if trade_id <= self.last_trade_id:
            return False
        self.last_trade_id = trade_id
        number = time_us // MINUTE_US
        minute = self._minutes.get(number)
        if minute is None:
            self._minutes[number] = Minute(
                minute=number,
                open_ticks=price_ticks,
                high_ticks=price_ticks,
                low_ticks=price_ticks,
                close_ticks=price_ticks,
                lots=lots,
                tick_lots=price_ticks * lots,
                trades=1,
            )
            return True
        minute.high_ticks = max(minute.high_ticks, price_ticks)
        minute.low_ticks = min(minute.low_ticks, price_ticks)
        minute.close_ticks = price_ticks
        minute.lots += lots
        minute.tick_lots += price_ticks * lots
        minute.trades += 1
        return True

    def load(self, history: Iterable[Minute]) -> None:
        """Put the minutes before listening began in front of those that were heard."""
        heard, self._minutes = self._minutes, {}
        for old in history:
            self._minutes[old.minute] = old
        for number, new in heard.items():
            old_part = self._minutes.get(number)
            self._minutes[number] = new if old_part is None else _joined(old_part, new)
        self.is_complete = True

    def day(self, now_us: int) -> Day:
        """Return the window that ends now."""
        first = now_us // MINUTE_US - WINDOW_MINUTES + 1
        for number in [each for each in self._minutes if each < first]:
            del self._minutes[number]
        minutes = [self._minutes[number] for number in sorted(self._minutes)]
        return Day(
            open_ticks=minutes[0].open_ticks if minutes else None,
            high_ticks=max((each.high_ticks for each in minutes), default=None),
            low_ticks=min((each.low_ticks for each in minutes), default=None),
            close_ticks=minutes[-1].close_ticks if minutes else None,
            lots=sum(each.lots for each in minutes),
            tick_lots=sum(each.tick_lots for each in minutes),
            trades=sum(each.trades for each in minutes),
        )


def _joined(old: Minute, new: Minute) -> Minute:
    return Minute(
        minute=old.minute,
        open_ticks=old.open_ticks,
        high_ticks=max(old.high_ticks, new.high_ticks),
        low_ticks=min(old.low_ticks, new.low_ticks),
        close_ticks=new.close_ticks,
        lots=old.lots + new.lots,
        tick_lots=old.tick_lots + new.tick_lots,
        trades=old.trades + new.trades,
    )
