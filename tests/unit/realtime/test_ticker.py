"""The rolling day: exact sums, whole minutes, history joined once."""

from __future__ import annotations

from apps.realtime.ticker import MINUTE_US, WINDOW_MINUTES, Minute, Ticker

NOON_US = 29_000_000 * MINUTE_US


def trade(ticker: Ticker, trade_id: int, minute: int, price: int, lots: int) -> bool:
    return ticker.add(
        trade_id=trade_id, time_us=NOON_US + minute * MINUTE_US, price_ticks=price, lots=lots
    )


def test_a_day_is_the_trades_of_its_minutes() -> None:
    ticker = Ticker()
    ticker.restart(0)
    for trade_id, minute, price, lots in ((1, 0, 100, 5), (2, 0, 90, 1), (3, 1, 110, 2)):
        assert trade(ticker, trade_id, minute, price, lots)
    day = ticker.day(NOON_US + MINUTE_US)
    assert (day.open_ticks, day.high_ticks, day.low_ticks, day.close_ticks) == (100, 110, 90, 110)
    assert (day.lots, day.tick_lots, day.trades) == (8, 500 + 90 + 220, 3)


def test_a_minute_leaves_the_window_after_24_hours() -> None:
    ticker = Ticker()
    ticker.restart(0)
    trade(ticker, 1, 0, 100, 5)
    trade(ticker, 2, 1, 200, 1)
    assert ticker.day(NOON_US + (WINDOW_MINUTES - 1) * MINUTE_US).trades == 2
    assert ticker.day(NOON_US + WINDOW_MINUTES * MINUTE_US).open_ticks == 200
    empty = ticker.day(NOON_US + (WINDOW_MINUTES + 1) * MINUTE_US)
    assert (empty.open_ticks, empty.close_ticks, empty.lots, empty.trades) == (None, None, 0, 0)


def test_a_trade_counts_once_whether_history_or_an_event_told_it() -> None:
    ticker = Ticker()
    ticker.restart(10)
    was_complete = ticker.is_complete
    assert not trade(ticker, 10, 0, 999, 999)
    assert trade(ticker, 11, 0, 120, 3)
    assert not trade(ticker, 11, 0, 120, 3)
    ticker.load(
        [
            Minute(
                minute=NOON_US // MINUTE_US, open_ticks=100, high_ticks=130, low_ticks=95,
                close_ticks=101, lots=7, tick_lots=700, trades=10,
            )
        ]
    )  # fmt: skip
    day = ticker.day(NOON_US)
    assert (was_complete, ticker.is_complete) == (False, True)
    assert (day.open_ticks, day.high_ticks, day.low_ticks, day.close_ticks) == (100, 130, 95, 120)
    assert (day.lots, day.tick_lots, day.trades) == (10, 1_060, 11)
