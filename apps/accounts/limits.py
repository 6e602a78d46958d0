"""Limits on what strangers may try: logins and registrations, counted in Redis.

Invariant: an attempt is counted before it is made, so many at once are not more than allowed one
after the other; without Redis nothing is allowed (SessionsUnavailableError).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Final

import redis

from apps.accounts.tokens import SessionsUnavailableError
from apps.core.redis_client import redis_client

_SPEND: Final = """
local count = redis.call('INCR', KEYS[1])
if count == 1 or redis.call('TTL', KEYS[1]) < 0 then redis.call('EXPIRE', KEYS[1], ARGV[1]) end
return {count, redis.call('TTL', KEYS[1])}
"""
_PREFIX: Final = "auth:limit:"


class LimitReachedError(Exception):
    """Too many attempts; `retry_after_s` says when the next one is allowed."""

    def __init__(self, limit: Limit, retry_after_s: int) -> None:
        super().__init__(
            f"more than {limit.attempts_max} attempts within {limit.window_s} s ({limit.name})"
        )
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """At most `attempts_max` within `window_s` seconds of the first."""

    name: str
    attempts_max: int
    window_s: int


LOGINS_OF_ACCOUNT: Final = Limit(name="login", attempts_max=10, window_s=900)
LOGINS_OF_ADDRESS: Final = Limit(name="login-address", attempts_max=200, window_s=900)
REGISTRATIONS_OF_ADDRESS: Final = Limit(name="register", attempts_max=600, window_s=3_600)


def limit_spend(limit: Limit, *subject: str) -> None:
    """Count one attempt of `subject` (account, address); LimitReachedError beyond the limit."""
    try:
        answer: Any = redis_client().eval(_SPEND, 1, _key(limit, subject), limit.window_s)
    except redis.RedisError as error:
        raise SessionsUnavailableError(f"Redis did not answer: {type(error).__name__}") from error
    count, remaining_s = answer
    if count > limit.attempts_max:
        raise LimitReachedError(limit, max(1, int(remaining_s)))


def limit_restore(limit: Limit, *subject: str) -> None:
    """Forget the attempts of `subject`: the last one was rightful."""
    try:
        redis_client().delete(_key(limit, subject))
    except redis.RedisError as error:
        raise SessionsUnavailableError(f"Redis did not answer: {type(error).__name__}") from error


def _key(limit: Limit, subject: tuple[str, ...]) -> str:
    # Hashed: what strangers type as their name is of any length, and may be a password.
    digest = hashlib.sha256("\0".join(subject).encode()).hexdigest()
    return f"{_PREFIX}{limit.name}:{digest[:32]}"
