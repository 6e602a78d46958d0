"""Finding a time by its key, and counting what may be too much to count."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext

from apps.core.models import ProcessHealth
from apps.core.readonly.pagination import COUNT_ROWS_MAX, PAGES_MAX, BoundedPaginator
from apps.core.readonly.period import BISECTION_STEPS_MAX, first_key_since
from apps.mirror.models import EngineEvent
from apps.trading.models import OrderHistory, Trade
from tests.integration.console.exchange_day import ExchangeDay

TICK = timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("model", "field"),
    [(EngineEvent, "occurred_at"), (Trade, "executed_at"), (OrderHistory, "accepted_at")],
)
def test_bisection_finds_what_reading_everything_finds(
    model: type[EngineEvent | Trade | OrderHistory], field: str, day: ExchangeDay
) -> None:
    rows = list(model._default_manager.order_by("pk").values_list("pk", field))
    instants = {instant + shift for _, instant in rows for shift in (-TICK, 0 * TICK, TICK)}
    for instant in sorted(instants)[::7]:
        expected = next((key for key, at in rows if at >= instant), None)
        assert first_key_since(model, field, instant) == expected


@pytest.mark.usefixtures("django_database")
def test_in_an_empty_table_there_is_no_key() -> None:
    assert first_key_since(Trade, "executed_at", datetime(2000, 1, 1, tzinfo=UTC)) is None


def test_bisection_is_cheap(day: ExchangeDay) -> None:
    middle = EngineEvent.objects.all()[50].occurred_at
    with CaptureQueriesContext(connection) as queries:
        first_key_since(EngineEvent, "occurred_at", middle)
    assert len(queries) <= 2 + (len(day.events) // 128).bit_length() < BISECTION_STEPS_MAX
    assert all("LIMIT 1" in query["sql"] for query in queries)


def fill(rows: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO core_processhealth (process, state, detail, latency_ms, checked_at) "
            "SELECT 'p' || n, 'ready', '', 1, now() FROM generate_series(1, %s) AS n",
            [rows],
        )


@pytest.mark.usefixtures("django_database")
def test_counts_are_exact_while_they_are_small() -> None:
    fill(120)
    page = BoundedPaginator(ProcessHealth.objects.all(), 50)
    assert (page.count, page.num_pages, page.count_text) == (120, 3, "120")


@pytest.mark.usefixtures("django_database")
def test_a_filtered_count_stops_at_the_limit() -> None:
    fill(COUNT_ROWS_MAX + 500)
    page = BoundedPaginator(ProcessHealth.objects.filter(state="ready"), 50)
    assert page.count == COUNT_ROWS_MAX
    assert page.count_text == "more than 10,000"
    assert page.num_pages == PAGES_MAX


@pytest.mark.usefixtures("django_database")
def test_a_large_table_is_counted_by_the_databases_estimate() -> None:
    fill(COUNT_ROWS_MAX + 500)
    with connections["owner"].cursor() as cursor:
        cursor.execute("ANALYZE core_processhealth")
    page = BoundedPaginator(ProcessHealth.objects.all(), 50)
    with CaptureQueriesContext(connection) as queries:
        assert page.count == COUNT_ROWS_MAX + 500
    assert page.count_text == "about 10,500"
    assert ["COUNT(" in query["sql"] for query in queries] == [False]
    assert page.num_pages == PAGES_MAX
