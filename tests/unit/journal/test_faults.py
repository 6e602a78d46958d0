"""Death at every write boundary, and a short campaign of everything else that can happen."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine.journal.faults import VARIABLE
from tests.fault_campaign import (
    ARCHIVE_POINTS,
    REPOSITORY,
    SNAPSHOT_POINTS,
    WRITER_POINTS,
    BrokenPromiseError,
    Campaign,
)

CAMPAIGN_SEED = 20261


@pytest.fixture
def campaign(tmp_path: Path) -> Campaign:
    return Campaign(tmp_path / "engine", CAMPAIGN_SEED)


@pytest.mark.parametrize("point", WRITER_POINTS)
def test_a_writer_killed_at_a_boundary_loses_and_doubles_nothing(
    campaign: Campaign, point: str
) -> None:
    nth = 5 if point.startswith(("record", "position")) else 1
    assert campaign.kill_writer(point, nth)
    assert campaign.acknowledged > 0


@pytest.mark.parametrize("point", SNAPSHOT_POINTS)
def test_a_snapshot_process_killed_at_a_boundary_leaves_a_whole_snapshot_or_none(
    campaign: Campaign, point: str
) -> None:
    campaign.kill_snapshot(point)


@pytest.mark.parametrize("point", ARCHIVE_POINTS)
def test_a_process_killed_while_archiving_loses_no_segment(campaign: Campaign, point: str) -> None:
    campaign.archive(point)
    campaign.archive()
    campaign.damage_archive()
    assert campaign.done[f"killed at {point}"] == 1
    assert campaign.done["archived"] == 1


@pytest.mark.parametrize("nth", [1, 7])
def test_a_writer_whose_fdatasync_fails_ends_and_acknowledges_no_more(
    campaign: Campaign, nth: int
) -> None:
    campaign.fail_disk(nth)
    assert campaign.done["fdatasync failed"] == 1


def test_a_short_campaign_breaks_no_promise(campaign: Campaign) -> None:
    for _ in range(6):
        campaign.flip_bit()
        campaign.tear_last_record()
        campaign.damage_snapshot()
        campaign.hide_segment()
    assert campaign.done["flipped"] == campaign.done["segment hidden"] == 6
    assert campaign.done["torn"] >= 1


def test_a_campaign_notices_a_lost_command(campaign: Campaign) -> None:
    campaign.acknowledged += 1
    with pytest.raises(BrokenPromiseError, match="commands were acknowledged"):
        campaign.check_recovery()


def test_an_unknown_fault_point_is_a_mistake() -> None:
    process = subprocess.run(
        [sys.executable, "-c", "import engine.journal.faults"],
        cwd=REPOSITORY,
        env={**os.environ, VARIABLE: "nowhere"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert process.returncode == 1
    assert "QT_ENGINE_FAULT was 'nowhere', expected one of" in process.stderr
