"""Reads of custody, for the API and the console."""

from __future__ import annotations

from typing import Final

from apps.custody.models import AssetNetwork, Deposit, DepositAddress
from apps.custody.types import AddressFacts, DepositFacts, NetworkTerms

DEPOSITS_PAGE_MAX: Final = 501  # a page of 500, and one row that tells of a next
NETWORKS_MAX: Final = 1_000


def address_facts(row: DepositAddress, network: AssetNetwork) -> AddressFacts:
    """Return an address as its owner sees it."""
    return AddressFacts(
        user_id=row.user_id,
        asset_code=network.asset_code,
        network=network.network,
        address=row.address,
        min_confirmations=network.min_confirmations,
        created_at=row.created_at,
    )


def address_get(*, user_id: int, asset_code: str, network: str = "") -> AddressFacts | None:
    """Return a trader's address, None if none was made; the oldest if no network is named."""
    rows = DepositAddress.objects.select_related("network").filter(
        user_id=user_id, network__asset_code=asset_code
    )
    if network:
        rows = rows.filter(network__network=network)
    row = rows.order_by("pk").first()
    return None if row is None else address_facts(row, row.network)


def addresses_list(*, user_id: int) -> list[AddressFacts]:
    """Return a trader's addresses, newest first."""
    rows = DepositAddress.objects.select_related("network").filter(user_id=user_id)
    return [address_facts(row, row.network) for row in rows.order_by("-pk")[:NETWORKS_MAX]]


def networks_list() -> list[NetworkTerms]:
    """Return the networks on which deposits are possible, by asset."""
    rows = AssetNetwork.objects.filter(is_enabled=True).order_by("asset_code", "pk")
    return [
        NetworkTerms(
            network_id=row.pk,
            asset_code=row.asset_code,
            network=row.network,
            coin=row.coin,
            token=row.token,
            decimals=row.decimals,
            min_confirmations=row.min_confirmations,
        )
        for row in rows[:NETWORKS_MAX]
    ]


def deposits_list(
    *, user_id: int, asset_code: str = "", before_id: int | None = None, limit: int
) -> list[DepositFacts]:
    """Return a trader's deposits, newest first, from before `before_id`; at most `limit`."""
    assert 1 <= limit <= DEPOSITS_PAGE_MAX, f"limit was {limit}, expected 1..{DEPOSITS_PAGE_MAX}"
    rows = Deposit.objects.select_related("address__network").filter(user_id=user_id)
    if asset_code:
        rows = rows.filter(address__network__asset_code=asset_code)
    if before_id is not None:
        rows = rows.filter(pk__lt=before_id)
    return [deposit_facts(row) for row in rows.order_by("-pk")[:limit]]


def deposit_facts(row: Deposit) -> DepositFacts:
    """Return a deposit as its owner sees it."""
    network = row.address.network
    return DepositFacts(
        deposit_id=row.pk,
        asset_code=network.asset_code,
        network=network.network,
        address=row.address.address,
        txid=row.normalized_tx_hash,
        amount=row.amount,
        confirmations=row.confirmations,
        min_confirmations=network.min_confirmations,
        state=row.state,
        event_seq=row.event_seq,
        created_at=row.created_at,
        credited_at=row.credited_at,
    )


def deposit_of_transfer(transfer_id: str) -> DepositFacts | None:
    """Return the first deposit of a transfer, None as long as there is none."""
    rows = Deposit.objects.select_related("address__network")
    row = rows.filter(transfer__transfer_id=transfer_id).order_by("pk").first()
    return None if row is None else deposit_facts(row)
