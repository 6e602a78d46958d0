"""Processes die by SIGKILL while mixed commands flow: nothing acknowledged is lost or doubled."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from quantatrade.chaos.campaign import TARGETS
from tests.e2e.installation import free_port_base

ROOT: Final = Path(__file__).resolve().parents[2]
KILLS_EACH: Final = 10
TIMEOUT_S: Final = 1500
STOP_TIMEOUT_S: Final = 200


@pytest.mark.slow
def test_ten_kills_of_each_process_lose_and_double_nothing(tmp_path: Path) -> None:
    kills = KILLS_EACH * len(TARGETS)
    campaign = subprocess.Popen(
        [
            sys.executable,
            str(ROOT / "manage.py"),
            "chaos",
            "--kills",
            str(kills),
            "--seed",
            "20211011",
            "--port-base",
            str(free_port_base()),
            "--keep",
            str(tmp_path / "var"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        output, _ = campaign.communicate(timeout=TIMEOUT_S)
    finally:
        campaign.terminate()  # it stops its installation before it ends
        campaign.wait(STOP_TIMEOUT_S)
    assert campaign.returncode == 0, output
    report = json.loads(output.splitlines()[-1])
    assert report["kills"] == kills
    assert {
        key: report[key] for key in ("lost", "doubled", "gaps", "drift", "violations")
    } == dict.fromkeys(("lost", "doubled", "gaps", "drift", "violations"), 0)
    assert report["acknowledged"] > kills  # orders did flow between the kills
