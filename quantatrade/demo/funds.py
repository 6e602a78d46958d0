"""Play money: deposits from the simulated custodian, made the way every deposit is made.

Invariants: no balance is edited; an account gets more only when it has less than half of what it
should have, and not again before the last transfer had time to arrive.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import httpx

from apps.core.amounts import decimal_atoms
from quantatrade.demo.rest import Account
from quantatrade.demo.steady import DEPOSITS, NotNowError

LOW: Final = Decimal("0.5")  # of the target
ARRIVAL_S: Final = 120.0
ROUND_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """On which network an asset is deposited, and how the custodian counts it."""

    name: str
    coin: str
    decimals: int


class Funds:
    """Keeps accounts in money."""

    def __init__(
        self, client: httpx.AsyncClient, custodian_url: str, networks: Mapping[str, Network]
    ) -> None:
        self._client = client
        self._url = f"{custodian_url}/simulate/transfers"
        self._networks = networks
        self._asked_s: dict[tuple[int, str], float] = {}

    async def top_up(self, account: Account, targets: Mapping[str, Decimal]) -> None:
        """Deposit what an account lacks of its targets. NotNowError."""
        answer = await account.get("balances")
        held = {each["asset"]: Decimal(each["total"]) for each in answer["balances"]}
        for asset, target in targets.items():
            has = held.get(asset, Decimal(0))
            key = (account.user_id, asset)
            is_waiting = time.monotonic() - self._asked_s.get(key, -ARRIVAL_S) < ARRIVAL_S
            if has < target * LOW and not is_waiting:
                await self._deposit(account, asset, target - has)
                self._asked_s[key] = time.monotonic()

    async def _deposit(self, account: Account, asset: str, amount: Decimal) -> None:
        network = self._networks[asset]
        body = {"asset": asset, "network": network.name}
        address: dict[str, Any] = await account.post("deposit-address", body)
        base_units = decimal_atoms(round(amount, min(4, network.decimals)), network.decimals)
        if base_units < 1:
            return
        response = await self._client.post(
            self._url,
            json={
                "coin": network.coin,
                "address": address["address"],
                "amount": str(base_units),
                "confirm_after_ms": 0,
            },
        )
        if not response.is_success:
            raise NotNowError(f"the simulated custodian answered {response.status_code}")
        DEPOSITS.inc()
