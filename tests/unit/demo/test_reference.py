"""Prices go where the recorded bars went, and walks stay around their middle."""

from __future__ import annotations

from decimal import Decimal

import pytest

from quantatrade.demo.recorded import (
    BAR_FILES,
    HISTORY_BARS,
    recorded_bars,
    recorded_middles,
    tick_bars,
)
from quantatrade.demo.reference import MINUTE_MS, MeanRevertingWalk, RecordedPath, TickBar

RISING = TickBar(10_000, 10_900, 9_700, 10_600)
FALLING = TickBar(10_600, 10_700, 10_100, 10_300)
THIRD_MS = MINUTE_MS // 3


def path(*bars: TickBar, start: int = 0, anchor_ms: int = 0) -> RecordedPath:
    """A path whose prices are too low for noise."""
    return RecordedPath(bars, start=start, anchor_ms=anchor_ms, seed="s")


def test_a_bar_is_walked_from_its_opening_over_both_extremes_to_its_close() -> None:
    rising = path(RISING)
    prices = [rising.price_ticks(each * THIRD_MS) for each in range(3)]
    assert prices == [10_000, 9_700, 10_900]
    assert rising.price_ticks(MINUTE_MS - 1) == 10_600
    falling = path(FALLING)
    assert [falling.price_ticks(each * THIRD_MS) for each in range(3)] == [10_600, 10_700, 10_100]


def test_after_the_last_bar_the_path_goes_back_without_a_step() -> None:
    both = path(RISING, FALLING, start=1)
    opening_of_minutes = [both.price_ticks(each * MINUTE_MS) for each in range(5)]
    assert opening_of_minutes == [10_600, 10_300, 10_600, 10_000, 10_600]


def test_before_its_beginning_a_path_stands_at_its_first_price() -> None:
    assert path(RISING, anchor_ms=MINUTE_MS).price_ticks(0) == 10_000


def test_the_same_moment_has_the_same_price_after_a_restart() -> None:
    bars = tick_bars(recorded_bars("BTCUSDT"), Decimal("0.01"))
    first, second = (
        RecordedPath(bars, start=HISTORY_BARS, anchor_ms=5, seed="s") for _ in range(2)
    )
    moments = range(0, 90 * MINUTE_MS, 7_000)
    prices = [first.price_ticks(each) for each in moments]
    assert prices == [second.price_ticks(each) for each in moments]
    assert len(set(prices)) > len(prices) // 2


@pytest.mark.parametrize("symbol", sorted(BAR_FILES))
def test_the_live_path_begins_where_the_imported_past_ends(symbol: str) -> None:
    bars = recorded_bars(symbol)
    assert len(bars) == 3_000
    live = RecordedPath(tick_bars(bars, Decimal("0.01")), start=HISTORY_BARS, anchor_ms=0, seed="s")
    last_close = int(bars[HISTORY_BARS - 1].close * 100)
    assert abs(live.price_ticks(0) - last_close) <= last_close // 5_000


def test_a_walk_is_repeatable_moves_and_stays_within_its_bounds() -> None:
    first, second = (MeanRevertingWalk(638, seed="s") for _ in range(2))
    moments = range(0, 6 * 3_600_000, 1_500)
    prices = [first.price_ticks(each) for each in moments]
    assert prices == [second.price_ticks(each) for each in moments]
    assert min(prices) >= 638 - 638 // 25
    assert max(prices) <= 638 + 638 // 25 + 1
    assert len(set(prices)) >= 5


def test_a_walk_goes_on_from_the_last_price_and_back_to_its_middle() -> None:
    walk = MeanRevertingWalk(10_000, seed="s", start_ticks=10_300)
    assert walk.price_ticks(0) == 10_300
    for second in range(3_600):
        price = walk.price_ticks(second * 1_000)
    assert abs(price - 10_000) < 150


def test_a_walk_that_was_far_out_of_its_bounds_begins_at_the_border() -> None:
    assert MeanRevertingWalk(10_000, seed="s", start_ticks=99_999).price_ticks(0) == 10_400


def test_what_cannot_be_a_path_or_a_walk_is_refused() -> None:
    with pytest.raises(ValueError, match="start was 2, expected 0 to 0"):
        path(RISING, start=2)
    with pytest.raises(ValueError, match="middle was 0 ticks"):
        MeanRevertingWalk(0, seed="s")


def test_the_middles_are_those_of_the_captured_books() -> None:
    assert recorded_middles() == {
        "NKNUSDT": Decimal("0.3523"),
        "BLZETH": Decimal("0.00006551"),
        "LRCBTC": Decimal("0.000006375"),
        "RUNEEUR": Decimal("6.26"),
    }
