"""How long an engine with very many users and orders takes to start from its snapshot.

Invariant: the time is that from the start of the process to its being ready, interpreter included,
and the engine then holds what the process that wrote the directory held.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Final, NamedTuple

from engine.bench.processes import NO_ACCESS, ROOT, Cores, engine, pinned
from engine.bench.proof import BenchmarkError
from engine.client import EngineClient

CAPACITY_TIMEOUT_S: Final = 600.0
QUERY_TIMEOUT_S: Final = 60.0


class Restarted(NamedTuple):
    bytes_per_order: int
    bytes_per_user: int
    bytes_per_deposit: int
    snapshot_bytes: int
    snapshot_ms: int
    restart_s: float


def measure_restart(orders: int, users: int, cores: Cores, directory: Path) -> Restarted:
    """Make the state in one process, start an engine on it in another."""
    data_dir = directory / "engine"
    done = subprocess.run(
        pinned(
            [
                *(sys.executable, "-m", "engine.bench.capacity", "--data", str(data_dir)),
                *("--orders", str(orders), "--users", str(users)),
            ],
            cores.engine,
        ),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=CAPACITY_TIMEOUT_S,
    )
    if done.returncode:
        raise BenchmarkError(f"no state could be made: {done.stderr[-2000:]}")
    facts = json.loads(done.stdout.splitlines()[-1])
    started = time.perf_counter()
    with engine(data_dir, cores.engine, directory / "engine.log") as (address, _):
        restart_s = time.perf_counter() - started
        found = asyncio.run(_found(address))
    expected = orders, users, facts["state_hash"]
    if found != expected:
        raise BenchmarkError(f"(orders, users, state) after a restart was {found}, not {expected}")
    return Restarted(
        facts["bytes_per_order"],
        facts["bytes_per_user"],
        facts["bytes_per_deposit"],
        facts["snapshot_bytes"],
        facts["snapshot_ms"],
        round(restart_s, 2),
    )


async def _found(address: str) -> tuple[int, int, str]:
    async with EngineClient(address, timeout_s=QUERY_TIMEOUT_S, access=NO_ACCESS) as client:
        status = await client.get_status()
        state = await client.get_state_hash()
        return status.open_orders, status.users, state.state_hash.hex()
