"""The Celery application of the processes `worker` and `beat`.

Command lines: `celery -A quantatrade.celery worker` and `celery -A quantatrade.celery beat`.

Celery only wakes workers: what must not be lost is a row in PostgreSQL. Invariant: messages are
JSON, each task has time limits, and a task whose worker dies is delivered again, so every task is
idempotent. Each process serves its own health pages (QT_WORKER_TELEMETRY_PORT,
QT_BEAT_TELEMETRY_PORT).
"""

from __future__ import annotations

import os
import time
from typing import Any, Final

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "quantatrade.settings")

from celery import Celery, signals
from django.conf import settings
from prometheus_client import Counter

from apps.core.checks import redis_check
from apps.core.wake import TASK_QUEUE
from engine.telemetry import TelemetryServer, serve_telemetry
from quantatrade.settings import environment
from quantatrade.settings.logs import configure

SAMPLE_INTERVAL_S: Final = 10.0
TASK_SOFT_LIMIT_S: Final = 50
TASK_HARD_LIMIT_S: Final = 60
BEAT_SILENCE_MAX_S: Final = 4 * SAMPLE_INTERVAL_S
TASKS_PER_CHILD_MAX: Final = 10_000
WORKERS: Final = 2

_TASKS_RECEIVED: Final = Counter("qt_tasks_received_total", "Tasks taken from the queue.", ["task"])
_TASKS_SENT: Final = Counter("qt_tasks_sent_total", "Tasks put into the queue.", ["task"])
_servers: Final[list[TelemetryServer]] = []  # kept alive as long as the process


def _each(task: str, interval_s: float) -> dict[str, Any]:
    """Send `task` every `interval_s` seconds; one that waited for its successor is dropped."""
    return {"task": task, "schedule": interval_s, "options": {"expires": interval_s}}


app: Final = Celery("quantatrade")
app.conf.update(
    broker_url=settings.REDIS_URL,
    broker_connection_retry_on_startup=True,
    broker_transport_options={"visibility_timeout": 3600, "socket_timeout": 10},
    result_backend=None,
    task_ignore_result=True,
    accept_content=["json"],
    task_serializer="json",
    result_serializer="json",
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_track_started=False,
    task_soft_time_limit=TASK_SOFT_LIMIT_S,
    task_time_limit=TASK_HARD_LIMIT_S,
    task_default_queue=TASK_QUEUE,
    worker_prefetch_multiplier=1,
    worker_concurrency=WORKERS,
    worker_max_tasks_per_child=TASKS_PER_CHILD_MAX,
    worker_hijack_root_logger=False,
    worker_redirect_stdouts=False,
    worker_enable_remote_control=False,
    worker_send_task_events=False,
    timezone="UTC",
    enable_utc=True,
    beat_scheduler="celery.beat:Scheduler",  # in memory: the schedule is all in the line below
    beat_schedule={
        "sample-health": _each("console.sample_health", SAMPLE_INTERVAL_S),
        "count-trades": _each("console.count_trades", 5.0),
        "count-days": _each("console.count_days", 60.0),
        "audit-chain": _each("audit.chain", 1.0),
        "audit-refusals": _each("audit.store_refusals", 10.0),
        "audit-lost-runs": _each("audit.record_lost_runs", 30.0),
        "accounts-register": _each("accounts.register_waiting", 1.0),
        "mail-send": _each("mail.send_waiting", 10.0),
        "custody-sweep": _each("custody.sweep", 2.0),
        "custody-poll": _each("custody.poll", 10.0),
    },
)
if os.environ.get("QT_PROCESS") != "beat":  # that sends tasks by name and runs none
    app.autodiscover_tasks()


def _configure_logging(**_details: Any) -> None:
    """Keep the JSON logging of Django's settings; Celery then leaves logging alone."""
    configure()


def _count_received(request: Any = None, **_details: Any) -> None:
    _TASKS_RECEIVED.labels(request.name).inc()


def _serve(variable: str, ready: Any) -> None:
    port = environment.port(variable)
    if port is not None:
        _servers.append(serve_telemetry(port, ready))


def _serve_worker(**_details: Any) -> None:
    """Serve health once tasks are being taken; ready while the broker answers."""
    _serve("QT_WORKER_TELEMETRY_PORT", redis_check)


def _serve_beat(**_details: Any) -> None:
    """Serve health of the scheduler; ready while it keeps sending and the broker answers."""
    sent_at = [time.monotonic()]

    def note_sent(sender: str | None = None, **_more: Any) -> None:
        sent_at[0] = time.monotonic()
        _TASKS_SENT.labels(sender or "unknown").inc()

    def ready() -> str | None:
        silence_s = time.monotonic() - sent_at[0]
        if silence_s > BEAT_SILENCE_MAX_S:
            return f"nothing was sent for {silence_s:.0f} s, expected {SAMPLE_INTERVAL_S:.0f} s"
        return redis_check()

    signals.after_task_publish.connect(note_sent, weak=False)
    _serve("QT_BEAT_TELEMETRY_PORT", ready)


signals.setup_logging.connect(_configure_logging, weak=False)
signals.task_received.connect(_count_received, weak=False)
signals.worker_ready.connect(_serve_worker, weak=False)
signals.beat_init.connect(_serve_beat, weak=False)
