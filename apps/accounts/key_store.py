"""API keys as requests need them: at hand without SQL, and gone within a second of revocation.

A process believes what it has seen for KEY_CACHE_S; behind that Redis holds the sealed secret and
what the key may, which PostgreSQL is asked again about after RECHECK_S (a login that was disabled).
A revoked key leaves a mark in Redis, over which nothing that was read before can be written.
Invariant: without Redis no key is good, except for what must work then too (cancels), and no
secret is in Redis in clear.
"""

from __future__ import annotations

import ipaddress
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import redis
import structlog
from django.db import DatabaseError, InterfaceError
from django.db.models import Q
from django.db.models.functions import Now

from apps.accounts.limits import Limit, limit_spend
from apps.accounts.models import ApiKey
from apps.accounts.roles import Role
from apps.accounts.sealing import SealBrokenError, unseal
from apps.accounts.tokens import SessionsUnavailableError
from apps.core.redis_client import redis_client

KEY_CACHE_S: Final = 1.0
KEY_CACHE_MAX: Final = 10_000
RECHECK_S: Final = 60
STORED_S: Final = 24 * 3_600
REVOKED_S: Final = 3_600  # far longer than a request that read the row before can last
USE_NOTED_S: Final = 300.0
UNKNOWN_KEYS_OF_ADDRESS: Final = Limit(name="unknown-key", attempts_max=600, window_s=900)
_STORED: Final = "auth:key:"
_REVOKED: Final = "revoked"
_LOG: Final = structlog.get_logger("quantatrade.keys")

# Only what is still as it was read is replaced: a mark of revocation stays.
_STORE: Final = """
if (redis.call('GET', KEYS[1]) or '') == ARGV[1] then
  redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
end
return 1
"""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Clock = Callable[[], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredKey:
    """A key that is in force, with its secret."""

    key_id: str
    user_id: int
    may_trade: bool
    networks: tuple[Network, ...]
    secret: bytes = field(repr=False)

    def accepts(self, address: str) -> bool:
        """Tell whether the key may be used from this address."""
        if not self.networks:
            return True
        try:
            stated = ipaddress.ip_address(address)
        except ValueError:
            return False
        seen = getattr(stated, "ipv4_mapped", None) or stated
        return any(seen in network for network in self.networks)


# What this process has seen lately: key -> (it, monotonic instant until which it is believed).
_seen: Final[dict[str, tuple[StoredKey, float]]] = {}
_noted: Final[dict[str, float]] = {}
_lock: Final = threading.Lock()


def key_find(
    key_id: str, *, address: str, accept_outage: bool = False, clock: Clock = time.time
) -> StoredKey | None:
    """Return the key if it is in force.

    SessionsUnavailableError if nobody can tell; LimitReachedError if an address tries out ever new
    keys.
    """
    now = time.monotonic()
    found = _seen.get(key_id)
    if found is not None and found[1] > now:
        return found[0]
    facts = _facts(key_id, address, accept_outage, clock)
    key = None if facts is None else _open(key_id, facts)
    with _lock:
        if key is None:
            _seen.pop(key_id, None)
        else:
            if len(_seen) >= KEY_CACHE_MAX:
                _seen.clear()
            _seen[key_id] = (key, now + KEY_CACHE_S)
    return key


def key_forget(key_id: str) -> None:
    """Let no process use the key any more. SessionsUnavailableError if Redis cannot be told."""
    _guarded(lambda: redis_client().set(_STORED + key_id, _REVOKED, ex=REVOKED_S))
    with _lock:
        _seen.pop(key_id, None)


def key_note_use(key_id: str) -> None:
    """Write that the key has been used, now and then; a database that is down is no hindrance."""
    now = time.monotonic()
    if _noted.get(key_id, 0.0) > now:
        return
    with _lock:
        if len(_noted) >= KEY_CACHE_MAX:
            _noted.clear()
        _noted[key_id] = now + USE_NOTED_S
    try:
        ApiKey.objects.filter(key_id=key_id).update(last_used_at=Now())
    except (DatabaseError, InterfaceError) as error:
        _LOG.warning("key_use_not_noted", key_id=key_id, error=type(error).__name__)


def _facts(key_id: str, address: str, accept_outage: bool, clock: Clock) -> dict[str, Any] | None:
    """What Redis holds, or the row where that is nothing or old."""
    try:
        held: str | None = _guarded(lambda: redis_client().get(_STORED + key_id))
    except SessionsUnavailableError:
        if accept_outage:
            return _row(key_id)
        raise
    if held == _REVOKED:
        return None
    stored: dict[str, Any] | None = None if held is None else json.loads(held)
    if stored is not None and clock() - stored["checked"] < RECHECK_S:
        return stored
    if stored is None:
        limit_spend(UNKNOWN_KEYS_OF_ADDRESS, address)
    try:
        facts = _row(key_id)
    except SessionsUnavailableError:
        if stored is None:
            raise
        return stored  # as it was last seen: orders need no database
    _store(key_id, held or "", facts, int(clock()))
    return facts


def _row(key_id: str) -> dict[str, Any] | None:
    in_force = Q(revoked_at=None, user__is_active=True, user__role=Role.TRADER)
    try:
        row = ApiKey.objects.filter(in_force, key_id=key_id).first()
    except (DatabaseError, InterfaceError) as error:
        raise SessionsUnavailableError(
            f"the keys cannot be read: {type(error).__name__}"
        ) from error
    if row is None:
        return None
    return {
        "user": row.user_id,
        "trade": row.may_trade,
        "networks": row.addresses,
        "sealed": bytes(row.sealed).hex(),
    }


def _store(key_id: str, before: str, facts: dict[str, Any] | None, checked: int) -> None:
    """Keep what was read; what is no key is kept only if it was one, and for a short while."""
    if facts is None and not before:
        return
    value = _REVOKED if facts is None else json.dumps({**facts, "checked": checked})
    kept_s = RECHECK_S if facts is None else STORED_S
    _guarded(lambda: redis_client().eval(_STORE, 1, _STORED + key_id, before, value, str(kept_s)))


def _open(key_id: str, facts: dict[str, Any]) -> StoredKey | None:
    try:
        secret = unseal(bytes.fromhex(facts["sealed"]), place=key_id)
    except SealBrokenError as error:
        _LOG.error("key_not_opened", key_id=key_id, error=str(error))
        return None
    return StoredKey(
        key_id=key_id,
        user_id=facts["user"],
        may_trade=facts["trade"],
        networks=tuple(ipaddress.ip_network(each) for each in facts["networks"]),
        secret=secret,
    )


def _guarded(ask: Callable[[], Any]) -> Any:
    try:
        return ask()
    except redis.RedisError as error:
        raise SessionsUnavailableError(f"Redis did not answer: {type(error).__name__}") from error
