"""The dashboard's four charts: trades, volume, lag of the mirror, what each day brought."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Final

from apps.console.charts import Chart, bar_chart
from apps.console.figures import DAYS_CHARTED, minutes_since, samples_since
from apps.console.models import Series
from apps.core.amounts import EXACT
from apps.core.readonly import display

MINUTES: Final = 60
MINUTE: Final = timedelta(minutes=1)
LAST_HOUR: Final = ("60 min ago", "now")
CENTS: Final = Decimal("0.01")


def charts_build(now: datetime) -> list[Chart]:
    """Return the charts at `now`. Four queries over counted figures."""
    this_minute = now.replace(second=0, microsecond=0)
    minutes = [this_minute - back * MINUTE for back in range(MINUTES - 1, -1, -1)]
    return [*_traded(minutes), _lag(minutes), _days(now)]


def _clock(minutes: list[datetime]) -> list[str]:
    return [f"{minute.astimezone(UTC):%H:%M}" for minute in minutes]


def _traded(minutes: list[datetime]) -> list[Chart]:
    trades: Counter[datetime] = Counter()
    by_quote: Counter[str] = Counter()
    volume: defaultdict[tuple[str, datetime], Decimal] = defaultdict(Decimal)
    for minute, code, count, traded in minutes_since(minutes[0]):
        trades[minute] += count
        by_quote[code] += count
        volume[code, minute] = EXACT.add(volume[code, minute], traded)
    code = by_quote.most_common(1)[0][0] if by_quote else ""
    volumes = [volume[code, minute] for minute in minutes]
    total = sum(volumes, Decimal(0))
    return [
        bar_chart(
            "Trades per minute",
            _clock(minutes),
            [[trades[minute] for minute in minutes]],
            unit="trades",
            figure=f"{trades.total():,}",
            note="in the last hour",
            ends=LAST_HOUR,
        ),
        bar_chart(
            "Volume per minute",
            _clock(minutes),
            [[value.quantize(CENTS) for value in volumes]],
            unit=code,
            figure=display.amount(total.quantize(CENTS), code),
            note="in the last hour",
            ends=LAST_HOUR,
        ),
    ]


def _lag(minutes: list[datetime]) -> Chart:
    worst: Counter[datetime] = Counter()
    samples = samples_since(Series.MIRROR_LAG_MS, minutes[0])
    for at, lag_ms in samples:
        minute = at.replace(second=0, microsecond=0)
        worst[minute] = max(worst[minute], lag_ms)
    newest = display.age_text(samples[-1][1] / 1000) if samples else "unknown"
    return bar_chart(
        "Mirror lag, worst of each minute",
        _clock(minutes),
        [[worst[minute] for minute in minutes]],
        unit="ms",
        figure=newest,
        note="when last sampled" if samples else "no sample in the last hour",
        ends=LAST_HOUR,
    )


def _days(now: datetime) -> Chart:
    today = datetime.combine(now.astimezone(UTC).date(), time.min, UTC)
    days = [today - timedelta(days=back) for back in range(DAYS_CHARTED - 1, -1, -1)]
    users = dict(samples_since(Series.NEW_TRADERS, days[0]))
    deposits = dict(samples_since(Series.DEPOSITS, days[0]))
    return bar_chart(
        "New traders and deposits per day",
        [f"{day:%Y-%m-%d}" for day in days],
        [[users.get(day, 0) for day in days], [deposits.get(day, 0) for day in days]],
        unit="",
        figure=f"{users.get(today, 0):,} / {deposits.get(today, 0):,}",
        note="today",
        ends=(f"{days[0]:%d %b}", "today"),
        legend=("Traders", "Deposits"),
    )
