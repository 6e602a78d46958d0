"""Jobs of custody. Rows say what is to be done; the schedule and `send_task` only wake workers.

Invariant: each job is safe to run at any time, twice, and beside itself.
"""

from __future__ import annotations

from datetime import UTC, datetime

from celery import shared_task
from django.conf import settings

from apps.custody.cases import freezes_run
from apps.custody.inbox import PROCESS_TASK, webhook_process, webhooks_sweep
from apps.custody.polling import open_transfers_look, wallets_poll


@shared_task(name=PROCESS_TASK)  # type: ignore[untyped-decorator]
def process_webhook(delivery_id: int) -> None:
    """Look at what one webhook points to."""
    webhook_process(delivery_id)


@shared_task(name="custody.sweep")  # type: ignore[untyped-decorator]
def sweep() -> None:
    """Do what is due: webhooks that nobody processed, transfers that wait, freezes."""
    if not settings.CUSTODY_URL:
        return
    now = datetime.now(UTC)
    webhooks_sweep(now=now)
    open_transfers_look(now=now)
    freezes_run()


@shared_task(name="custody.poll")  # type: ignore[untyped-decorator]
def poll() -> None:
    """Ask the custodian what arrived."""
    if settings.CUSTODY_URL:
        wallets_poll(now=datetime.now(UTC))
