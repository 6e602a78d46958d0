"""This process's connections to Redis.

Invariant: every call has a time-out, and a client never crosses a fork. Redis holds what may be
lost and made again (sessions, counters, the task queue), never money.
"""

from __future__ import annotations

import os
import threading
from typing import Final

import redis
from django.conf import settings

REDIS_TIMEOUT_S: Final = 2.0
CONNECTIONS_MAX: Final = 64
_clients: Final[dict[tuple[int, str], redis.Redis]] = {}
_clients_lock: Final = threading.Lock()


def redis_client() -> redis.Redis:
    """Return this process's client of REDIS_URL; redis.ConnectionError if none is named."""
    url = settings.REDIS_URL
    if not url:
        raise redis.ConnectionError("REDIS_URL is not set, expected redis://host:port")
    key = (os.getpid(), url)
    with _clients_lock:
        if key not in _clients:
            _clients[key] = redis.Redis.from_url(
                url,
                socket_timeout=REDIS_TIMEOUT_S,
                socket_connect_timeout=REDIS_TIMEOUT_S,
                max_connections=CONNECTIONS_MAX,
                decode_responses=True,
            )
        return _clients[key]
