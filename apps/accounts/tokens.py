"""Access tokens, and refresh tokens that rotate.

An access token is an HS256 JWT of ten minutes, verified without SQL. A refresh token is
`<session>.<random>`; Redis keeps the hash of a session's newest one. Rotation is one Lua script,
so of two uses of a token one succeeds; the use of an older one ends the session, whose access
tokens are then refused within SESSION_CACHE_S. Invariant: no token is stored anywhere in clear,
and the signing key is derived from SECRET_KEY for this purpose alone.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

import jwt
import redis
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from apps.accounts.principal import Principal
from apps.accounts.roles import Role
from apps.accounts.types import TokenPair
from apps.core.redis_client import redis_client

ACCESS_SECONDS: Final = 600
REFRESH_SECONDS: Final = 14 * 24 * 3_600  # idle time after which a session is over
SESSION_SECONDS_MAX: Final = 90 * 24 * 3_600
SESSIONS_MAX: Final = 20  # of one user; the oldest ends when one more begins
SESSION_CACHE_S: Final = 1.0
SESSION_CACHE_MAX: Final = 50_000
TOKEN_CHARS_MAX: Final = 2_000
ALGORITHM: Final = "HS256"
ISSUER: Final = "quantatrade"
_KEY_LABEL: Final = b"quantatrade access token v1"
_REFRESH: Final = re.compile(r"([0-9a-f]{32})\.([A-Za-z0-9_-]{43})")
_REQUIRED: Final = ["sub", "role", "sid", "iat", "exp", "jti", "iss"]


class TokenError(Exception):
    """The token is not valid. `code` is stable: token_invalid, token_expired, session_ended."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class SessionsUnavailableError(Exception):
    """Redis does not answer, so nobody can tell which sessions live. Fails closed."""


# KEYS: session, the user's sessions. ARGV: hash, user id, role, now, idle s, sessions max, id.
_OPEN: Final = """
redis.call('HSET', KEYS[1], 'hash', ARGV[1], 'user', ARGV[2], 'role', ARGV[3], 'since', ARGV[4])
redis.call('EXPIRE', KEYS[1], ARGV[5])
redis.call('ZADD', KEYS[2], ARGV[4], ARGV[7])
redis.call('EXPIRE', KEYS[2], ARGV[8])
local extra = redis.call('ZCARD', KEYS[2]) - tonumber(ARGV[6])
if extra > 0 then
  for _, old in ipairs(redis.call('ZRANGE', KEYS[2], 0, extra - 1)) do
    redis.call('DEL', ARGV[9] .. old)
    redis.call('ZREM', KEYS[2], old)
  end
end
return 1
"""
# KEYS: session. ARGV: presented hash, next hash, now, idle s, session s max, user's prefix, id.
_ROTATE: Final = """
local held = redis.call('HMGET', KEYS[1], 'hash', 'user', 'role', 'since')
if not held[1] then return {'ended'} end
local over = tonumber(ARGV[3]) - tonumber(held[4]) > tonumber(ARGV[5])
if held[1] ~= ARGV[1] or over then
  redis.call('DEL', KEYS[1])
  redis.call('ZREM', ARGV[6] .. held[2], ARGV[7])
  return {over and 'ended' or 'replayed', held[2]}
end
redis.call('HSET', KEYS[1], 'hash', ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[4])
return {'rotated', held[2], held[3]}
"""
_SESSION: Final = "auth:session:"
_SESSIONS_OF: Final = "auth:sessions:"

Clock = Callable[[], float]


@lru_cache(maxsize=4)
def _signing_key(secret: str) -> bytes:
    """Derive the key of access tokens (RFC 5869)."""
    derivation = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=_KEY_LABEL)
    return derivation.derive(secret.encode())


def _hash(refresh_token: str) -> str:
    # The token is 256 random bits, so a plain hash cannot be searched.
    return hashlib.sha256(refresh_token.encode()).hexdigest()


def tokens_issue(*, user_id: int, role: str, clock: Clock = time.time) -> TokenPair:
    """Open a session and return its first tokens. SessionsUnavailableError without Redis."""
    session_id = secrets.token_hex(16)
    refresh_token = f"{session_id}.{secrets.token_urlsafe(32)}"
    now = int(clock())
    _script(
        _OPEN,
        [_SESSION + session_id, f"{_SESSIONS_OF}{user_id}"],
        _hash(refresh_token), user_id, role, now, REFRESH_SECONDS, SESSIONS_MAX, session_id,
        SESSION_SECONDS_MAX, _SESSION,
    )  # fmt: skip
    return _pair(user_id, role, session_id, refresh_token, now)


def tokens_rotate(*, refresh_token: str, clock: Clock = time.time) -> TokenPair:
    """Exchange a refresh token for the next pair.

    TokenError: token_invalid (it never was one), session_ended (logged out, too old, or an older
    token of the session was used, which ends it).
    """
    session_id = _session_of(refresh_token)
    following = f"{session_id}.{secrets.token_urlsafe(32)}"
    now = int(clock())
    outcome, *facts = _script(
        _ROTATE,
        [_SESSION + session_id],
        _hash(refresh_token), _hash(following), now, REFRESH_SECONDS, SESSION_SECONDS_MAX,
        _SESSIONS_OF, session_id,
    )  # fmt: skip
    if outcome != "rotated":
        _forget(session_id)
        raise TokenError("session_ended", "This session has ended; log in again.")
    return _pair(int(facts[0]), facts[1], session_id, following, now)


def session_end(*, session_id: str, user_id: int) -> None:
    """End one session: its refresh token is worth nothing, its access tokens within a second."""
    pipeline = _redis().pipeline()
    pipeline.delete(_SESSION + session_id)
    pipeline.zrem(f"{_SESSIONS_OF}{user_id}", session_id)
    _guarded(pipeline.execute)
    _forget(session_id)


def sessions_end(*, user_id: int) -> int:
    """End every session of a user; returns how many there were."""
    client = _redis()
    key = f"{_SESSIONS_OF}{user_id}"
    sessions: list[str] = _guarded(lambda: client.zrange(key, 0, -1))
    pipeline = client.pipeline()
    for session_id in sessions:
        pipeline.delete(_SESSION + session_id)
        _forget(session_id)
    pipeline.delete(key)
    _guarded(pipeline.execute)
    return len(sessions)


def access_verify(
    token: str, *, accept_outage: bool = False, clock: Clock = time.time
) -> Principal:
    """Return whose token this is. No SQL, and at most one look into Redis a second and session.

    TokenError if it is not valid. SessionsUnavailableError if Redis cannot say whether the session
    lives, except with `accept_outage`, for what must work then too: cancels.
    """
    claims = _claims(token, clock)
    principal = Principal(
        user_id=int(claims["sub"]),
        role=Role(claims["role"]),
        session_id=claims["sid"],
        expires_at=datetime.fromtimestamp(claims["exp"], UTC),
    )
    if not _session_lives(principal.session_id, accept_outage):
        raise TokenError("session_ended", "This session has ended; log in again.")
    return principal


def _claims(token: str, clock: Clock) -> dict[str, Any]:
    invalid = TokenError("token_invalid", "The access token is not valid.")
    if len(token) > TOKEN_CHARS_MAX:
        raise invalid
    options: Any = {"require": _REQUIRED, "verify_exp": False, "verify_iat": False}
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            _signing_key(settings.SECRET_KEY),
            algorithms=[ALGORITHM],
            issuer=ISSUER,
            options=options,
        )
        expires, role = claims["exp"], Role(claims["role"])
    except (jwt.InvalidTokenError, ValueError) as error:
        raise invalid from error
    shaped = isinstance(expires, int) and str(claims["sub"]).isdecimal() and bool(role)
    if not shaped or not isinstance(claims["sid"], str):
        raise invalid
    if clock() >= expires:
        raise TokenError("token_expired", "The access token has expired; refresh it.")
    return claims


def _pair(user_id: int, role: str, session_id: str, refresh_token: str, now: int) -> TokenPair:
    claims = {
        "iss": ISSUER,
        "sub": str(user_id),
        "role": role,
        "sid": session_id,
        "iat": now,
        "exp": now + ACCESS_SECONDS,
        "jti": secrets.token_hex(8),
    }
    access_token = jwt.encode(claims, _signing_key(settings.SECRET_KEY), algorithm=ALGORITHM)
    return TokenPair(
        access_token=access_token, refresh_token=refresh_token, expires_in_s=ACCESS_SECONDS
    )


def _session_of(refresh_token: str) -> str:
    shaped = _REFRESH.fullmatch(refresh_token)
    if shaped is None:
        raise TokenError("token_invalid", "The refresh token is not valid.")
    return shaped[1]


# Sessions seen alive lately in this process: id -> monotonic instant until which that is believed.
_alive: Final[dict[str, float]] = {}
_alive_lock: Final = threading.Lock()


def _session_lives(session_id: str, accept_outage: bool) -> bool:
    now = time.monotonic()
    if _alive.get(session_id, 0.0) > now:
        return True
    try:
        lives = bool(_guarded(lambda: _redis().exists(_SESSION + session_id)))
    except SessionsUnavailableError:
        if accept_outage:
            return True
        raise
    if lives:
        with _alive_lock:
            if len(_alive) >= SESSION_CACHE_MAX:
                _alive.clear()
            _alive[session_id] = now + SESSION_CACHE_S
    return lives


def _forget(session_id: str) -> None:
    with _alive_lock:
        _alive.pop(session_id, None)


def _redis() -> redis.Redis:
    try:
        return redis_client()
    except redis.RedisError as error:
        raise SessionsUnavailableError(f"Redis cannot be used: {error}") from error


def _script(script: str, keys: list[str], *arguments: str | int) -> Any:
    client = _redis()
    return _guarded(lambda: client.eval(script, len(keys), *keys, *map(str, arguments)))


def _guarded(ask: Callable[[], Any]) -> Any:
    try:
        return ask()
    except redis.RedisError as error:
        raise SessionsUnavailableError(f"Redis did not answer: {type(error).__name__}") from error
