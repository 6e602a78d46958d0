"""A list costs the same few queries, however many rows it shows."""

from __future__ import annotations

import time
from contextlib import closing

import pytest
from django.contrib import admin
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from apps.core.models import ProcessHealth
from apps.core.readonly.model_admin import ReadOnlyModelAdmin
from apps.mirror.books import Books, EventRun
from engine.proto.records import RECORD_BYTES
from tests.fixtures_database import DatabaseHandle
from tests.integration.console.exchange_day import EPOCH, exchange_day

QUERIES_MAX = 12  # session, user, page, count, estimate, catalogue, filters
FEW_EVENTS = 40


def lists() -> list[str]:
    """Return the addresses of every list of the console."""
    return [
        reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        for model, page in admin.site._registry.items()
        if isinstance(page, ReadOnlyModelAdmin)
    ]


def queries_of(client: Client, url: str) -> list[str]:
    with CaptureQueriesContext(connection) as queries:
        assert client.get(url).status_code == 200
    return [query["sql"] for query in queries]


@pytest.mark.usefixtures("sample")
def test_lists_cost_the_same_queries_for_few_rows_and_for_many(
    console: Client, django_database: DatabaseHandle
) -> None:
    day = exchange_day(time.time_ns() // 1000 - 3_600_000_000, rounds=40)
    events = bytes(day.events)
    with closing(Books(django_database.mirror_url)) as books:
        books.open()
        books.apply(EventRun(EPOCH, 1, events[: FEW_EVENTS * RECORD_BYTES]))
        few = {url: len(queries_of(console, url)) for url in lists()}
        books.apply(EventRun(EPOCH, FEW_EVENTS + 1, events[FEW_EVENTS * RECORD_BYTES :]))
    ProcessHealth.objects.bulk_create(
        ProcessHealth(
            process=f"worker-{number}",
            state="ready",
            latency_ms=1,
            checked_at="2026-01-01T00:00:00Z",
        )
        for number in range(30)
    )
    many = {url: len(queries_of(console, url)) for url in lists()}
    assert len(many) == 34
    assert many == few
    assert max(many.values()) <= QUERIES_MAX, many


@pytest.mark.usefixtures("day", "sample")
def test_no_list_counts_or_reads_without_a_limit(console: Client) -> None:
    for url in lists():
        for sql in queries_of(console, url):
            counts = "COUNT(" in sql
            reads_history = any(
                f'FROM "{table}"' in sql
                for table in ("mirror_engineevent", "ledger_leg", "trading_trade")
            )
            if counts or reads_history:
                assert "LIMIT" in sql, (url, sql)


@pytest.mark.usefixtures("day", "sample")
def test_the_dashboard_costs_a_fixed_number_of_queries(console: Client) -> None:
    bookkeeping = ("SAVEPOINT", "RELEASE", "SET LOCAL", "BEGIN", "COMMIT", "ROLLBACK")
    asked = [sql for sql in queries_of(console, "/admin/") if not sql.startswith(bookkeeping)]
    assert len(asked) <= 30, asked
