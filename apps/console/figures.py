"""Counts trades into minutes, and users and deposits into days, for the dashboard's charts.

Invariant: counting goes on from the newest trade that was counted, under one lock, so a trade is
counted once; every run reads a bounded number of rows through a primary key.
"""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final, NamedTuple

from django.db import connection, transaction
from django.db.models import Model, QuerySet, Sum

from apps.accounts.models import User
from apps.accounts.roles import Role
from apps.console.models import MarketMinute, Sample, Series
from apps.core.readonly.period import first_key_since
from apps.custody.models import Deposit
from apps.markets.expressions import market_symbol, quote_code

TRADES_PER_RUN_MAX: Final = 100_000
RUNS_MAX: Final = 10
MINUTES_KEPT: Final = timedelta(days=30)
SAMPLES_KEPT: Final = timedelta(days=30)
DAYS_CHARTED: Final = 14
_LOCK: Final = 7_215_001  # of this job alone
_COUNT: Final = """
WITH newest AS (SELECT coalesce(max(last_event_seq), 0) AS seq FROM console_marketminute),
     traded AS (
       SELECT market_id, event_seq, executed_at, quote_quantity
         FROM trading_trade WHERE event_seq > (SELECT seq FROM newest)
        ORDER BY event_seq LIMIT %s
     )
INSERT INTO console_marketminute AS counted
       (market_id, minute, trades, quote_volume, last_event_seq)
SELECT market_id, date_bin('1 minute', executed_at, '1970-01-01 00:00:00+00'),
       count(*), sum(quote_quantity), max(event_seq)
  FROM traded GROUP BY 1, 2 ORDER BY 1, 2
    ON CONFLICT (minute, market_id) DO UPDATE
   SET trades = counted.trades + excluded.trades,
       quote_volume = counted.quote_volume + excluded.quote_volume,
       last_event_seq = excluded.last_event_seq
RETURNING 1
"""


class MarketVolume(NamedTuple):
    """What was traded in one market in a period."""

    symbol: str
    quote_code: str
    trades: int
    quote_volume: Decimal


def trades_count() -> None:
    """Count the trades that are not counted yet, in bounded runs."""
    for _ in range(RUNS_MAX):
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
            cursor.execute(_COUNT, [TRADES_PER_RUN_MAX])
            if not cursor.fetchall():
                return


def minutes_forget(now: datetime) -> None:
    """Drop old minutes and samples, but never the minute from which counting goes on."""
    newest = MarketMinute.objects.order_by("-last_event_seq").values_list("pk", flat=True)[:1]
    old = MarketMinute.objects.filter(minute__lt=now - MINUTES_KEPT)
    old.exclude(pk__in=list(newest)).delete()
    Sample.objects.filter(at__lt=now - SAMPLES_KEPT).delete()


def days_count(now: datetime) -> None:
    """Count new traders and deposits of today, yesterday, and any charted day without a count."""
    today = datetime.combine(now.astimezone(UTC).date(), time.min, UTC)
    days = [today - timedelta(days=back) for back in range(DAYS_CHARTED)]
    sources: tuple[tuple[Series, QuerySet[Any], str], ...] = (
        (Series.NEW_TRADERS, User.objects.filter(role=Role.TRADER), "date_joined"),
        (Series.DEPOSITS, Deposit.objects.all(), "created_at"),
    )
    for series, rows, time_field in sources:
        counted = set(
            Sample.objects.filter(series=series, at__in=days[2:]).values_list("at", flat=True)
        )
        for day in days:
            if day not in counted:
                sample_store(series, day, _of_day(rows, time_field, day))


def _of_day(rows: QuerySet[Any], time_field: str, day: datetime) -> int:
    """Count rows of a day. Keys rise with time, so a day is a range of them."""
    model: type[Model] = rows.model
    first = first_key_since(model, time_field, day)
    if first is None:
        return 0
    following = first_key_since(model, time_field, day + timedelta(days=1))
    found = rows.filter(pk__gte=first)
    return (found if following is None else found.filter(pk__lt=following)).count()


def sample_store(series: Series, at: datetime, value: int) -> None:
    """Keep one value, in the place of an earlier one for the same instant."""
    Sample.objects.bulk_create(
        [Sample(series=series.value, at=at, value=value)],
        update_conflicts=True,
        unique_fields=["series", "at"],
        update_fields=["value"],
    )


def samples_since(series: Series, instant: datetime) -> list[tuple[datetime, int]]:
    """Return the values of a series from an instant on, oldest first."""
    rows = Sample.objects.filter(series=series, at__gte=instant).order_by("at")
    return list(rows.values_list("at", "value"))


def minutes_since(instant: datetime) -> list[tuple[datetime, str, int, Decimal]]:
    """Return (minute, code of the quote asset, trades, volume), oldest first, of all markets."""
    rows = MarketMinute.objects.filter(minute__gte=instant).annotate(code=quote_code())
    return list(rows.order_by("minute").values_list("minute", "code", "trades", "quote_volume"))


def volumes_since(instant: datetime) -> list[MarketVolume]:
    """Return trades and volume of each market from a minute on, the most traded first."""
    rows = (
        MarketMinute.objects.filter(minute__gte=instant)
        .order_by()
        .values("market_id")
        .annotate(
            symbol=market_symbol(),
            code=quote_code(),
            number=Sum("trades"),
            volume=Sum("quote_volume"),
        )
    )
    volumes = [MarketVolume(r["symbol"], r["code"], r["number"], r["volume"]) for r in rows]
    return sorted(volumes, key=lambda volume: (-volume.trades, volume.symbol))
