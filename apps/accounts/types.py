"""What `accounts` tells other apps, as frozen values."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class UserFacts:
    """A login. `is_registered` tells whether the engine knows it; None for people who never trade.

    `status` is the trading account's as mirrored (ACTIVE, SUSPENDED), empty until it is.
    """

    user_id: int
    email: str
    role: str
    is_active: bool
    is_registered: bool | None
    status: str
    tier: int
    joined_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenPair:
    """What a login gives: a short-lived access token, and the refresh token that follows it."""

    access_token: str
    refresh_token: str
    expires_in_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKeyFacts:
    """An API key without its secret. `addresses` are networks; none: it is good from anywhere."""

    key_id: str
    label: str
    permissions: tuple[str, ...]
    addresses: tuple[str, ...]
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewApiKey:
    """A key that has just been made, and its secret, which nobody is told again."""

    key: ApiKeyFacts
    secret: str = field(repr=False)
