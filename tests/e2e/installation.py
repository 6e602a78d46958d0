"""An installation of the tests' own: `manage.py` with its own state directory and ports.

Invariant: whatever a test does to it, `down` and a last look at its processes end it.
"""

import json
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from quantatrade.bootstrap.ports import NAMES as PORT_NAMES
from quantatrade.bootstrap.status import process_birth

ROOT = Path(__file__).resolve().parents[2]
COMMAND_TIMEOUT_S = 400.0
PATIENCE_S = 60.0
BASE_ATTEMPTS_MAX = 200
# Each worker of a test run on several has its own thousands, so that two never choose one range.
BASE_FIRST = 20_000 + 3_000 * (int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 4)
_STRANGERS = ("QT_", "DJANGO_", "DATABASE_", "REDIS_", "NATS_", "ENGINE_")


def listens(port: int) -> bool:
    """Whether somebody listens on the loopback port."""
    with socket.socket() as trial:
        return trial.connect_ex(("127.0.0.1", port)) == 0


def free_port_base() -> int:
    """The first of as many free ports in a row as an installation needs."""
    for _ in range(BASE_ATTEMPTS_MAX):
        base = random.randrange(BASE_FIRST, BASE_FIRST + 3_000 - len(PORT_NAMES))
        if not any(listens(port) for port in range(base, base + len(PORT_NAMES))):
            return base
    raise RuntimeError("no free range of ports was found")


def wait_until(condition: Callable[[], bool], what: str, patience_s: float = PATIENCE_S) -> None:
    """Wait until the condition holds; fails naming what was waited for."""
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline, f"waited {patience_s:g} s in vain for: {what}"
        time.sleep(0.1)


@dataclass(frozen=True, kw_only=True)
class Installation:
    """`manage.py` of this source tree, with other state and ports."""

    var: Path
    port_base: int = field(default_factory=free_port_base)
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """The operator's environment, free of what the tests themselves set."""
        clean = {
            name: value for name, value in os.environ.items() if not name.startswith(_STRANGERS)
        }
        own = {"QT_VAR": str(self.var), "QT_PORT_BASE": str(self.port_base)}
        return {**clean, **own, **self.variables}

    @property
    def ports(self) -> list[int]:
        """Every port it may listen on."""
        return list(range(self.port_base, self.port_base + len(PORT_NAMES)))

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            [sys.executable, ROOT / "manage.py", *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=COMMAND_TIMEOUT_S,
            env=self.environment,
        )

    def status(self) -> dict[str, Any]:
        """What `status --json` says."""
        document: dict[str, Any] = json.loads(self.manage("status", "--json").stdout)
        return document

    def process(self, name: str) -> dict[str, Any]:
        """One process of it."""
        found: dict[str, Any] = next(
            each for each in self.status()["processes"] if each["name"] == name
        )
        return found

    def pids(self) -> list[int]:
        """The supervisor and every process that it started."""
        status = self.status()
        children = [each["pid"] for each in status["processes"] if each["pid"] is not None]
        return [*children, status["pid"]]

    def is_healthy(self) -> bool:
        """Whether all of it is."""
        return bool(self.status()["healthy"])

    def assert_nothing_is_left(self, pids: list[int]) -> None:
        """No process of it lives and no port of it is listened on."""
        wait_until(lambda: not any(map(process_birth, pids)), "the end of all processes")
        wait_until(lambda: not any(map(listens, self.ports)), "the end of all listening")
