"""API keys: making, listing and revoking them.

Invariant: the secret leaves this module once, in the answer to its maker; what is kept is sealed,
and no record, log or error holds it. A revoked key is refused within a second.
"""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Sequence
from typing import Final

from django.db import transaction
from django.db.models.functions import Now

from apps.accounts.key_store import key_forget
from apps.accounts.models import KEY_LABEL_CHARS_MAX, ApiKey, User
from apps.accounts.roles import Role
from apps.accounts.sealing import is_sealed_anew, seal, unseal
from apps.accounts.types import ApiKeyFacts, NewApiKey
from apps.audit.services import audit_record
from apps.audit.types import Actor, system_actor

READ: Final = "read"
TRADE: Final = "trade"
PERMISSIONS: Final = (READ, TRADE)
KEYS_MAX: Final = 20  # of one user, revoked ones not counted
ADDRESSES_MAX: Final = 20
KEYS_SHOWN_MAX: Final = 100
KEY_ID_BYTES: Final = 16
SECRET_BYTES: Final = 32
_OBJECT: Final = "api_key"


class KeyTermsError(ValueError):
    """A key cannot be made like this; `field` names what was wrong."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(problem)
        self.field = field


class TooManyKeysError(Exception):
    """The user has as many keys as anybody may have."""


class UnknownKeyError(LookupError):
    """The user has no such key."""


def api_key_create(
    *,
    user_id: int,
    label: str,
    permissions: Sequence[str],
    addresses: Sequence[str] = (),
    actor: Actor,
    request_id: str = "",
    address: str = "",
) -> NewApiKey:
    """Make a key of a trader. KeyTermsError or TooManyKeysError, and nothing is made."""
    label = _label(label)
    may_trade = _may_trade(permissions)
    networks = _networks(addresses)
    key_id, secret = secrets.token_hex(KEY_ID_BYTES), secrets.token_hex(SECRET_BYTES)
    with transaction.atomic():
        # The row of the user, so that two at once are counted one after the other.
        user = User.objects.select_for_update().get(pk=user_id)
        if user.role != Role.TRADER or not user.is_active:
            raise KeyTermsError("user", f"was {user.role}, expected an active trader")
        if ApiKey.objects.filter(user=user, revoked_at=None).count() >= KEYS_MAX:
            raise TooManyKeysError(f"At most {KEYS_MAX} keys: revoke one that is not needed.")
        row = ApiKey.objects.create(
            key_id=key_id,
            user=user,
            label=label,
            sealed=seal(secret.encode(), place=key_id),
            may_trade=may_trade,
            addresses=networks,
        )
        row.refresh_from_db(fields=["created_at"])
        facts = _facts(row)
        audit_record(
            actor=actor,
            action="api_key.create",
            object_type=_OBJECT,
            object_id=key_id,
            after={
                "user_id": user_id,
                "label": label,
                "permissions": list(facts.permissions),
                "addresses": networks,
            },
            request_id=request_id,
            address=address,
        )
    return NewApiKey(key=facts, secret=secret)


def api_key_revoke(
    *, user_id: int, key_id: str, actor: Actor, request_id: str = "", address: str = ""
) -> None:
    """Revoke a key of the user for good; one that is revoked already stays so.

    UnknownKeyError. SessionsUnavailableError if Redis cannot be told: then nothing has changed.
    """
    with transaction.atomic():
        row = ApiKey.objects.select_for_update().filter(user_id=user_id, key_id=key_id).first()
        if row is None:
            raise UnknownKeyError(f"user {user_id} has no key {key_id[:40]!r}")
        if row.revoked_at is not None:
            return
        ApiKey.objects.filter(pk=row.pk).update(revoked_at=Now())
        audit_record(
            actor=actor,
            action="api_key.revoke",
            object_type=_OBJECT,
            object_id=key_id,
            after={"user_id": user_id, "label": row.label},
            request_id=request_id,
            address=address,
        )
        # Before the commit: whoever reads the old row after this cannot store it any more.
        key_forget(key_id)


def api_keys_list(user_id: int) -> list[ApiKeyFacts]:
    """Return the keys of a user, the newest first, revoked ones included."""
    rows = ApiKey.objects.filter(user_id=user_id).order_by("-pk")[:KEYS_SHOWN_MAX]
    return [_facts(row) for row in rows]


def api_keys_reseal() -> int:
    """Seal under the newest SECRET_KEY what an older one sealed; returns how many keys.

    SealBrokenError if one cannot be opened: then none has changed.
    """
    with transaction.atomic():
        old = [
            row
            for row in ApiKey.objects.select_for_update().order_by("pk")
            if not is_sealed_anew(bytes(row.sealed))
        ]
        for row in old:
            secret = unseal(bytes(row.sealed), place=row.key_id)
            ApiKey.objects.filter(pk=row.pk).update(sealed=seal(secret, place=row.key_id))
        if old:
            audit_record(
                actor=system_actor("manage.py reseal_api_keys"),
                action="api_key.reseal",
                object_type=_OBJECT,
                object_id="all",
                after={"keys": len(old)},
            )
    return len(old)


def _facts(row: ApiKey) -> ApiKeyFacts:
    return ApiKeyFacts(
        key_id=row.key_id,
        label=row.label,
        permissions=PERMISSIONS if row.may_trade else (READ,),
        addresses=tuple(row.addresses),
        created_at=row.created_at,
        last_used_at=row.last_used_at,
        revoked_at=row.revoked_at,
    )


def _label(stated: str) -> str:
    label = stated.strip()
    if not 1 <= len(label) <= KEY_LABEL_CHARS_MAX or not label.isprintable():
        raise KeyTermsError("label", f"expected 1 to {KEY_LABEL_CHARS_MAX} printable characters")
    return label


def _may_trade(stated: Sequence[str]) -> bool:
    if READ not in stated or not set(stated) <= set(PERMISSIONS):
        raise KeyTermsError("permissions", 'expected ["read"] or ["read", "trade"]')
    return TRADE in stated


def _networks(stated: Sequence[str]) -> list[str]:
    if len(stated) > ADDRESSES_MAX:
        raise KeyTermsError("addresses", f"were {len(stated)}, expected at most {ADDRESSES_MAX}")
    try:
        networks = [str(ipaddress.ip_network(each)) for each in stated]
    except ValueError as error:
        raise KeyTermsError("addresses", f"expected addresses or networks: {error}") from error
    return list(dict.fromkeys(networks))
