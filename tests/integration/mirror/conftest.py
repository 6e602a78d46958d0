"""A NATS server of each test's own, relays and mirrors on it, and all of them killable."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import pytest
from django.conf import settings

from quantatrade.bootstrap.servers.nats import NatsServer
from quantatrade.bootstrap.servers.standalone import RunningServer, free_ports, running
from tests.fixtures_database import DatabaseHandle

REPOSITORY = Path(__file__).resolve().parents[3]
PASSWORD = "only-for-tests"
STOP_TIMEOUT_S = 20.0
READY_TIMEOUT_S = 30.0


@dataclass(frozen=True)
class OwnNats:
    """A server that belongs to one test."""

    url: str
    process: RunningServer


@pytest.fixture
def own_nats(tmp_path: Path) -> Iterator[OwnNats]:
    """JetStream with every message on disk before it is confirmed."""
    port, monitor_port = free_ports(2)
    server = NatsServer(
        directory=tmp_path / "nats", port=port, monitor_port=monitor_port, password=PASSWORD
    )
    with running(server.prepare(), tmp_path / "nats.log") as process:
        yield OwnNats(server.url, process)


class ChildProcess:
    """A process of the platform under test, with its health pages."""

    def __init__(
        self, command: list[str], environment: dict[str, str], log: Path, port: int
    ) -> None:
        self.log = log
        self.port = port
        self._output = log.open("ab")
        self.process = subprocess.Popen(
            command,
            cwd=REPOSITORY,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=self._output,
        )

    def page(self, path: str) -> tuple[int, str]:
        """Return status and text of a health page; (0, reason) if nothing answers."""
        try:
            with urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode().strip()
        except HTTPError as error:
            with error:
                return error.code, error.read().decode().strip()
        except (URLError, OSError) as error:
            return 0, str(error)

    def wait_for_page(self, status: int, words: str = "") -> str:
        """Wait until /readyz answers with `status` and `words`, and return its text."""
        deadline = time.monotonic() + READY_TIMEOUT_S
        while (seen := self.page("/readyz"))[0] != status or words not in seen[1]:
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise AssertionError(f"/readyz answered {seen}: {self.log.read_text()[-4000:]}")
            time.sleep(0.05)
        return seen[1]

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.close()

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def wait(self) -> int:
        """Wait for the end by itself."""
        try:
            return self.process.wait(STOP_TIMEOUT_S)
        finally:
            self.close()

    def close(self) -> None:
        """Make sure that it is gone."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._output.close()


StartChild = Callable[..., ChildProcess]


@pytest.fixture
def start_child(tmp_path: Path) -> Iterator[StartChild]:
    """Start a process; all that still run are killed at the end of the test."""
    children: list[ChildProcess] = []

    def start(
        name: str, command: list[str], environment: dict[str, str], port: int
    ) -> ChildProcess:
        log = tmp_path / f"{name}-{len(children)}.log"
        child = ChildProcess(command, environment, log, port)
        children.append(child)
        return child

    yield start
    for child in children:
        child.close()


@pytest.fixture
def start_mirror(
    start_child: StartChild, database: DatabaseHandle, own_nats: OwnNats
) -> StartChild:
    """Start `manage.py mirror` on the test's database and stream."""

    def start(engine_address: str = "127.0.0.1:1") -> ChildProcess:
        (port,) = free_ports(1)
        environment = {
            **database.environment,
            "NATS_URL": own_nats.url,
            "ENGINE_ADDRESS": engine_address,
            "DJANGO_SETTINGS_MODULE": settings.SETTINGS_MODULE,
        }
        command = [sys.executable, "-m", "django", "mirror", "--telemetry-port", str(port)]
        return start_child("mirror", command, environment, port)

    return start


@pytest.fixture
def start_relay(start_child: StartChild, own_nats: OwnNats) -> StartChild:
    """Start a relay between an engine directory and the test's stream."""

    def start(data_dir: Path, engine_address: str, *arguments: str) -> ChildProcess:
        (port,) = free_ports(1)
        command = [
            sys.executable, "-m", "engine.relay", "--data", str(data_dir),
            "--engine", engine_address, "--telemetry-port", str(port), *arguments,
        ]  # fmt: skip
        return start_child("relay", command, {"NATS_URL": own_nats.url}, port)

    return start
