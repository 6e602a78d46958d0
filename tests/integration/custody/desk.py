"""What the tests of deposits do all the time."""

from __future__ import annotations

import itertools
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from django.test import Client

from apps.audit.types import system_actor
from apps.custody.addresses import address_ensure
from apps.custody.inbox import webhook_process
from apps.custody.models import Case, Deposit, DepositAddress, Webhook
from apps.custody.types import InboxState
from engine.client import SyncEngineClient
from quantatrade.simulators.custodian.custodian import Custodian, Terms
from quantatrade.simulators.custodian.server import Server
from quantatrade.simulators.custodian.store import Document, Store
from quantatrade.simulators.custodian.webhooks import sign
from tests.fixtures_database import DatabaseHandle

SECRET = "the webhook secret of the tests"
TOKEN = "the access token of the tests"
WALLET = "5f0c0ffee0ddf00d5f0c0ffee0ddf00d"
DOOR = "/webhooks/custody"
ASSETS = {"BTC": 1, "ETH": 2, "USDT": 3}
MAX_TOTAL_ATOMS = 9 * 10**18
ACTOR = system_actor("test")
_user_ids = itertools.count(1_000_000 + os.getpid() % 1000 * 1000)


def list_assets(engine_address: str) -> None:
    """List the assets in the engine."""
    with SyncEngineClient(engine_address) as engine:
        engine.wait_ready(20)
        for code, asset_id in ASSETS.items():
            engine.add_asset(
                asset_id=asset_id, code=code, decimals=8, max_total_atoms=MAX_TOTAL_ATOMS
            )


@dataclass
class Desk:
    """One trader, and the custodian."""

    user_id: int
    database: DatabaseHandle
    engine: SyncEngineClient
    store: Store
    custodian: Custodian
    server: Server
    client: Client

    @property
    def url(self) -> str:
        """Where the custodian answers."""
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def address(self, asset: str = "BTC", user_id: int | None = None) -> str:
        """The trader's address."""
        facts, _ = address_ensure(
            actor=ACTOR,
            user_id=user_id or self.user_id,
            asset_code=asset,
            network="",
            request_id="",
            address="",
        )
        return facts.address

    def arrive(self, amount: int = 150_000_000, **options: Any) -> Document:
        """Coins arrive at the trader's address and are confirmed at once."""
        options = {"coin": "btc", "confirm_after_ms": 0, **options}
        if "outputs" not in options:
            options.setdefault("address", self.address())
            options["amount"] = str(amount)
        return self.custodian.simulate_transfer(options)

    def change(self, transfer: Document, **changes: Any) -> Document:
        """The transfer's fate takes a turn."""
        return self.custodian.simulate_change(transfer["id"], changes)

    def waiting(self) -> list[tuple[bytes, str | None]]:
        """The webhooks that the custodian would send now, which are then sent."""
        due = self.store.due_deliveries(time.time() + 3600)
        for each in due:
            self.store.delivery_tried(each.id, status=200, due_at=None)
        return [(each.body, each.signature) for each in due]

    def knock(self, body: bytes, signature: str | None) -> int:
        """Send a webhook; returns the status."""
        headers = {} if signature is None else {"X-Signature-SHA256": signature}
        answer = self.client.post(DOOR, data=body, content_type="application/json", headers=headers)
        return answer.status_code

    def deliver(self) -> list[int]:
        """Send all webhooks that wait, and process the inbox; returns the statuses."""
        statuses = [self.knock(*each) for each in self.waiting()]
        self.process()
        return statuses

    def process(self) -> None:
        """Process what is in the inbox, due or not."""
        waiting = Webhook.objects.filter(state=InboxState.RECEIVED.value)
        for key in list(waiting.order_by("pk").values_list("pk", flat=True)):
            webhook_process(key)

    def balance(self, asset: str = "BTC", user_id: int | None = None) -> int:
        """What the engine holds for a trader, in atoms."""
        held = self.engine.get_balances(user_id or self.user_id).balances
        return sum(each.available_atoms for each in held if each.asset_id == ASSETS[asset])

    def states(self) -> list[str]:
        """The states of all deposits, in order."""
        return list(Deposit.objects.order_by("pk").values_list("state", flat=True))

    def cases(self) -> list[tuple[str, bool]]:
        """Kind of each case, and whether its trader is frozen."""
        rows = Case.objects.order_by("pk")
        return [(row.kind, row.frozen_at is not None) for row in rows]

    def signed(self, body: bytes) -> tuple[bytes, str]:
        """A body with a right signature."""
        return body, sign(body, SECRET)

    def trader(self) -> int:
        """Another trader, whom the engine knows."""
        return _trader(self.engine)


def _trader(engine: SyncEngineClient) -> int:
    from django.contrib.auth import get_user_model

    user_id = next(_user_ids)
    get_user_model()._default_manager.create(
        pk=user_id, username=f"trader{user_id}", email=f"trader{user_id}@example.com"
    )
    engine.add_user(user_id=user_id)
    return user_id


def make_desk(database: DatabaseHandle, engine_address: str, path: Path) -> Desk:
    """Make everything but the settings."""
    with psycopg.connect(database.mirror_url, autocommit=True) as connection:
        for code, asset_id in ASSETS.items():
            connection.execute(
                "INSERT INTO markets_asset (asset_id, code, decimals, max_total, added_event_seq)"
                " VALUES (%s, %s, 8, 90000000000, 1)",
                [asset_id, code],
            )
    engine = SyncEngineClient(engine_address)
    store = Store(path)
    custodian = Custodian(
        store,
        Terms(token=TOKEN, webhook_secret=SECRET, webhook_url="http://127.0.0.1:1/", wallet=WALLET),
    )
    return Desk(
        user_id=_trader(engine),
        database=database,
        engine=engine,
        store=store,
        custodian=custodian,
        server=Server(0, custodian, lambda: None),
        client=Client(),
    )


def address_row(desk: Desk) -> DepositAddress:
    """The trader's first address as a row."""
    return DepositAddress.objects.filter(user_id=desk.user_id).order_by("pk")[0]
