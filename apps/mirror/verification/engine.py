"""The engine against itself: conservation, and the journal against the living state."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Final

from apps.mirror.verification.report import NotCheckedError, Report, ViolationError
from engine.client import SyncEngineClient

REPLAY_TIMEOUT_S: Final = 3_600
DATA_DIRECTORY: Final = "engine"
_ROOT: Final = Path(__file__).resolve().parents[3]


def verify_engine(report: Report, engine: SyncEngineClient, var: Path) -> None:
    """Run the checks that need the engine alone. ViolationError names the first that fails."""
    with report.check("engine: held = deposited - withdrawn + adjusted, per asset") as say:
        totals = engine.get_totals()
        for each in totals.totals:
            expected = each.deposited_atoms - each.withdrawn_atoms + each.adjusted_atoms
            if each.held_atoms != expected:
                raise ViolationError(
                    f"asset {each.asset_id} at event {totals.event_seq}: held was "
                    f"{each.held_atoms} atoms, expected {expected}"
                )
        say(f"{len(totals.totals)} assets at event {totals.event_seq}")
    with report.check("engine: the journal from genesis gives the live state hash") as say:
        live = engine.get_state_hash()
        replayed = _replay(var / DATA_DIRECTORY, live.command_seq)
        found = (replayed["command_seq"], replayed["event_seq"], replayed["state_hash"])
        expected_state = (live.command_seq, live.event_seq, live.state_hash.hex())
        if found != expected_state:
            raise ViolationError(
                f"the replay gave (command, event, state hash) {found}, the engine {expected_state}"
            )
        say(
            f"commands 1..{live.command_seq}, events 1..{live.event_seq}, "
            f"{replayed['kernel']} kernel"
        )


def _replay(directory: Path, command_seq: int) -> dict[str, int | str]:
    """Return what `engine.replay` says, from a process of its own: kernels stay out of this one."""
    if not (directory / "journal").is_dir():
        raise NotCheckedError(f"there is no journal in {directory} on this machine")
    result = subprocess.run(
        [
            *(sys.executable, "-m", "engine.replay", "--data", str(directory)),
            *("--until-command-seq", str(command_seq)),
        ],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        timeout=REPLAY_TIMEOUT_S,
        check=False,
    )
    if result.returncode != 0:
        raise ViolationError(result.stderr.strip() or f"exit code {result.returncode}")
    answer: dict[str, int | str] = json.loads(result.stdout)
    return answer
