"""Sockets' logins by API key, asked of the accounts by threads of their own.

Invariant: no thread keeps a connection to the database: it may not be here again for a long time.
"""

from __future__ import annotations

from django.db import connection

from apps.accounts.limits import LimitReachedError
from apps.accounts.principal import Principal
from apps.accounts.signatures import (
    SOCKET_TARGET,
    SignedRequest,
    key_recheck,
    socket_verify,
)
from apps.accounts.tokens import SessionsUnavailableError
from apps.realtime.messages import KeyProof


class ApiKeyLogins:
    """What the real keys are worth."""

    def verify(self, proof: KeyProof, address: str) -> Principal:
        """Return whose key signed `<timestamp>GET/ws/`. KeyRefusedError."""
        request = SignedRequest(
            key_id=proof.key,
            timestamp=proof.timestamp,
            signature=proof.signature,
            method="GET",
            target=SOCKET_TARGET,
            address=address,
        )
        try:
            return socket_verify(request)
        except LimitReachedError as error:
            raise SessionsUnavailableError(str(error)) from error
        finally:
            connection.close()

    def recheck(self, key_id: str, address: str) -> Principal:
        """Return the principal while the key is in force. KeyRefusedError once it is revoked."""
        try:
            return key_recheck(key_id=key_id, address=address)
        finally:
            connection.close()
