"""Bars of every interval are what anybody would compute afresh from the trades."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import reduce
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.proto.records import (
    EventFlag,
    EventHeader,
    EventType,
    OrderChanged,
    Trade,
    pack_event,
)
from engine.service.market.bars import (
    BARS_MAX,
    BARS_SLACK,
    DAY_S,
    INTERVALS,
    SECOND_US,
    Bar,
    MarketBars,
    closing,
    merged,
    opening,
)
from engine.service.market.scan import seconds, trades
from engine.service.market.store import Collected, load, save

START_US = int(datetime(2023, 12, 29, 23, 59, 58, tzinfo=UTC).timestamp()) * SECOND_US
STEPS_US = (0, 1, 400_000, SECOND_US, 61 * SECOND_US, 3_601 * SECOND_US, 2 * DAY_S * SECOND_US)
FOREVER = 2**62


class Sample(NamedTuple):
    market_id: int
    step_us: int
    price: int
    lots: int
    taker_buys: bool


SAMPLES = st.lists(
    st.builds(
        Sample,
        st.integers(1, 2),
        st.sampled_from(STEPS_US),
        st.integers(1, 50),
        st.sampled_from((1, 7, 2**62)),
        st.booleans(),
    ),
    max_size=60,
)


def packed(samples: list[Sample]) -> list[bytes]:
    """TRADE events, with other events between them."""
    events: list[bytes] = []
    time_us, ids = START_US, {1: 0, 2: 0}
    for market_id, step_us, price, lots, taker_buys in samples:
        time_us += step_us
        ids[market_id] += 1
        seq = len(events) + 1
        other = EventHeader(seq, seq, time_us, EventType.ORDER_CANCELED, 0, 0, market_id)
        events.append(pack_event(other, OrderChanged(1, 2, 3, 4, 5, 6)))
        header = EventHeader(
            seq + 1, seq, time_us, EventType.TRADE, EventFlag.BID * taker_buys, 0, market_id
        )
        body = Trade(ids[market_id], 1, 2, 3, 4, price, lots, 0, 0, 0, 0)
        events.append(pack_event(header, body))
    return events


def plain_opening(interval: str, time_us: int) -> int:
    """The same by the calendar."""
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=time_us)
    midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
    count, unit = int(interval[:-1]), interval[-1]
    if unit == "M":
        begin = midnight.replace(day=1)
    elif unit == "w":
        begin = midnight - timedelta(days=midnight.weekday())
    elif unit == "d":
        days = (midnight - datetime(1970, 1, 1, tzinfo=UTC)).days
        begin = midnight - timedelta(days=days % count)
    else:
        length = timedelta(seconds={"s": 1, "m": 60, "h": 3_600}[unit] * count)
        begin = midnight + (at - midnight) // length * length
    return int(begin.timestamp()) * SECOND_US


def afresh(events: list[bytes], interval: str, market_id: int) -> list[Bar]:
    bars: dict[int, list[Sample]] = {}
    ids: dict[int, list[int]] = {}
    for trade in trades(b"".join(events)):
        if trade.market_id == market_id:
            key = plain_opening(interval, trade.time_us)
            lots, price = trade.quantity_lots, trade.price_ticks
            bars.setdefault(key, []).append(Sample(market_id, 0, price, lots, trade.taker_buys))
            ids.setdefault(key, []).append(trade.trade_id)
    return [
        Bar(
            key,
            all_[0].price,
            max(each.price for each in all_),
            min(each.price for each in all_),
            all_[-1].price,
            sum(each.lots for each in all_),
            sum(each.lots * each.price for each in all_),
            sum(each.lots for each in all_ if each.taker_buys),
            sum(each.lots * each.price for each in all_ if each.taker_buys),
            ids[key][0],
            ids[key][-1],
        )
        for key, all_ in bars.items()
    ]


@settings(deadline=None, max_examples=150)
@given(
    samples=SAMPLES, cuts=st.lists(st.integers(0, 120), max_size=8), after_s=st.integers(0, 10**6)
)
def test_bars_are_the_sums_of_their_trades_in_any_batching(
    samples: list[Sample], cuts: list[int], after_s: int
) -> None:
    events = packed(samples)
    markets = {1: MarketBars(), 2: MarketBars()}
    edges = sorted({0, len(events), *(cut for cut in cuts if cut < len(events))})
    for start, end in pairwise(edges):
        for market_id, bar in seconds(b"".join(events[start:end])):
            markets[market_id].add(bar)
    from_us = START_US + after_s * SECOND_US
    for market_id, market in markets.items():
        for interval in INTERVALS:
            expected = afresh(events, interval, market_id)
            assert market.bars(interval, 0, FOREVER, BARS_MAX) == expected
            assert market.last(interval) == (expected[-1] if expected else None)
            assert market.bars(interval, from_us, FOREVER, BARS_MAX) == [
                bar for bar in expected if bar.open_us >= from_us
            ]
            assert (
                market.bars(interval, 0, from_us, 2)
                == [bar for bar in expected if bar.open_us < from_us][-2:]
            )


@settings(deadline=None, max_examples=150)
@given(samples=SAMPLES, after_s=st.integers(0, 10**6))
def test_the_window_of_a_ticker_is_the_sum_of_its_minutes(
    samples: list[Sample], after_s: int
) -> None:
    events = packed(samples)
    market = MarketBars()
    window = opening("1m", START_US + after_s * SECOND_US)
    for start in range(0, len(events), 3):
        for market_id, bar in seconds(b"".join(events[start : start + 3])):
            if market_id == 1:
                market.add(bar)
        inside = [bar for bar in afresh(events[: start + 3], "1m", 1) if bar.open_us >= window]
        expected = reduce(merged, inside)._replace(open_us=window) if inside else None
        assert market.since(window) == expected


@given(time_us=st.integers(0, 4 * 10**15))
def test_intervals_follow_the_calendar_without_gaps(time_us: int) -> None:
    for interval in INTERVALS:
        begin = opening(interval, time_us)
        assert begin == plain_opening(interval, time_us)
        end = closing(interval, begin)
        assert begin <= time_us < end
        assert opening(interval, end) == end
        assert opening(interval, end - 1) == begin


def test_a_series_keeps_a_bounded_number_of_bars() -> None:
    market = MarketBars()
    for second in range(2 * BARS_MAX):
        market.add(Bar(second * SECOND_US, 1, 1, 1, 1, 1, 1, 0, 0, second + 1, second + 1))
    assert BARS_MAX <= len(market.series["1s"]) <= BARS_MAX + BARS_SLACK
    assert len(market.bars("1s", 0, FOREVER, BARS_MAX)) == BARS_MAX
    assert [bar.volume for bar in market.bars("1m", 0, FOREVER, BARS_MAX)] == [60] * 50


def test_saved_bars_come_back_and_damaged_ones_do_not(tmp_path: Path) -> None:
    collected = Collected()
    market = collected.markets[3] = MarketBars()
    for samples in ([Sample(1, 0, 5, 2**62, True)] * 3, [Sample(1, 10**9, 4, 1, False)]):
        for _, bar in seconds(b"".join(packed(samples))):
            market.add(bar)
    assert load(tmp_path) is None
    save(tmp_path, 0, 17, list(collected.lines()))
    found = load(tmp_path)
    assert found is not None
    assert (found.event_seq, found.complete_from_us) == (0, 17)
    assert found.markets[3].second == market.second
    assert found.markets[3].series == market.series
    path = tmp_path / "bars"
    content = path.read_bytes()
    for at in range(0, len(content), 37):
        path.write_bytes(content[:at] + bytes([content[at] ^ 4]) + content[at + 1 :])
        assert load(tmp_path) is None
    path.write_bytes(content[:-70])
    assert load(tmp_path) is None
