"""A full disk stops acknowledgements and nothing else, and is over when there is room again."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.client import EngineClient, EngineUnavailable, Outcome
from engine.proto.records import OrderAccepted, Side, unpack_event
from engine.service.errors import ExitCode
from tests.fixtures_engine import EngineFactory
from tests.integration.engine.pages import page
from tests.integration.engine.support import BUYER, MARKET, set_up

ORDERS_MAX = 10_000
ALLOWED = subprocess.run(["unshare", "-Ur", "-m", "true"], check=False, timeout=10).returncode == 0
pytestmark = pytest.mark.skipif(
    not ALLOWED, reason="this kernel allows no user namespace to mount a small tmpfs in"
)


def in_small_tmpfs(
    directory: Path, kilobytes: int, ballast_kilobytes: int, flag: Path
) -> Callable[[list[str]], list[str]]:
    """Run a command with a small file system; its ballast goes away once `flag` exists."""
    directory.mkdir()
    script = (
        f"mount -t tmpfs -o size={kilobytes}k small {directory} || exit 99\n"
        f"head -c {ballast_kilobytes}k /dev/zero > {directory}/ballast\n"
        f"(n=0; while [ ! -e {flag} ] && [ $n -lt 1200 ]; do sleep 0.05; n=$((n+1)); done; "
        f"rm {directory}/ballast) > /dev/null 2>&1 &\n"
        'exec "$@"\n'
    )
    return lambda command: ["unshare", "-Ur", "-m", "sh", "-c", script, "sh", *command]


async def place(client: EngineClient) -> Outcome:
    return await client.place(
        user_id=BUYER, market_id=MARKET, side=Side.BID, price_ticks=1, quantity_lots=1
    )


async def place_until_refused(client: EngineClient, acknowledged: list[int]) -> None:
    while len(acknowledged) < ORDERS_MAX:
        acknowledged.append((await place(client)).order_id)


async def test_orders_are_unavailable_while_the_disk_is_full_and_taken_again_after(
    engine_process: EngineFactory, tmp_path: Path
) -> None:
    small, flag = tmp_path / "small", tmp_path / "flag"
    engine = engine_process(
        "--segment-bytes",
        str(64 << 10),
        data_dir=small / "engine",
        wrap=in_small_tmpfs(small, 768, 384, flag),
    )
    acknowledged: list[int] = []
    async with EngineClient(engine.address) as client:
        await client.wait_ready(10)
        await set_up(client)
        with pytest.raises(EngineUnavailable, match="disk full: no room for the next journal"):
            await place_until_refused(client, acknowledged)
        assert len(acknowledged) > 100
        status, reason = await page(engine, "readyz")
        assert status == 503
        assert reason.startswith("disk full: no room for the next journal segment of 65536 bytes")
        assert (await client.get_status()).open_orders == len(acknowledged)

        flag.write_text("")
        for _ in range(100):
            try:
                acknowledged.append((await place(client)).order_id)
            except EngineUnavailable:
                await asyncio.sleep(0.1)
            else:
                break
        acknowledged += [(await place(client)).order_id for _ in range(100)]
        assert await page(engine, "readyz") == (200, "ready\n")
        last = (await client.get_status()).event_seq
        events = b"".join([batch.events async for batch in client.read_events(1, last)])
    bodies = [unpack_event(events, at)[1] for at in range(0, len(events), 128)]
    assert [body.order_id for body in bodies if isinstance(body, OrderAccepted)] == acknowledged
    assert engine.stop() == ExitCode.OK


def test_a_disk_without_room_for_the_first_segment_refuses_to_start(
    engine_process: EngineFactory, tmp_path: Path
) -> None:
    small = tmp_path / "small"
    engine = engine_process(
        data_dir=small / "engine",
        wrap=in_small_tmpfs(small, 512, 64, tmp_path / "flag"),
        wait_ready=False,
    )
    assert engine.wait() == ExitCode.DISK_FULL
    assert "disk full: no room for the next journal segment of 1048576 bytes" in str(
        engine.wait_for_log("engine_failed")["detail"]
    )
