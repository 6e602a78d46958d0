"""Scheduled jobs of the audit log: extend the chain, count refusals, find lost actions."""

from __future__ import annotations

from typing import Final

from celery import shared_task

from apps.audit.actions import lost_runs_record
from apps.audit.refusals import refusals_store
from apps.audit.services import CHAIN_ROWS_MAX, CHAIN_TASK, outbox_chain

ROUNDS_MAX: Final = 50


@shared_task(name=CHAIN_TASK)  # type: ignore[untyped-decorator]
def chain() -> None:
    """Empty the outbox into the log, in bounded rounds."""
    for _ in range(ROUNDS_MAX):
        if outbox_chain() < CHAIN_ROWS_MAX:
            return


@shared_task(name="audit.store_refusals")  # type: ignore[untyped-decorator]
def store_refusals() -> None:
    """Carry the counts of refusals from Redis into their rows."""
    refusals_store()


@shared_task(name="audit.record_lost_runs")  # type: ignore[untyped-decorator]
def record_lost_runs() -> None:
    """Audit the actions whose process died before it could say how they ended."""
    lost_runs_record()
