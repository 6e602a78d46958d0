"""`credit` and the simulator say what is wrong, and neither exists in production."""

from __future__ import annotations

import os
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from apps.custody.models import Deposit
from tests.integration.custody.desk import Desk

GOOD = {
    "QT_CUSTODY_TOKEN": "t" * 32,
    "QT_CUSTODY_WEBHOOK_SECRET": "s" * 32,
    "QT_CUSTODIAN_WALLET": "w" * 32,
    "QT_CUSTODIAN_WEBHOOK_URL": "http://127.0.0.1:1/",
}


def credit(user: object, asset: str = "BTC", amount: str = "1", timeout: str = "0.2") -> str:
    out = StringIO()
    call_command(
        "credit", user=str(user), asset=asset, amount=amount, timeout=float(timeout), stdout=out
    )
    return out.getvalue()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"user": "nobody@example.com"}, "expected a login that exists"),
        ({"amount": "-1"}, "expected more than zero"),
        ({"amount": "NaN"}, "expected more than zero"),
        ({"amount": "much"}, "expected a number"),
        ({"amount": "0.000000001"}, "expected at most 8 decimals"),
        ({"asset": "DOGE"}, "DOGE cannot be deposited"),
    ],
)
def test_credit_says_what_is_wrong_and_makes_no_transfer(
    desk: Desk, changes: dict[str, str], words: str
) -> None:
    arguments = {"user": str(desk.user_id)} | changes
    with pytest.raises(CommandError, match=words):
        credit(**arguments)
    assert desk.waiting() == []


def test_credit_that_does_not_arrive_in_time_says_how_far_it_came(desk: Desk) -> None:
    with pytest.raises(CommandError, match="is not seen yet; look at"):
        credit(desk.user_id)
    desk.deliver()
    assert (desk.balance(), Deposit.objects.count()) == (100_000_000, 1)


def test_credit_does_nothing_where_the_custodian_is_real(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "CUSTODY_SIMULATOR_URL", "")
    with pytest.raises(CommandError, match="the custodian is not the simulated one"):
        credit(desk.user_id)
    assert Deposit.objects.count() == 0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"QT_PRODUCTION": "1"}, "has no simulated custodian"),
        ({"QT_CUSTODY_WEBHOOK_SECRET": "short"}, "had 5 characters, expected at least 16"),
        ({"QT_CUSTODY_TOKEN": ""}, "had 0 characters"),
        ({"QT_CUSTODIAN_WEBHOOK_URL": "ftp://x"}, "expected http"),
    ],
)
def test_the_simulator_does_not_start_in_production_or_without_secrets(
    tmp_path: Path, changes: dict[str, str], words: str
) -> None:
    result = subprocess.run(
        [
            sys.executable, "-m", "quantatrade.simulators.custodian",
            "--port", "0", "--database", str(tmp_path / "c.sqlite"),
        ],
        env={**os.environ, **GOOD, **changes},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )  # fmt: skip
    assert result.returncode == 2
    assert words in result.stderr
    assert not (tmp_path / "c.sqlite").exists()


def test_trap_18_the_simulated_custodian_asks_for_the_token_and_a_program_of_this_machine(
    desk: Desk,
) -> None:
    import httpx

    transfers = f"{desk.url}/api/v2/btc/wallet/{'0' * 32}/transfer"
    assert httpx.get(transfers).status_code == 401
    assert httpx.get(transfers, headers={"Authorization": "Bearer x"}).status_code == 401
    simulate = f"{desk.url}/simulate/transfers"
    body = {"coin": "btc", "address": "a", "amount": "1"}
    assert httpx.post(simulate, data=body).status_code == 415
    assert httpx.post(simulate, json=body, headers={"Host": "evil.example"}).status_code == 403
    assert httpx.post(simulate, json={**body, "amount": 1.5}).status_code == 400
    assert httpx.post(simulate, json=body).status_code == 200
