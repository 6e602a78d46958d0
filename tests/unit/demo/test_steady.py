"""Steps go on through outages with few words, and a defect is not taken for one."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from quantatrade.demo import steady
from quantatrade.demo.steady import NotNowError, Progress, steadily, until_done


@pytest.fixture(autouse=True)
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds pass as milliseconds."""
    monkeypatch.setattr(steady, "BACKOFF_FIRST_S", 0.001)
    monkeypatch.setattr(steady, "BACKOFF_MAX_S", 0.004)


async def test_an_outage_costs_one_warning_and_one_word_when_it_is_over() -> None:
    attempts = 0
    enough = asyncio.Event()

    async def step() -> None:
        nonlocal attempts
        attempts += 1
        if attempts in (2, 3, 4):
            raise NotNowError("503 unavailable")
        if attempts == 6:
            enough.set()

    with capture_logs() as said:
        task = asyncio.create_task(steadily("maker", step, lambda: 0.0))
        await asyncio.wait_for(enough.wait(), 10)
        task.cancel()
    assert [(each["event"], each["log_level"]) for each in said] == [
        ("waiting_for_the_exchange", "warning"),
        ("going_on", "info"),
    ]
    assert said[0]["error"] == "NotNowError: 503 unavailable"
    assert said[1]["attempts"] == 3


async def test_a_step_that_lasted_is_told_of_again_when_it_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(steady, "STEADY_S", 0.01)
    attempts = 0
    enough = asyncio.Event()

    async def step() -> None:
        nonlocal attempts
        attempts += 1
        if attempts == 3:
            enough.set()
        await asyncio.sleep(0.02)
        raise ConnectionResetError("the socket ended")

    with capture_logs() as said:
        task = asyncio.create_task(steadily("socket", step, lambda: 0.0))
        await asyncio.wait_for(enough.wait(), 10)
        task.cancel()
    assert [each["event"] for each in said] == ["waiting_for_the_exchange"] * 2


async def test_a_defect_ends_the_steps() -> None:
    async def step() -> None:
        raise KeyError("a defect")

    with pytest.raises(KeyError):
        await steadily("maker", step, lambda: 0.0)
    with pytest.raises(KeyError):
        await until_done("maker", step)


async def test_until_done_ends_with_the_first_success() -> None:
    attempts = 0

    async def step() -> None:
        nonlocal attempts
        attempts += 1
        if attempts < 3:
            raise NotNowError("not yet")

    await asyncio.wait_for(until_done("prepare", step), 10)
    assert attempts == 3


def test_readiness_goes_by_the_last_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    progress = Progress()
    assert progress.sickness() is None
    monkeypatch.setattr(steady, "SILENCE_MAX_S", -1.0)
    assert progress.sickness() == "no order was answered for 0 s"
