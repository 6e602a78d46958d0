"""Charts are made of counts that are right however often, and from wherever, counting goes on."""

from __future__ import annotations

import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db.models import Count, Sum
from django.db.models.functions import TruncMinute
from django.test import Client

from apps.console import figures
from apps.console.charts import bar_chart
from apps.console.dashboard_charts import charts_build
from apps.console.figures import days_count, minutes_forget, sample_store, trades_count
from apps.console.models import MarketMinute, Sample, Series
from apps.mirror.books import Books, EventRun
from apps.trading.models import Trade
from engine.proto.records import RECORD_BYTES
from tests.fixtures_database import DatabaseHandle
from tests.integration.console.exchange_day import EPOCH, ExchangeDay, exchange_day
from tests.people import person


def counted() -> list[tuple[object, ...]]:
    rows = MarketMinute.objects.order_by("minute", "market_id")
    return list(rows.values_list("minute", "market_id", "trades", "quote_volume"))


def from_trades() -> list[tuple[object, ...]]:
    rows = Trade.objects.order_by().annotate(minute=TruncMinute("executed_at"))
    sums = rows.values("minute", "market_id").annotate(
        trades=Count("*"), volume=Sum("quote_quantity")
    )
    ordered = sums.order_by("minute", "market_id")
    return list(ordered.values_list("minute", "market_id", "trades", "volume"))


def test_trades_are_counted_once_whenever_the_books_get_them(
    django_database: DatabaseHandle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figures, "TRADES_PER_RUN_MAX", 7)
    day = exchange_day(time.time_ns() // 1000 - 600_000_000, rounds=40)
    events = bytes(day.events)
    half = len(events) // RECORD_BYTES // 2
    with closing(Books(django_database.mirror_url)) as books:
        books.open()
        books.apply(EventRun(EPOCH, 1, events[: half * RECORD_BYTES]))
        trades_count()
        books.apply(EventRun(EPOCH, half + 1, events[half * RECORD_BYTES :]))
    monkeypatch.setattr(figures, "RUNS_MAX", 100)
    for _ in range(2):
        trades_count()
        trades_count()
    assert len(from_trades()) >= 2
    assert counted() == from_trades()


def test_the_minute_from_which_counting_goes_on_is_never_forgotten(day: ExchangeDay) -> None:
    trades_count()
    before = counted()
    later = datetime.now(UTC) + timedelta(days=31)
    minutes_forget(later)
    assert MarketMinute.objects.count() == 1
    trades_count()
    assert len(counted()) == 1
    assert before


def test_days_are_counted_and_counted_again_only_while_they_last(
    django_database: DatabaseHandle,
) -> None:
    person("support")
    for name in ("a", "b", "c"):
        person("trader", name)
    now = datetime.now(UTC)
    days_count(now)
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    found = dict(Sample.objects.filter(series=Series.NEW_TRADERS).values_list("at", "value"))
    assert len(found) == 14
    assert found.pop(today) == 3
    assert set(found.values()) == {0}
    person("trader", "d")
    Sample.objects.filter(at=today - timedelta(days=5)).update(value=9)
    days_count(now)
    found = dict(Sample.objects.filter(series=Series.NEW_TRADERS).values_list("at", "value"))
    assert found[today] == 4
    assert found[today - timedelta(days=5)] == 9


def test_charts_show_what_was_counted(console: Client, day: ExchangeDay) -> None:
    trades_count()
    now = datetime.now(UTC)
    sample_store(Series.MIRROR_LAG_MS, now, 120)
    sample_store(Series.MIRROR_LAG_MS, now - timedelta(minutes=3), 80)
    newest = Trade.objects.order_by("-event_seq")[0].executed_at
    trades, volume, lag, days = charts_build(newest + timedelta(minutes=2))
    assert trades.figure == str(Trade.objects.count())
    total = Trade.objects.aggregate(total=Sum("quote_quantity"))["total"]
    assert f"{total.quantize(Decimal('0.01')):,}" in str(volume.figure)
    assert (days.legend, days.note) == (("Traders", "Deposits"), "today")
    page = console.get("/admin/").content.decode()
    assert ": 120 ms</title>" in page
    assert ": 80 ms</title>" in page
    assert "120 ms" in str(charts_build(now)[2].figure)
    assert lag.title == "Mirror lag, worst of each minute"


def test_bars_are_as_high_as_their_values_and_zero_has_none() -> None:
    chart = bar_chart(
        "T", ["a", "b", "c"], [[0, 5, 10]], unit="u", figure="", note="", ends=("", "")
    )
    assert [(bar.height, bar.title) for bar in chart.bars] == [
        ("20.00", "b: 5 u"),
        ("40.00", "c: 10 u"),
    ]
    assert (chart.peak, chart.width, chart.height) == ("peak 10 u", "3", "40")
    empty = bar_chart("T", ["a"], [[0]], unit="u", figure="", note="", ends=("", ""))
    assert (list(empty.bars), empty.peak) == ([], "")
