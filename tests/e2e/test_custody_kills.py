"""Worker and custodian die by SIGKILL while coins arrive: each transfer is credited once."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import psycopg
import pytest

from engine.client import SyncEngineClient
from quantatrade.bootstrap.configuration import read_environment
from quantatrade.bootstrap.ports import choose_ports
from quantatrade.bootstrap.state_directory import StateDirectory
from quantatrade.bootstrap.status import current_status
from tests.e2e.installation import free_port_base

ROOT: Final = Path(__file__).resolve().parents[2]
START_TIMEOUT_S: Final = 400
PATIENCE_S: Final = 180
TRANSFERS: Final = 60
ACKNOWLEDGEMENTS: Final = 300
ACKNOWLEDGED_P99_MS_MAX: Final = 1_000  # on a machine that is busy with everything else
PASSWORD: Final = "a long phrase for one test"


class Installation:
    """A running `up`."""

    def __init__(self, var: Path, base: int) -> None:
        self.environment = {**os.environ, "QT_VAR": str(var), "QT_PORT_BASE": str(base)}
        self.state = StateDirectory(var)
        self.ports = choose_ports({"QT_PORT_BASE": str(base)})

    def manage(self, *arguments: str) -> str:
        """Run `manage.py`."""
        result = subprocess.run(
            [sys.executable, str(ROOT / "manage.py"), *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=START_TIMEOUT_S,
            check=False,
        )
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    def kill(self, name: str) -> None:
        """SIGKILL to a process and its children."""
        pid = next(each.pid for each in current_status(self.state).processes if each.name == name)
        if pid is not None:
            os.killpg(pid, signal.SIGKILL)

    def row(self, statement: str) -> tuple[Any, ...]:
        """One row of the database."""
        url = read_environment(self.state)["DATABASE_URL"]
        with psycopg.connect(url) as connection:
            found = connection.execute(statement).fetchone()
        assert found is not None
        return tuple(found)


@contextmanager
def installation(var: Path) -> Iterator[Installation]:
    made = Installation(var, free_port_base())
    try:
        made.manage("up", "--no-demo", "--detach")
        yield made
    finally:
        made.manage("down")


def trader(site: Installation) -> tuple[int, dict[str, str]]:
    """Register over REST; returns user id and headers."""
    edge = f"http://127.0.0.1:{site.ports['edge']}"
    body = {"email": "kill@example.com", "password": PASSWORD}
    answer = httpx.post(f"{edge}/api/v1/auth/register", json=body, timeout=30)
    assert answer.status_code == 201, answer.text
    session = answer.json()
    return session["user"]["id"], {"Authorization": f"Bearer {session['access_token']}"}


def simulate(site: Installation, **transfer: Any) -> str:
    """Let coins arrive, also while the custodian is coming back; returns the transfer's id."""
    url = f"http://127.0.0.1:{site.ports['custodian']}/simulate/transfers"
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            answer = httpx.post(url, json=transfer, timeout=10)
        except httpx.TransportError:
            assert time.monotonic() < deadline
            time.sleep(0.2)
            continue
        assert answer.status_code == 200, answer.text
        return str(answer.json()["id"])


def acknowledgement_p99_ms(site: Installation) -> float:
    """Send signed webhooks through the edge, one after the other."""
    secret = read_environment(site.state)["QT_CUSTODY_WEBHOOK_SECRET"].encode()
    url = f"http://127.0.0.1:{site.ports['edge']}/webhooks/custody"
    took = []
    with httpx.Client(timeout=30) as client:
        for number in range(ACKNOWLEDGEMENTS):
            body = b'{"type":"lowFee","number":%d}' % number
            headers = {"X-Signature-SHA256": hmac.new(secret, body, hashlib.sha256).hexdigest()}
            started = time.perf_counter()
            assert client.post(url, content=body, headers=headers).status_code == 200
            took.append((time.perf_counter() - started) * 1000)
    return sorted(took)[int(ACKNOWLEDGEMENTS * 0.99)]


@pytest.mark.slow
def test_trap_45_kills_of_worker_and_custodian_credit_each_transfer_once(tmp_path: Path) -> None:
    with installation(tmp_path / "var") as site:
        with SyncEngineClient(f"127.0.0.1:{site.ports['engine']}") as engine:
            engine.add_asset(asset_id=1, code="BTC", decimals=8, max_total_atoms=9 * 10**18)
        user_id, headers = trader(site)
        credit = site.manage("credit", "--user", str(user_id), "--asset", "BTC", "--amount", "1",
                             "--json")  # fmt: skip
        address = json.loads(credit.splitlines()[-1])["address"]
        for number in range(1, TRANSFERS + 1):
            plan = {"duplicates": number % 3, "out_of_order": number % 2 == 0}
            if number % 7 == 0:
                plan = {"silent": True}
            simulate(site, coin="btc", address=address, amount=str(number), misbehave=plan)
            if number % 20 == 5:
                site.kill("worker")
            if number % 20 == 15:
                site.kill("custodian")
        expected = 100_000_000 + TRANSFERS * (TRANSFERS + 1) // 2
        deadline = time.monotonic() + PATIENCE_S
        query = "SELECT count(*) FROM custody_deposit WHERE state = 'credited'"
        while site.row(query) != (TRANSFERS + 1,) and time.monotonic() < deadline:
            time.sleep(0.5)
        assert site.row(query) == (TRANSFERS + 1,)
        p99_ms = acknowledgement_p99_ms(site)
        assert site.row("SELECT count(*) FROM custody_deposit") == (TRANSFERS + 1,)
        with SyncEngineClient(f"127.0.0.1:{site.ports['engine']}") as engine:
            (held,) = engine.get_balances(user_id).balances
        assert (held.available_atoms, held.locked_atoms) == (expected, 0)
        edge = f"http://127.0.0.1:{site.ports['edge']}"
        shown = httpx.get(f"{edge}/api/v1/deposits", headers=headers, timeout=30).json()["items"]
        assert len(shown) == TRANSFERS + 1
        assert {each["state"] for each in shown} == {"credited"}
        site.manage("verify", "all")
        assert p99_ms < ACKNOWLEDGED_P99_MS_MAX
        sys.stdout.write(f"webhook acknowledged through the edge: p99 {p99_ms:.1f} ms\n")
