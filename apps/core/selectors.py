"""Reads of `core`."""

from __future__ import annotations

from apps.core.models import ProcessHealth
from apps.core.types import ProcessReport


def process_reports() -> list[ProcessReport]:
    """Return the newest look at each process, by name."""
    return [
        ProcessReport(row.process, row.state, row.detail, row.latency_ms, row.checked_at)
        for row in ProcessHealth.objects.order_by("process")
    ]
