"""Web, edge, worker, beat and custodian die by SIGKILL while traders trade and coins arrive."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from quantatrade.chaos.campaign import PLATFORM_TARGETS
from tests.e2e.installation import free_port_base

ROOT: Final = Path(__file__).resolve().parents[2]
TIMEOUT_S: Final = 900
STOP_TIMEOUT_S: Final = 200


@pytest.mark.slow
def test_kills_of_the_platform_lose_and_double_no_order_and_no_coin(tmp_path: Path) -> None:
    """One kill of each; `manage.py chaos --targets web edge …` runs as many as you like."""
    campaign = subprocess.Popen(
        [
            sys.executable, str(ROOT / "manage.py"), "chaos",
            "--kills", str(len(PLATFORM_TARGETS)),
            "--targets", *PLATFORM_TARGETS,
            "--seed", "20211011",
            "--port-base", str(free_port_base()),
            "--keep", str(tmp_path / "var"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )  # fmt: skip
    try:
        output, _ = campaign.communicate(timeout=TIMEOUT_S)
    finally:
        campaign.terminate()  # it stops its installation before it ends
        campaign.wait(STOP_TIMEOUT_S)
    assert campaign.returncode == 0, output
    report = json.loads(output.splitlines()[-1])
    assert report["kills"] == len(PLATFORM_TARGETS)
    faults = ("lost", "doubled", "gaps", "drift", "violations")
    assert {key: report[key] for key in faults} == dict.fromkeys(faults, 0)
    assert report["rest_orders"] > report["kills"]  # orders did flow between the kills
    assert report["deposits"] > report["kills"]
    assert report["socket_messages"] > 0
