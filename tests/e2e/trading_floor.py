"""Traders over REST, for tests that need somebody else in the market."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import httpx

PASSWORD: Final = "a phrase for one test alone"
ACCOUNT_PATIENCE_S: Final = 30.0
REQUEST_TIMEOUT_S: Final = 30.0


@dataclass(frozen=True)
class Trader:
    """Somebody with a session; amounts are decimal strings."""

    client: httpx.Client
    email: str
    user_id: int

    @classmethod
    def register(cls, url: str, email: str) -> Trader:
        """Register and wait until the trading account is open."""
        client = httpx.Client(base_url=f"{url}/api/v1/", timeout=REQUEST_TIMEOUT_S, trust_env=False)
        answer = client.post("auth/register", json={"email": email, "password": PASSWORD})
        assert answer.status_code == 201, answer.text
        client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        deadline = time.monotonic() + ACCOUNT_PATIENCE_S
        while client.get("me").json()["account"] != "active":
            assert time.monotonic() < deadline, "the account was not opened"
            time.sleep(0.1)
        return cls(client, email, answer.json()["user"]["id"])

    def place(self, market: str, side: str, quantity: str, price: str = "") -> dict[str, Any]:
        """Place a limit order, or a market order without a price; the order as answered."""
        body = {"market": market, "side": side, "quantity": quantity, "type": "MARKET"}
        if price:
            body |= {"type": "LIMIT", "price": price}
        answer = self.client.post("orders", json=body)
        assert answer.status_code == 201, answer.text
        order: dict[str, Any] = answer.json()["order"]
        return order

    def balances(self) -> dict[str, tuple[str, str]]:
        """(available, locked) of each asset."""
        items = self.client.get("balances").json()["balances"]
        return {each["asset"]: (each["available"], each["locked"]) for each in items}


def quote_levels(
    trader: Trader, market: str, middle: str, step: str, quantity: str, levels: int
) -> None:
    """Rest orders on both sides of a price: `levels` of them, `step` apart, of varying size."""
    chance = random.Random(levels)
    for level in range(1, levels + 1):
        for side, sign in (("BID", -1), ("ASK", 1)):
            price = Decimal(middle) + sign * level * Decimal(step)
            size = Decimal(quantity) * chance.randrange(1, 10)
            trader.place(market, side, format(size, "f"), format(price, "f"))
