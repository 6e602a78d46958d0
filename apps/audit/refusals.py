"""Counts of what was refused before the engine: who, for what cause, in which minute.

A flood of refusals must not become a flood of SQL: they are counted in Redis, and a job carries the
counts into one row each. Invariant: a row's count only grows, and carrying it again changes
nothing. The number of different principals counted in a minute is limited; beyond it they share one
row, OTHERS.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import redis
import structlog
from django.db import connection, transaction
from prometheus_client import Counter

from apps.core.redis_client import redis_client

FIELDS_MAX: Final = 10_000
KEEP_S: Final = 3_600
MINUTES_CARRIED: Final = 60
OTHERS: Final = "others"
PRINCIPAL_CHARS_MAX: Final = 80
CODE_CHARS_MAX: Final = 64
_PREFIX: Final = "audit:refusals:"
_LOG: Final = structlog.get_logger("quantatrade.refusals")
_UNCOUNTED: Final = Counter("qt_refusals_uncounted_total", "Refusals that Redis did not count.")

_COUNT: Final = """
local field = ARGV[1]
if redis.call('HEXISTS', KEYS[1], field) == 0
   and redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[3]) then
  field = ARGV[2]
end
local count = redis.call('HINCRBY', KEYS[1], field, 1)
redis.call('EXPIRE', KEYS[1], ARGV[4])
return count
"""
_STORE: Final = """
INSERT INTO audit_refusalcount (principal, code, minute, count)
SELECT * FROM unnest(%s::text[], %s::text[], %s::timestamptz[], %s::bigint[])
ON CONFLICT (minute, principal, code)
DO UPDATE SET count = greatest(audit_refusalcount.count, excluded.count)
"""


def refusal_count(
    *, principal: str, code: str, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> None:
    """Count one refusal. `principal` is "user:12" or "address:192.0.2.1".

    A refusal is answered even if it cannot be counted: then it is logged and measured.
    """
    minute = int(clock().timestamp()) // 60
    code = code[:CODE_CHARS_MAX]
    field = f"{code} {principal[:PRINCIPAL_CHARS_MAX]}"
    try:
        redis_client().eval(
            _COUNT, 1, f"{_PREFIX}{minute}", field, f"{code} {OTHERS}", FIELDS_MAX, KEEP_S
        )
    except redis.RedisError as error:
        _UNCOUNTED.inc()
        _LOG.warning("refusal_not_counted", principal=principal, code=code, error=repr(error))


def refusals_store(*, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> int:
    """Carry all counts of the last hour into their rows; return how many rows were named.

    Minutes that are over are dropped from Redis once their rows are committed.
    """
    client = redis_client()
    now_minute = int(clock().timestamp()) // 60
    stored = 0
    for minute in range(now_minute - MINUTES_CARRIED, now_minute + 1):
        key = f"{_PREFIX}{minute}"
        counts: Any = client.hgetall(key)
        if not counts:
            continue
        _store(minute, counts)
        stored += len(counts)
        if minute < now_minute - 1:  # nobody counts into it any more
            client.delete(key)
    return stored


def _store(minute: int, counts: dict[str, str]) -> None:
    instant = datetime.fromtimestamp(minute * 60, UTC)
    rows = []
    for field, count in sorted(counts.items()):  # one order for all, so that two jobs never lock
        code, _, principal = field.partition(" ")
        rows.append((principal, code, instant, int(count)))
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_STORE, [list(column) for column in zip(*rows, strict=True)])
