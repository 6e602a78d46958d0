"""A real engine makes its own snapshots, starts from them, and survives a death before writing."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from itertools import count
from pathlib import Path

import pytest

from engine.client import EngineClient, EngineUnavailable, OutcomeUnknown
from engine.journal import read_position
from engine.journal.faults import VARIABLE
from engine.journal.snapshots import read_header, snapshot_paths
from engine.proto.records import RECORD_BYTES
from tests.fixtures_engine import REPOSITORY, EngineFactory, EngineUnderTest
from tests.integration.engine.pages import page
from tests.integration.engine.support import request_id, set_up
from tests.integration.engine.test_restarts import accepted_orders, place

SNAPSHOT_BYTES = str(1 << 16)


def logged(engine: EngineUnderTest, event: str) -> list[dict[str, object]]:
    return [entry for entry in engine.logs if entry["event"] == event]


def inspected(engine: EngineUnderTest) -> dict[str, object]:
    """The state that the command finds beside the running engine."""
    answer = subprocess.run(
        [sys.executable, "-m", "engine.inspect", "replay", str(engine.data_dir)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    state: dict[str, object] = json.loads(answer.stdout)
    return state


async def wait_for_metric(engine: EngineUnderTest, pattern: str) -> float:
    async with asyncio.timeout(60):
        while True:
            found = re.search(pattern, (await page(engine, "metrics"))[1])
            if found:
                return float(found[1])
            await asyncio.sleep(0.2)


async def place_all(client: EngineClient, count: int, acknowledged: list[int]) -> None:
    for number in range(1, count):
        outcome = await place(client, number, request_id(number))
        acknowledged.append(outcome.order_id)


async def test_an_engine_starts_from_the_snapshot_that_it_made_and_from_an_older_one_if_it_must(
    engine_process: EngineFactory,
) -> None:
    engine = engine_process("--snapshot-bytes", SNAPSHOT_BYTES)
    async with EngineClient(engine.address) as client:
        await client.wait_ready(10)
        await set_up(client)
        await asyncio.gather(*(place(client, n) for n in range(400)))
        made = await wait_for_metric(engine, r'engine_snapshots_total{outcome="made"} (\d+\.\d)')
        assert made >= 1
        assert await wait_for_metric(engine, r"engine_snapshot_command_seq (\d+\.\d)") > 0
        await asyncio.sleep(1.3)  # the checkpoint is journaled; nothing changes any more
        expected = await client.get_state_hash()
        state = await asyncio.to_thread(inspected, engine)
        assert state["state_hash"] == expected.state_hash.hex()
        assert state["event_seq"] == expected.event_seq
    await asyncio.to_thread(engine.kill)
    assert snapshot_paths(engine.data_dir)
    for kernel, damage in (("auto", False), ("reference", False), ("auto", True)):
        if damage:
            for path in snapshot_paths(engine.data_dir):
                data = bytearray(path.read_bytes())
                data[len(data) // 2] ^= 1
                path.write_bytes(data)
        engine = await asyncio.to_thread(
            engine_process, "--snapshot-bytes", SNAPSHOT_BYTES, kernel=kernel
        )
        async with EngineClient(engine.address) as client:
            await client.wait_ready(10)
            assert await client.get_state_hash() == expected
        replayed = int(engine.wait_for_log("replayed")["commands"])
        assert bool(logged(engine, "snapshot_passed_over")) is damage
        assert bool(logged(engine, "snapshot_loaded")) is not damage
        assert (replayed < expected.command_seq) is not damage
        assert await asyncio.to_thread(engine.stop) == 0


async def test_an_engine_told_to_makes_no_snapshots(engine_process: EngineFactory) -> None:
    engine = engine_process("--snapshot-bytes", "0")
    async with EngineClient(engine.address) as client:
        await client.wait_ready(10)
        await set_up(client)
        await asyncio.gather(*(place(client, n) for n in range(400)))
        await asyncio.sleep(2.5)
    assert await asyncio.to_thread(engine.stop) == 0
    assert snapshot_paths(engine.data_dir) == []


async def test_a_death_between_applying_and_writing_leaves_only_what_was_acknowledged(
    engine_process: EngineFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "applied:25")
    engine = engine_process()
    acknowledged: list[int] = []
    async with EngineClient(engine.address, timeout_s=5) as client:
        await client.wait_ready(10)
        await set_up(client)
        with pytest.raises((OutcomeUnknown, EngineUnavailable)):
            await place_all(client, 100, acknowledged)
    assert await asyncio.to_thread(engine.wait) == -9
    monkeypatch.delenv(VARIABLE)
    engine = engine_process()
    requests, order_ids = accepted_orders(engine)
    assert 0 < len(acknowledged) < 25
    assert order_ids == set(acknowledged)
    assert set(requests.values()) == {1}


async def test_a_stop_can_leave_a_snapshot_at_the_very_end(engine_process: EngineFactory) -> None:
    engine = engine_process("--snapshot-at-stop")
    async with EngineClient(engine.address) as client:
        await client.wait_ready(10)
        await set_up(client)
        state = await client.get_state_hash()
    assert await asyncio.to_thread(engine.stop) == 0
    assert engine.wait_for_log("last_snapshot_made")["exit_code"] == 0
    (path,) = snapshot_paths(engine.data_dir)
    position = read_position(engine.data_dir)
    assert position is not None
    assert read_header(path).event_seq == position.event_seq
    again = await asyncio.to_thread(engine_process)
    assert again.wait_for_log("replayed")["commands"] == 0
    async with EngineClient(again.address) as client:
        assert (await client.get_state_hash()).event_seq >= state.event_seq


async def test_full_segments_go_to_the_archive_and_a_mirror_still_reads_all(
    engine_process: EngineFactory, tmp_path: Path
) -> None:
    archive = tmp_path / "cold"
    engine = engine_process(
        *("--snapshot-bytes", SNAPSHOT_BYTES, "--segment-bytes", SNAPSHOT_BYTES),
        *("--archive-dir", str(archive)),
    )
    async with EngineClient(engine.address) as client:
        await client.wait_ready(10)
        await set_up(client)
        async with asyncio.timeout(120):
            for first in count(0, 300):  # until there are two snapshots with segments before both
                await asyncio.gather(*(place(client, first + n) for n in range(300)))
                if list(archive.glob("*.seg.gz")):
                    break
                await asyncio.sleep(1)
        assert await wait_for_metric(engine, r"engine_archived_segments ([1-9]\d*\.\d)") >= 1
        last = (await client.get_status()).event_seq
        events = 0
        async for batch in client.read_events(1, last):
            events += len(batch.events) // RECORD_BYTES
        assert events == last
    assert not (engine.data_dir / "journal" / "0000000001.seg").exists()
    assert await asyncio.to_thread(engine.stop) == 0
    for path in snapshot_paths(engine.data_dir):
        path.unlink()
    again = await asyncio.to_thread(engine_process, "--archive-dir", str(archive))
    assert int(again.wait_for_log("replayed")["command_seq"]) > 0
