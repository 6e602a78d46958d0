"""A fresh exchange with its demo: markets move through every way in, and everything adds up."""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import stat
import subprocess
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from quantatrade.bootstrap.demo_logins import PERSON, DemoLogin, read_demo_logins
from quantatrade.bootstrap.ports import NAMES as PORT_NAMES
from tests.e2e.installation import ROOT, Installation, wait_until

SYMBOLS = {"NKNUSDT", "BLZETH", "LRCBTC", "RUNEEUR", "BTCUSDT", "ETHUSDT"}
TRADING_S = 150.0
WALK_S = 120.0
PASSWORD = "correct horse battery"
HISTORY_CANDLES = 1_000


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[Installation]:
    made = Installation(var=tmp_path / "var")
    yield made
    made.manage("down")


def get(exchange: Installation, path: str, **options: Any) -> httpx.Response:
    url = f"http://127.0.0.1:{exchange.port_base}{path}"
    return httpx.get(url, trust_env=False, timeout=30, **options)


def post(exchange: Installation, path: str, body: Any) -> Any:
    url = f"http://127.0.0.1:{exchange.port_base}{path}"
    answer = httpx.post(url, json=body, trust_env=False, timeout=30)
    assert answer.is_success, answer.text
    return answer.json()


def metric(exchange: Installation, pattern: str) -> float:
    """The sum of the demo's own counters whose name and labels match."""
    port = exchange.port_base + PORT_NAMES.index("demo_telemetry")
    lines = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if re.match(pattern, line))


def trades(exchange: Installation) -> dict[str, int]:
    """How many trades each market had."""
    items = get(exchange, "/api/v1/tickers").json()["items"]
    return {each["market"]: each["trades"] for each in items}


def trade_everywhere(exchange: Installation, before: dict[str, int]) -> None:
    """Wait until every market has traded again."""

    def have_traded() -> bool:
        now = trades(exchange)
        return all(now.get(symbol, 0) > before.get(symbol, 0) for symbol in SYMBOLS)

    wait_until(have_traded, "trades in every market", TRADING_S)


def logins_of(exchange: Installation, said: str) -> list[DemoLogin]:
    """The logins of the demo; those for people were told."""
    path = exchange.var / "demo" / "logins.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    logins = read_demo_logins(path)
    for login in logins:
        assert (login.password in said) is login.is_for_people
    return logins


def sees_funds_and_mail(exchange: Installation, logins: list[DemoLogin]) -> None:
    """The login for people has money, and somebody who registers gets a mail."""
    (person,) = (each for each in logins if each.part == PERSON)
    body = {"email": person.email, "password": person.password}
    session = post(exchange, "/api/v1/auth/login", body)
    headers = {"Authorization": f"Bearer {session['access_token']}"}

    def has_funds() -> bool:
        balances = get(exchange, "/api/v1/balances", headers=headers).json()["balances"]
        return {"USDT", "BTC"} <= {each["asset"] for each in balances}

    wait_until(has_funds, "the funds of the login for people", TRADING_S)
    post(exchange, "/api/v1/auth/register", {"email": "new@example.org", "password": PASSWORD})

    def has_mail() -> bool:
        page = get(exchange, "/mailbox/", params={"to": "new@example.org"})
        return page.status_code == 200 and "Welcome to QuantaTrade" in page.text

    wait_until(has_mail, "the mail of a registration")


def has_a_past(exchange: Installation) -> None:
    """Charts of the recorded markets begin with history, which tickers do not count."""
    path = "/api/v1/markets/BTCUSDT/klines?interval=1m&limit=1000"
    candles = get(exchange, path).json()["items"]
    assert len(candles) == HISTORY_CANDLES
    assert candles[0]["imported"]
    assert candles[0]["quote_volume"] is None
    assert not candles[-1]["imported"]
    steps = [
        abs(float(after["open"]) / float(before["close"]) - 1)
        for before, after in itertools.pairwise(candles)
    ]
    assert max(steps) < 0.005
    volume = float(get(exchange, "/api/v1/markets/BTCUSDT/ticker").json()["volume"])
    assert 0 < volume < float(sum(float(each["volume"]) for each in candles if each["imported"]))


def follows_the_readme(exchange: Installation) -> None:
    """Its walk by curl ends with an order that filled, its fee, and what is left."""
    (walk,) = re.findall(r"```bash\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    port = exchange.port_base
    hosts = {
        "HOST": f"http://127.0.0.1:{port}",
        "CUSTODIAN": f"http://127.0.0.1:{port + PORT_NAMES.index('custodian')}",
    }
    result = subprocess.run(
        ["bash", "-eu", "-c", walk],
        env={**exchange.environment, **hosts},
        capture_output=True,
        text=True,
        timeout=WALK_S,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    state, *answers = result.stdout.splitlines()
    assert state == "confirmed"
    order, balances, fills = map(json.loads, answers)
    assert order["order"]["status"] == "FILLED"
    assert order["order"]["fee_asset"] == "BTC"
    held = {each["asset"]: Decimal(each["total"]) for each in balances["balances"]}
    cost = sum(Decimal(each["quote_quantity"]) for each in fills["items"])
    assert held == {
        "BTC": Decimal("0.001") - Decimal(order["order"]["fee"]),
        "USDT": 1000 - cost,
    }


@pytest.mark.slow
def test_a_fresh_exchange_trades_in_all_markets_through_all_ways(exchange: Installation) -> None:
    up = exchange.manage("up", "--detach")
    assert up.returncode == 0, up.stdout + up.stderr
    logins = logins_of(exchange, up.stdout)
    trade_everywhere(exchange, {})
    assert set(trades(exchange)) == SYMBOLS
    assert metric(exchange, r'qt_demo_orders_total\{outcome="accepted",way="stream"\}') > 0
    assert metric(exchange, r'qt_demo_orders_total\{outcome="accepted",way="rest"\}') > 0
    assert metric(exchange, "qt_demo_fills_total ") > 0
    assert metric(exchange, "qt_demo_deposits_total ") > 0
    assert get(exchange, "/api/v1/exchange").json()["demo"] is True
    sees_funds_and_mail(exchange, logins)
    has_a_past(exchange)
    follows_the_readme(exchange)

    for name in ("web", "edge", "engine", "demo"):
        os.kill(exchange.process(name)["pid"], signal.SIGKILL)
    wait_until(exchange.is_healthy, "health of everything", TRADING_S)
    trade_everywhere(exchange, trades(exchange))
    verified = exchange.manage("verify", "all")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    log = (exchange.var / "log" / "demo.log").read_text().splitlines()
    assert [line for line in log if json.loads(line)["level"] == "error"] == []
