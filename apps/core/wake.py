"""Waking a worker, from any process: web, edge, worker or command.

What must not be lost is a row in PostgreSQL, and the schedule looks at such rows anyway. Invariant:
waking never fails the caller: a message that cannot be sent is logged, and the schedule is a moment
later.
"""

from __future__ import annotations

import os
import threading
from typing import Any, Final

import structlog
from celery import Celery
from django.conf import settings
from kombu.exceptions import OperationalError

TASK_QUEUE: Final = "quantatrade"
WAKE_TIMEOUT_S: Final = 2
WAKE_EXPIRES_S: Final = 60.0
_LOG: Final = structlog.get_logger("quantatrade.wake")
_senders: Final[dict[tuple[int, str], Celery]] = {}
_senders_lock: Final = threading.Lock()


def task_wake(task: str, *arguments: Any, expires_s: float = WAKE_EXPIRES_S) -> bool:
    """Ask a worker to run `task` now; False if that could not be asked. Call it on commit."""
    if not settings.REDIS_URL:
        _LOG.warning("task_not_sent", task=task, error="REDIS_URL is not set")
        return False
    try:
        _sender().send_task(
            task, args=list(arguments), queue=TASK_QUEUE, expires=expires_s, retry=False
        )
    except OperationalError as error:
        _LOG.warning("task_not_sent", task=task, error=repr(error))
        return False
    return True


def _sender() -> Celery:
    key = (os.getpid(), str(settings.REDIS_URL))
    with _senders_lock:
        if key not in _senders:
            sender = Celery("quantatrade-sender", set_as_current=False)
            sender.conf.update(
                broker_url=settings.REDIS_URL,
                broker_transport_options={
                    "socket_timeout": WAKE_TIMEOUT_S,
                    "socket_connect_timeout": WAKE_TIMEOUT_S,
                },
                broker_connection_timeout=WAKE_TIMEOUT_S,
                task_ignore_result=True,
                task_serializer="json",
                enable_utc=True,
            )
            _senders[key] = sender
        return _senders[key]
