"""Scheduled jobs of the console."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Final

from celery import shared_task
from django.conf import settings

from apps.console.figures import days_count, minutes_forget, sample_store, trades_count
from apps.console.lag import mirror_lag_ms, mirror_lag_reason
from apps.console.models import Series
from apps.core.models import ProcessState
from apps.core.services import process_health_record, processes_look
from apps.core.types import ProcessReport

BOOKS: Final = "books"


@shared_task(name="console.sample_health")  # type: ignore[untyped-decorator]
def sample_health() -> None:
    """Look at every process, and at how far the books are behind, and remember what was seen."""
    now = datetime.now(UTC)
    reports = processes_look(settings.QT_PROCESSES, now)
    started = time.perf_counter()
    reason = mirror_lag_reason()
    latency_ms = round((time.perf_counter() - started) * 1000)
    state = ProcessState.READY if reason is None else ProcessState.NOT_READY
    reports.append(ProcessReport(BOOKS, state, reason or "", latency_ms, now))
    process_health_record(reports=reports)
    lag_ms = mirror_lag_ms()
    if lag_ms is not None:
        sample_store(Series.MIRROR_LAG_MS, now, lag_ms)


@shared_task(name="console.count_trades")  # type: ignore[untyped-decorator]
def count_trades() -> None:
    """Count new trades into their minutes."""
    trades_count()


@shared_task(name="console.count_days")  # type: ignore[untyped-decorator]
def count_days() -> None:
    """Count what the days brought, and forget what no chart shows any more."""
    now = datetime.now(UTC)
    days_count(now)
    minutes_forget(now)
