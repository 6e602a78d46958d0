"""Sends the simulated custodian's webhooks, and confirms transfers when their time has come.

One thread with a few senders. Invariant: a webhook is done once somebody answered 2xx, or after its
last attempt; one that was being sent when the process died is sent again.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import httpx
import structlog
from prometheus_client import Counter

from quantatrade.simulators.custodian.custodian import Custodian
from quantatrade.simulators.custodian.store import Delivery, Store
from quantatrade.simulators.custodian.webhooks import RETRY_DELAYS_MIN

POLL_S: Final = 0.05
TIMEOUT_S: Final = 10.0
SENDERS: Final = 4
STOP_TIMEOUT_S: Final = 15.0
_LOG: Final = structlog.get_logger("quantatrade.simulators.custodian")
_SENT: Final = Counter("qt_custodian_webhooks_total", "Webhooks sent.", ["status"])


class Deliverer:
    """Runs from `start` to `stop`. `minute_s` is how long one minute of the retry plan lasts."""

    def __init__(self, store: Store, custodian: Custodian, *, url: str, minute_s: float) -> None:
        self._store = store
        self._custodian = custodian
        self._url = url
        self._minute_s = minute_s
        self._stopping = threading.Event()
        self._client = httpx.Client(timeout=TIMEOUT_S, trust_env=False)
        self._thread = threading.Thread(target=self._run, name="deliverer", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Finish what is being sent, and end."""
        self._stopping.set()
        self._thread.join(STOP_TIMEOUT_S)
        self._client.close()

    @property
    def is_alive(self) -> bool:
        """Whether webhooks are being sent."""
        return self._thread.is_alive()

    def _run(self) -> None:
        with ThreadPoolExecutor(SENDERS, thread_name_prefix="sender") as senders:
            while not self._stopping.is_set():
                now = time.time()
                confirmed = self._custodian.confirm_due(now)
                due = self._store.due_deliveries(now)
                list(senders.map(self._deliver, due))
                if not confirmed and not due:
                    self._stopping.wait(POLL_S)

    def _deliver(self, delivery: Delivery) -> None:
        if self._stopping.is_set():
            return
        headers = {"Content-Type": "application/json", "User-Agent": "custodian-simulator"}
        if delivery.signature is not None:
            headers["X-Signature-SHA256"] = delivery.signature
        status = 0
        try:
            response = self._client.post(self._url, content=delivery.body, headers=headers)
            status = response.status_code
        except httpx.HTTPError as error:
            _LOG.info("webhook_not_taken", error=type(error).__name__)
        _SENT.labels(str(status)).inc()
        self._store.delivery_tried(
            delivery.id, status=status, due_at=self._due_at(delivery, status)
        )

    def _due_at(self, delivery: Delivery, status: int) -> float | None:
        if 200 <= status < 300 or delivery.attempts + 1 >= delivery.attempts_max:
            return None
        return time.time() + RETRY_DELAYS_MIN[delivery.attempts] * self._minute_s
