"""Who makes a request: what an access token or a signature proves.

Invariant: everything in it comes from a verified token, or from the key of a verified signature.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from apps.accounts.roles import Role
from apps.audit.types import Actor


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """A person who has logged in, or whose program has signed with an API key.

    `session_id` is empty for a key, `key_id` for a login. `expires_at` is None for a key, which is
    good until it is revoked.
    """

    user_id: int
    role: Role
    session_id: str
    expires_at: datetime | None
    key_id: str = ""
    may_trade: bool = True

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
        name = f"user {self.user_id}"
        if self.key_id:
            name = f"{name}, key {self.key_id}"
        return Actor(user_id=self.user_id, name=name, role=self.role)
