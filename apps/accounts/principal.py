"""Who makes a request: what an access token proves about its bearer.

Invariant: everything in it comes from a verified token; it is made without SQL.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from apps.accounts.roles import Role
from apps.audit.types import Actor


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """A person who has logged in."""

    user_id: int
    role: Role
    session_id: str
    expires_at: datetime

    @property
    def pk(self) -> int:
        """The login's key, under the name that REST framework's parts look for."""
        return self.user_id

    @property
    def is_authenticated(self) -> bool:
        """True: there is no principal without a verified token."""
        return True

    @property
    def is_active(self) -> bool:
        """True: a login that is disabled has no live session."""
        return True

    @property
    def key(self) -> str:
        """How limits and counts name this person."""
        return f"user:{self.user_id}"

    def actor(self) -> Actor:
        """How the audit log names this person."""
        return Actor(user_id=self.user_id, name=f"user {self.user_id}", role=self.role)
