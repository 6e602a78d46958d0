"""Processes die by SIGKILL while mixed commands flow: nothing acknowledged is lost or doubled."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from quantatrade.chaos.campaign import TARGETS

ROOT: Final = Path(__file__).resolve().parents[2]
KILLS_EACH: Final = 10
TIMEOUT_S: Final = 1500


@pytest.mark.slow
def test_ten_kills_of_each_process_lose_and_double_nothing(tmp_path: Path) -> None:
    kills = KILLS_EACH * len(TARGETS)
    result = subprocess.run(
        [
            sys.executable,
            str(ROOT / "manage.py"),
            "chaos",
            "--kills",
            str(kills),
            "--seed",
            "20211011",
            "--keep",
            str(tmp_path / "var"),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    report = json.loads(result.stdout.splitlines()[-1])
    assert report["kills"] == kills
    assert {
        key: report[key] for key in ("lost", "doubled", "gaps", "drift", "violations")
    } == dict.fromkeys(("lost", "doubled", "gaps", "drift", "violations"), 0)
    assert report["acknowledged"] > kills  # orders did flow between the kills
