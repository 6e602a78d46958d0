"""Conditions of readiness, each with a time-out, run side by side.

Invariant: asking never takes longer than CHECKS_TIMEOUT_S, whatever hangs, and an answer never
contains a password: reasons name hosts and ports only.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Final
from urllib.parse import urlsplit

import redis
from django.conf import settings
from django.db import DatabaseError, close_old_connections, connections

from apps.core.engine_gateway import EngineUnavailableError, engine_health
from apps.core.types import Check, CheckResult

CHECK_TIMEOUT_S: Final = 2
CHECKS_TIMEOUT_S: Final = 3.0
THREADS_MAX: Final = 16
NATS_PORT: Final = 4222
NATS_GREETING_BYTES_MAX: Final = 4096
_pool: Final = ThreadPoolExecutor(THREADS_MAX, thread_name_prefix="readiness")


def postgresql_check() -> str | None:
    """Return None if a new connection of the runtime role answers a query."""
    connection = connections.create_connection("default")
    options = dict(connection.settings_dict.get("OPTIONS", {}))
    connection.settings_dict = {
        **connection.settings_dict,
        "OPTIONS": options | {"connect_timeout": CHECK_TIMEOUT_S},
    }
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            cursor.fetchone()
    except DatabaseError as error:
        return f"PostgreSQL did not answer: {type(error).__name__}"
    finally:
        connection.close()
    return None


def redis_check() -> str | None:
    """Return None if Redis answers PING."""
    if not settings.REDIS_URL:
        return "REDIS_URL is not set, expected redis://host:port"
    client = redis.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=CHECK_TIMEOUT_S,
        socket_connect_timeout=CHECK_TIMEOUT_S,
    )
    try:
        client.ping()
    except redis.RedisError as error:
        return f"Redis did not answer: {type(error).__name__}"
    finally:
        client.close()
    return None


def nats_check() -> str | None:
    """Return None if a NATS server greets at NATS_URL's address."""
    parts = urlsplit(settings.NATS_URL)
    if not parts.hostname:
        return "NATS_URL is not set, expected nats://host:port"
    address = (parts.hostname, parts.port or NATS_PORT)
    try:
        with socket.create_connection(address, timeout=CHECK_TIMEOUT_S) as connection:
            greeting = connection.recv(NATS_GREETING_BYTES_MAX)
    except OSError as error:
        return f"NATS at {address[0]}:{address[1]} did not answer: {type(error).__name__}"
    if not greeting.startswith(b"INFO "):
        return f"the server at {address[0]}:{address[1]} did not greet as NATS does"
    return None


def engine_check() -> str | None:
    """Return None if the engine's health service says SERVING."""
    try:
        return engine_health()
    except EngineUnavailableError as error:
        return str(error)


INFRASTRUCTURE_CHECKS: Final = (
    Check("postgresql", postgresql_check),
    Check("redis", redis_check),
    Check("nats", nats_check),
    Check("engine", engine_check),
)


def _timed(check: Check) -> CheckResult:
    close_old_connections()  # these threads see no request, whose start would drop a dead one
    started = time.perf_counter()
    reason = check.probe()
    return CheckResult(check.name, reason, round((time.perf_counter() - started) * 1000))


def checks_run(checks: Sequence[Check]) -> list[CheckResult]:
    """Return a result for each check, in order. One that hangs or fails is a reason, no error."""
    futures = [_pool.submit(_timed, check) for check in checks]
    wait(futures, timeout=CHECKS_TIMEOUT_S)
    results = []
    for check, future in zip(checks, futures, strict=True):
        if not future.done():
            future.cancel()
            waited_ms = round(CHECKS_TIMEOUT_S * 1000)
            results.append(CheckResult(check.name, f"no answer in {waited_ms} ms", waited_ms))
        elif (error := future.exception()) is not None:
            results.append(CheckResult(check.name, f"check failed: {type(error).__name__}", 0))
        else:
            results.append(future.result())
    return results
