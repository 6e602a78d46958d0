"""The exchange as a browser meets it: engine, books, web process and edge, all real."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from quantatrade.bootstrap.servers.standalone import free_ports
from tests.fixtures_database import DatabaseHandle
from tests.fixtures_engine import EngineFactory
from tests.fixtures_servers import RedisHandle

ROOT = Path(__file__).parents[2]
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 20.0
COMMAND_TIMEOUT_S = 60.0
HOUR_US = 3_600_000_000


@dataclass(frozen=True)
class Site:
    """A running installation, and who may log in."""

    url: str
    username: str
    password: str


def _wait_until_answering(url: str, log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            if httpx.get(url, trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            pass
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)


@pytest.fixture
def site(
    database: DatabaseHandle,
    engine_process: EngineFactory,
    redis_server: RedisHandle,
    tmp_path: Path,
) -> Iterator[Site]:
    """A site with a trading day in its books. Its engine is another, so that drift shows."""
    from tests.integration.console.exchange_day import exchange_day, write_books

    write_books(database.mirror_url, exchange_day(time.time_ns() // 1000 - HOUR_US, rounds=30))
    web_port, edge_port = free_ports(2)
    url = f"http://127.0.0.1:{edge_port}"
    environment = {
        **os.environ,
        **database.environment,
        "ENGINE_ADDRESS": engine_process().address,
        "REDIS_URL": redis_server.url,
        "QT_PUBLIC_URL": url,
        "QT_WEB_URL": f"http://127.0.0.1:{web_port}",
        "QT_VAR": str(tmp_path),
    }
    operator = json.loads(
        subprocess.run(
            [sys.executable, "-m", "django", "ensure_operator", "--json"],
            cwd=ROOT,
            env=environment,
            check=True,
            capture_output=True,
            timeout=COMMAND_TIMEOUT_S,
        ).stdout
    )
    scripts = Path(sys.executable).parent
    commands = {
        "web": f"granian --interface wsgi --no-ws --blocking-threads 4 --port {web_port}"
        " quantatrade.wsgi:application",
        "edge": f"uvicorn --no-proxy-headers --no-server-header --no-access-log --port {edge_port}"
        " quantatrade.asgi:application",
    }
    with ExitStack() as stack:
        for name, command in commands.items():
            program, *arguments = command.split()
            output = stack.enter_context((tmp_path / f"{name}.log").open("wb"))
            process = subprocess.Popen(
                [scripts / program, *arguments],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            stack.callback(process.wait, STOP_TIMEOUT_S)
            stack.callback(process.terminate)
        _wait_until_answering(f"{url}/edge/readyz", tmp_path / "web.log")
        yield Site(url, operator["username"], operator["password"])
