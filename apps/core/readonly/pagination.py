"""Pages over tables of any size.

Invariant: counting never reads more than COUNT_ROWS_MAX rows. A whole large table is counted by the
database's own estimate, which the page says; a filtered one up to the limit, which it also says.
"""

from __future__ import annotations

from typing import Any, Final

from django.core.paginator import Paginator
from django.db import connections
from django.db.models import QuerySet
from django.utils.functional import cached_property

COUNT_ROWS_MAX: Final = 10_000
PAGES_MAX: Final = 200  # a deep page reads all before it: beyond this, a filter is asked for


class BoundedPaginator(Paginator):  # type: ignore[type-arg]
    """Django's paginator with a bounded count and a bounded depth."""

    template_name = "console/pagination.html"

    @cached_property
    def rows(self) -> tuple[int, str]:
        """The number of rows, and how it is known: 'exact', 'estimate' or 'at least'."""
        queryset: QuerySet[Any] = self.object_list  # type: ignore[assignment]
        estimate = _estimate(queryset)
        if estimate is not None and estimate > COUNT_ROWS_MAX:
            return estimate, "estimate"
        counted = queryset.order_by()[: COUNT_ROWS_MAX + 1].count()
        if counted > COUNT_ROWS_MAX:
            return COUNT_ROWS_MAX, "at least"
        return counted, "exact"

    @cached_property
    def count(self) -> int:
        """The number of rows that pages are made of."""
        return self.rows[0]

    @cached_property
    def count_text(self) -> str:
        """The count in the words that say how it is known."""
        count, kind = self.rows
        if kind == "estimate":
            return f"about {count:,}"
        return f"more than {count:,}" if kind == "at least" else f"{count:,}"

    @cached_property
    def num_pages(self) -> int:
        """The number of pages, at most PAGES_MAX."""
        return min(super().num_pages, PAGES_MAX)


def _estimate(queryset: QuerySet[Any]) -> int | None:
    """Return PostgreSQL's estimate of an unfiltered table's rows; None if it is filtered."""
    if queryset.query.where:
        return None
    with connections[queryset.db].cursor() as cursor:
        cursor.execute(
            "SELECT reltuples::bigint FROM pg_class WHERE oid = %s::regclass",
            [f'"{queryset.model._meta.db_table}"'],
        )
        row = cursor.fetchone()
    return int(row[0]) if row else None
