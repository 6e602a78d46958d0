"""Addresses of traders.

Invariant: a trader has one address for each asset and network, and it belongs to no other. If the
custodian made one and we died before writing it down, it is lost and nobody was told of it.
"""

from __future__ import annotations

from django.db import transaction

from apps.audit.services import audit_record
from apps.audit.types import Actor
from apps.custody.locks import address_lock
from apps.custody.models import AssetNetwork, DepositAddress
from apps.custody.provider import custody_provider, custody_wallet
from apps.custody.rules import address_key
from apps.custody.selectors import address_facts
from apps.custody.types import AddressFacts, NoSuchNetworkError
from apps.markets.selectors import asset_get


def network_choose(asset_code: str, network: str = "") -> AssetNetwork:
    """Return the network for deposits of an asset; the first one if none is named.

    NoSuchNetworkError if there is none.
    """
    rows = AssetNetwork.objects.filter(asset_code=asset_code, is_enabled=True).order_by("pk")
    row = (rows.filter(network=network) if network else rows).first()
    if row is None or asset_get(asset_code) is None:
        raise NoSuchNetworkError(
            f"{asset_code or 'no asset'} cannot be deposited"
            + (f" on {network}" if network else "")
        )
    return row


def address_ensure(
    *, actor: Actor, user_id: int, asset_code: str, network: str, request_id: str, address: str
) -> tuple[AddressFacts, bool]:
    """Return the trader's address, and whether it was made just now.

    NoSuchNetworkError, CustodyNotConfiguredError, CustodianUnavailableError.
    """
    chosen = network_choose(asset_code, network)
    found = DepositAddress.objects.filter(user_id=user_id, network=chosen).first()
    if found is not None:
        return address_facts(found, chosen), False
    wallet = custody_wallet(chosen.coin)
    with transaction.atomic():
        address_lock(user_id, chosen.pk)
        found = DepositAddress.objects.filter(user_id=user_id, network=chosen).first()
        if found is not None:
            return address_facts(found, chosen), False
        label = f"user {user_id} {chosen.asset_code} {chosen.network}"
        made = custody_provider().address_create(coin=chosen.coin, wallet=wallet, label=label)
        row = DepositAddress.objects.create(
            user_id=user_id,
            network=chosen,
            coin=chosen.coin,
            wallet=wallet,
            address=made.address,
            address_key=address_key(made.address),
            provider_id=made.provider_id[:64],
            label=label[:100],
        )
        row.refresh_from_db()
        audit_record(
            actor=actor,
            action="custody.address_create",
            object_type="custody.deposit_address",
            object_id=row.pk,
            after={"user_id": user_id, "asset": chosen.asset_code, "address": made.address},
            request_id=request_id,
            address=address,
        )
    return address_facts(row, chosen), True
