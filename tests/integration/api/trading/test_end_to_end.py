"""A whole exchange over HTTP: engine, relay, mirror and web as processes of their own.

The market and the traders are made by the fixture commands; everything else goes through the
public API, as a stranger with curl would do it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.conf import settings

from engine.client import SyncEngineClient
from quantatrade.bootstrap.servers.standalone import free_ports
from tests.fixtures_database import DatabaseHandle
from tests.fixtures_engine import EngineFactory, EngineUnderTest
from tests.fixtures_servers import RedisHandle
from tests.integration.mirror.conftest import (
    REPOSITORY,
    ChildProcess,
    OwnNats,
    StartChild,
    own_nats,
    start_child,
    start_mirror,
    start_relay,
)

__all__ = ["own_nats", "start_child", "start_mirror", "start_relay"]

WAIT_S = 90.0
COMMAND_TIMEOUT_S = 120
UNIT = 10**8


class Web:
    """The web process and the commands beside it."""

    def __init__(self, child: ChildProcess, environment: dict[str, str]) -> None:
        self.environment = environment
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{child.port}/api/v1/", timeout=30)

    def command(self, *arguments: str) -> dict[str, Any]:
        """Run a management command with --json."""
        done = subprocess.run(
            [sys.executable, "-m", "django", *arguments, "--json"],
            cwd=REPOSITORY,
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        stated: dict[str, Any] = json.loads(done.stdout)
        return stated

    def call(
        self, method: str, path: str, token: str, status: int = 200, **more: Any
    ) -> dict[str, Any]:
        """Make a request that must be answered with `status`."""
        answer = self.http.request(
            method, path, headers={"Authorization": f"Bearer {token}"}, **more
        )
        assert answer.status_code == status, answer.text
        body: dict[str, Any] = answer.json()
        return body


@pytest.fixture
def engine(engine_process: EngineFactory) -> EngineUnderTest:
    return engine_process()


@pytest.fixture
def web(
    engine: EngineUnderTest,
    database: DatabaseHandle,
    redis_server: RedisHandle,
    own_nats: OwnNats,
    start_child: StartChild,
    start_mirror: StartChild,
    start_relay: StartChild,
) -> Iterator[Web]:
    """Everything that an order passes through, running."""
    start_relay(engine.data_dir, engine.address)
    start_mirror(engine.address).wait_for_page(200)
    (port,) = free_ports(1)
    environment = {
        **database.environment,
        "REDIS_URL": redis_server.url,
        "NATS_URL": own_nats.url,
        "ENGINE_ADDRESS": engine.address,
        "DJANGO_SETTINGS_MODULE": str(settings.SETTINGS_MODULE),
    }
    command = [
        str(Path(sys.executable).with_name("granian")), "--interface", "wsgi",
        "--host", "127.0.0.1", "--port", str(port), "--workers", "1", "--blocking-threads", "4",
        "--no-ws", "quantatrade.wsgi:application",
    ]  # fmt: skip
    child = start_child("web", command, environment, port)
    try:
        wait_for(lambda: child.page("/healthz")[0] == 200)
        made = Web(child, environment)
        with closing(made.http):
            yield made
    finally:
        child.stop()  # its worker ends with it


def wait_for(ask: Any) -> Any:
    """Wait until a question has an answer."""
    deadline = time.monotonic() + WAIT_S
    while not (found := ask()):
        assert time.monotonic() < deadline, f"nothing came within {WAIT_S} s"
        time.sleep(0.05)
    return found


def test_an_order_placed_over_http_is_seen_everywhere(web: Web, engine: EngineUnderTest) -> None:
    market = web.command("create_market", "BTC", "USDT", "--taker-fee", "0.0015")
    assert (market["symbol"], market["is_in_books"]) == ("BTCUSDT", True)
    tokens = []
    with SyncEngineClient(engine.address) as direct:
        assets = {asset.code: asset.asset_id for asset in direct.list_assets()}
        for name in ("maker", "taker"):
            user = web.command("create_user", f"{name}@example.com")
            login = {"email": user["email"], "password": user["password"]}
            tokens.append(web.http.post("auth/login", json=login).json()["access_token"])
            for code, amount in (("BTC", 2), ("USDT", 100_000)):
                direct.deposit(
                    user_id=user["user_id"],
                    asset_id=assets[code],
                    amount_atoms=amount * UNIT,
                    business_id=f"{name}-{code}".encode().ljust(16, b"."),
                )
    maker, taker = tokens
    terms = {"market": "BTCUSDT", "type": "LIMIT", "price": "50000"}
    web.call("POST", "orders", maker, 201, json={**terms, "side": "ASK", "quantity": "1"})
    placed = web.call(
        "POST", "orders", taker, 201, json={**terms, "side": "BID", "quantity": "0.5"}
    )
    order = placed["order"]
    assert (order["status"], order["fee"], order["fee_asset"]) == ("FILLED", "0.00075", "BTC")
    balances = web.call("GET", "balances", taker)["balances"]
    assert {held["asset"]: held["total"] for held in balances} == {
        "BTC": "2.49925",
        "USDT": "75000",
    }
    assert web.http.get("markets/BTCUSDT/book").json()["asks"] == [
        {"price": "50000", "quantity": "0.5", "orders": 1}
    ]
    (trade,) = wait_for(lambda: web.call("GET", "trades", taker)["items"])
    assert (trade["order_id"], trade["fee"], trade["role"]) == (
        order["order_id"], "0.00075", "TAKER",
    )  # fmt: skip
    assert web.call("GET", f"orders/{order['order_id']}", taker) == order
    (public,) = web.http.get("markets/BTCUSDT/trades").json()["items"]
    assert (public["price"], public["quantity"], public["taker_side"]) == ("50000", "0.5", "BID")
    (open_order,) = web.call("GET", "orders?status=OPEN", maker)["items"]
    canceled = web.call("DELETE", f"orders/{open_order['order_id']}", maker)
    assert canceled["removed_quantity"] == "0.5"
    assert canceled["order"]["status"] == "CANCELED"
    assert canceled["order"]["executed_quantity"] == "0.5"
    assert web.command("verify", "all")["ok"] is True
