"""Filters by time that use the primary key.

Rows of a history are numbered in the order of time, so the rows of a period are a range of keys,
and its ends are found by bisection: some dozens of look-ups in the primary key instead of an index
on every time column or a read of the whole table.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

from django.contrib.admin import ModelAdmin, SimpleListFilter
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import RangeDateFilter

BISECTION_STEPS_MAX: Final = 64
_PERIODS: Final = {
    "1h": ("Last hour", timedelta(hours=1)),
    "24h": ("Last 24 hours", timedelta(hours=24)),
    "7d": ("Last 7 days", timedelta(days=7)),
    "30d": ("Last 30 days", timedelta(days=30)),
}


def first_key_since(model: type[Model], time_field: str, instant: datetime) -> int | None:
    """Return the smallest key of a row at or after `instant`; None if there is no such row.

    `time_field` must never fall as the key rises.
    """
    rows = model._default_manager.order_by("pk").values_list("pk", time_field)
    first, last = rows.first(), rows.last()
    if first is None or last is None or last[1] < instant:
        return None
    low, high, found = int(first[0]), int(last[0]) - 1, int(last[0])
    for _ in range(BISECTION_STEPS_MAX):
        if low > high:
            return found
        middle = (low + high) // 2
        key, at = rows.filter(pk__gte=middle)[0]
        if at >= instant:
            found, high = int(key), middle - 1
        else:
            low = int(key) + 1
    raise AssertionError(f"bisection took more than {BISECTION_STEPS_MAX} steps")


def rows_since(queryset: QuerySet[Any], time_field: str, instant: datetime) -> QuerySet[Any]:
    """Return the rows at or after `instant`."""
    key = first_key_since(queryset.model, time_field, instant)
    return queryset.none() if key is None else queryset.filter(pk__gte=key)


def rows_before(queryset: QuerySet[Any], time_field: str, instant: datetime) -> QuerySet[Any]:
    """Return the rows before `instant`."""
    key = first_key_since(queryset.model, time_field, instant)
    return queryset if key is None else queryset.filter(pk__lt=key)


def period_filter(time_field: str) -> type[SimpleListFilter]:
    """Return a filter of the last hour, day, week or month by `time_field`."""

    class PeriodFilter(SimpleListFilter):
        title = "period"
        parameter_name = "period"

        def lookups(
            self, _request: HttpRequest, _model_admin: ModelAdmin[Any]
        ) -> list[tuple[str, str]]:
            return [(key, title) for key, (title, _) in _PERIODS.items()]

        def queryset(self, _request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
            chosen = _PERIODS.get(self.value() or "")
            if chosen is None:
                return queryset
            return rows_since(queryset, time_field, datetime.now(UTC) - chosen[1])

    return PeriodFilter


class DayRangeFilter(RangeDateFilter):  # type: ignore[misc]
    """From one UTC day to another, both included."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.title = "day (UTC)"

    def queryset(self, _request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the rows of these days; a text that is no day is as if it were not there."""
        first = _day(self.used_parameters.get(f"{self.parameter_name}_from"))
        last = _day(self.used_parameters.get(f"{self.parameter_name}_to"))
        if first is not None:
            queryset = rows_since(queryset, self.field_path, _midnight(first))
        if last is not None and last < date.max:
            after = _midnight(last + timedelta(days=1))
            queryset = rows_before(queryset, self.field_path, after)
        return queryset


def _day(stated: object) -> date | None:
    try:
        return date.fromisoformat(stated) if isinstance(stated, str) else None
    except ValueError:
        return None


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, UTC)
