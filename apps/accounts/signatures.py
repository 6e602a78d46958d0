"""Requests signed with an API key.

The signature is hex HMAC-SHA256(secret, timestamp + METHOD + path with query + body). It covers
all that a request does; its time must be within a window, and one that changes something is taken
once. Invariant: an unknown or revoked key, a wrong signature and a foreign address are told apart
by nobody, and signatures are compared in constant time.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import redis

from apps.accounts.key_store import StoredKey, key_find, key_note_use
from apps.accounts.limits import LimitReachedError
from apps.accounts.models import KEY_ID_CHARS
from apps.accounts.principal import Principal
from apps.accounts.roles import Role
from apps.accounts.tokens import SessionsUnavailableError, TokenError
from apps.core.redis_client import redis_client

WINDOW_MS: Final = 5_000
AHEAD_MS_MAX: Final = 1_000
# A signature could be sent again until its time has left the window, and a moment more.
REMEMBERED_MS: Final = WINDOW_MS + AHEAD_MS_MAX + 1_000
REPEATABLE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "DELETE"})
SOCKET_TARGET: Final = "/ws/"
_KEY_ID: Final = re.compile(rf"[0-9a-f]{{{KEY_ID_CHARS}}}")
_TIMESTAMP: Final = re.compile(r"[0-9]{13}")
_SIGNATURE: Final = re.compile(r"[0-9a-fA-F]{64}")
_USED: Final = "auth:signature:"
_NO_SECRET: Final = b"\x00" * 32

Clock = Callable[[], float]


class KeyRefusedError(TokenError):
    """A signed request is refused: key_invalid, timestamp_outside_window, signature_used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedRequest:
    """What a client signed, and how; `target` is the path with its query, as sent."""

    key_id: str
    timestamp: str
    signature: str
    method: str
    target: str
    body: bytes = field(default=b"", repr=False)
    address: str = ""


def request_signature(
    secret: bytes, *, timestamp: str, method: str, target: str, body: bytes = b""
) -> str:
    """Return the signature of a request."""
    signed = f"{timestamp}{method}{target}".encode() + body
    return hmac.new(secret, signed, hashlib.sha256).hexdigest()


def signature_verify(
    request: SignedRequest, *, accept_outage: bool = False, clock: Clock = time.time
) -> Principal:
    """Return whose request this is.

    KeyRefusedError; SessionsUnavailableError if that cannot be told; LimitReachedError.
    """
    shaped = _KEY_ID.fullmatch(request.key_id) and _SIGNATURE.fullmatch(request.signature)
    if not shaped or not _TIMESTAMP.fullmatch(request.timestamp):
        raise _invalid()
    _check_time(int(request.timestamp), round(clock() * 1000))
    key = key_find(request.key_id, address=request.address, accept_outage=accept_outage)
    expected = request_signature(
        _NO_SECRET if key is None else key.secret,
        timestamp=request.timestamp,
        method=request.method,
        target=request.target,
        body=request.body,
    )
    matches = hmac.compare_digest(expected, request.signature.lower())
    if key is None or not matches or not key.accepts(request.address):
        raise _invalid()
    if request.method not in REPEATABLE_METHODS:
        _use_up(key.key_id, expected)
    key_note_use(key.key_id)
    return _principal(key)


def socket_verify(request: SignedRequest) -> Principal:
    """As `signature_verify`, for a socket's login, whose signature is taken once as well."""
    principal = signature_verify(request)
    _use_up(request.key_id, request.signature.lower())
    return principal


def key_recheck(*, key_id: str, address: str) -> Principal:
    """Return the principal of a key that proved itself before. KeyRefusedError if it is revoked."""
    try:
        key = key_find(key_id, address=address)
    except LimitReachedError as error:
        raise SessionsUnavailableError(str(error)) from error
    if key is None or not key.accepts(address):
        raise _invalid()
    return _principal(key)


def _check_time(timestamp_ms: int, now_ms: int) -> None:
    if not -AHEAD_MS_MAX <= now_ms - timestamp_ms <= WINDOW_MS:
        raise KeyRefusedError(
            "timestamp_outside_window",
            f"The timestamp was {now_ms - timestamp_ms} ms old, expected at most {WINDOW_MS},"
            f" and at most {AHEAD_MS_MAX} ahead. It is {now_ms} here.",
        )


def _use_up(key_id: str, signature: str) -> None:
    name = f"{_USED}{key_id}:{signature}"
    try:
        is_first = redis_client().set(name, "1", nx=True, px=REMEMBERED_MS)
    except redis.RedisError as error:
        raise SessionsUnavailableError(f"Redis did not answer: {type(error).__name__}") from error
    if not is_first:
        raise KeyRefusedError(
            "signature_used", "This signature was used already; sign again with the time it is now."
        )


def _principal(key: StoredKey) -> Principal:
    return Principal(
        user_id=key.user_id,
        role=Role.TRADER,
        session_id="",
        expires_at=None,
        key_id=key.key_id,
        may_trade=key.may_trade,
    )


def _invalid() -> KeyRefusedError:
    return KeyRefusedError(
        "key_invalid", "The key, its signature or the address it is used from is not valid."
    )
