"""Coins that arrive on request, where the custodian is the simulated one.

Invariant: nothing here credits anybody. It asks the simulator for a transfer and watches it come in
as every other does: webhook, inbox, second look, engine, mirror.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, TypeVar

import httpx
from django.conf import settings
from django.db import transaction

from apps.audit.types import Actor
from apps.core.amounts import decimal_atoms
from apps.custody.addresses import address_ensure, network_choose
from apps.custody.locks import address_lock
from apps.custody.models import AssetNetwork
from apps.custody.selectors import deposit_of_transfer
from apps.custody.types import (
    AddressFacts,
    CustodianUnavailableError,
    CustodyNotConfiguredError,
    DepositFacts,
    DepositState,
    NoSuchNetworkError,
)
from apps.ledger.console_reads import transaction_of_event
from apps.markets.selectors import asset_get

SIMULATOR_TIMEOUT_S: Final = 5.0
POLL_S: Final = 0.05
TIMEOUT_DEFAULT_S: Final = 60.0
SIMULATED_NETWORK: Final = "simulated"
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedCredit:
    """A deposit that is in the books."""

    deposit: DepositFacts
    transfer_id: str
    ledger_transaction_id: str


class CreditTimeoutError(Exception):
    """The deposit did not reach the books in time; what was seen last is in the text."""


def network_simulated_ensure(asset_code: str) -> AssetNetwork:
    """Return the network of an asset; where there is none, one that the simulator will speak.

    Its coin has the asset's decimals. NoSuchNetworkError if the asset is not listed.
    """
    try:
        return network_choose(asset_code)
    except NoSuchNetworkError:
        asset = asset_get(asset_code)
        if asset is None or not settings.CUSTODY_SIMULATOR_URL:
            raise
    with transaction.atomic():
        address_lock(0, asset.asset_id)
        row, _ = AssetNetwork.objects.get_or_create(
            asset_code=asset_code,
            network=SIMULATED_NETWORK,
            defaults={
                "coin": f"sim:{asset_code.lower()}",
                "decimals": asset.decimals,
                "min_confirmations": 1,
            },
        )
    return row


def transfer_simulate(*, coin: str, address: str, base_units: int, **options: Any) -> str:
    """Let the simulated custodian receive coins at an address; returns the transfer's id."""
    url = settings.CUSTODY_SIMULATOR_URL
    if not url:
        raise CustodyNotConfiguredError("the custodian is not the simulated one")
    body = {"coin": coin, "address": address, "amount": str(base_units), **options}
    try:
        response = httpx.post(
            f"{url}/simulate/transfers", json=body, timeout=SIMULATOR_TIMEOUT_S, trust_env=False
        )
        response.raise_for_status()
        return str(response.json()["id"])
    except (httpx.HTTPError, ValueError, KeyError) as error:
        raise CustodianUnavailableError(
            f"the simulated custodian at {url} did not make a transfer: {type(error).__name__}"
        ) from error


def credit_simulate(
    *,
    actor: Actor,
    user_id: int,
    asset_code: str,
    amount: Decimal,
    timeout_s: float = TIMEOUT_DEFAULT_S,
) -> SimulatedCredit:
    """Deposit `amount` for a trader and wait until the books have it.

    ValueError for an amount that the coin cannot express; CreditTimeoutError.
    """
    network = network_simulated_ensure(asset_code)
    base_units = decimal_atoms(amount, network.decimals)
    if base_units < 1:
        raise ValueError(f"amount was {amount}, expected more than zero")
    address: AddressFacts
    address, _ = address_ensure(
        actor=actor,
        user_id=user_id,
        asset_code=asset_code,
        network=network.network,
        request_id="",
        address="",
    )
    transfer_id = transfer_simulate(
        coin=network.coin, address=address.address, base_units=base_units, confirm_after_ms=0
    )
    deadline = time.monotonic() + timeout_s
    deposit = _wait(lambda: _credited(transfer_id), deadline, lambda: _seen(transfer_id))
    event_seq = deposit.event_seq
    assert event_seq is not None
    _, ledger_id = _wait(
        lambda: transaction_of_event(event_seq),
        deadline,
        lambda: f"credited by event {event_seq}, which the mirror has not written yet",
    )
    return SimulatedCredit(
        deposit=deposit, transfer_id=transfer_id, ledger_transaction_id=ledger_id
    )


def _credited(transfer_id: str) -> DepositFacts | None:
    deposit = deposit_of_transfer(transfer_id)
    if deposit is None or deposit.state != DepositState.CREDITED.value:
        return None
    return deposit


def _seen(transfer_id: str) -> str:
    deposit = deposit_of_transfer(transfer_id)
    state = "not seen yet" if deposit is None else deposit.state
    return f"transfer {transfer_id} is {state}; look at `manage.py status` and `logs worker`"


def _wait(look: Callable[[], T | None], deadline: float, words: Callable[[], str]) -> T:
    while (found := look()) is None:
        if time.monotonic() > deadline:
            raise CreditTimeoutError(words())
        time.sleep(POLL_S)
    return found
