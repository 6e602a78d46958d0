"""The processes behind the served layer: an engine, a NATS server and a relay, each on its core.

Invariant: a process is pinned before its first thread begins, so all its threads are; and none of
them outlives the `with` block that it was started in.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

from engine.bench.proof import BenchmarkError
from engine.client.access import Access

START_TIMEOUT_S: Final = 120.0
STOP_TIMEOUT_S: Final = 60.0
POLL_S: Final = 0.01
HOST: Final = "127.0.0.1"
NO_ACCESS: Final = Access()  # plain and without a token, whatever the environment says
ROOT: Final = Path(__file__).resolve().parents[2]
_PIN: Final = (
    "import os, sys; os.sched_setaffinity(0, {int(sys.argv[1])}); "
    "os.execv(sys.argv[2], sys.argv[2:])"
)
_NATS_CONFIGURATION: Final = """\
listen: "{host}:{port}"
authorization {{ user: "bench", password: "{password}" }}
jetstream {{ store_dir: "{directory}", max_memory_store: 64MB, sync_interval: always }}
"""


class Cores(NamedTuple):
    """Which core the engine has to itself, and which one all others share; None: not pinned."""

    engine: int | None
    others: int | None


def choose_cores() -> Cores:
    """The last core for the engine, the first for the others, if there are two to be had."""
    try:
        cores = sorted(os.sched_getaffinity(0))
    except AttributeError:  # not Linux
        return Cores(None, None)
    return Cores(cores[-1], cores[0]) if len(cores) > 1 else Cores(None, None)


def pinned(command: Sequence[str], core: int | None) -> list[str]:
    """The command, kept on one core from its first instruction."""
    if core is None:
        return list(command)
    return [sys.executable, "-c", _PIN, str(core), *command]


def pin_this(core: int | None) -> None:
    """Keep this process, and the threads it has yet to make, on one core."""
    if core is not None:
        with suppress(OSError):
            os.sched_setaffinity(0, {core})


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        return int(listener.getsockname()[1])


@contextmanager
def process(
    command: Sequence[str], core: int | None, log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program whose output goes to a file; it is stopped, or killed, at the end."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as file:
        running = subprocess.Popen(
            pinned(command, core), cwd=ROOT, stdin=subprocess.DEVNULL, stdout=file, stderr=file
        )
    try:
        yield running
    finally:
        if running.poll() is None:
            running.send_signal(signal.SIGTERM)
            try:
                running.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                running.kill()
                running.wait()


def wait_for_log(running: subprocess.Popen[bytes], log: Path, event: str) -> dict[str, object]:
    """The first log line of this name. BenchmarkError if the process ends without it."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        for line in log.read_text("utf-8", "replace").splitlines():
            if f'"event": "{event}"' in line:
                entry: dict[str, object] = json.loads(line)
                return entry
        if running.poll() is not None:
            break
        time.sleep(POLL_S)
    tail = log.read_text("utf-8", "replace")[-2000:]
    raise BenchmarkError(f"no {event!r} in {log} within {START_TIMEOUT_S} s; it ends in {tail}")


@contextmanager
def engine(data_dir: Path, core: int | None, log: Path) -> Iterator[tuple[str, int]]:
    """A running engine that is ready: its address and telemetry port."""
    command = [
        *(sys.executable, "-m", "engine", "--data", str(data_dir), "--listen", f"{HOST}:0"),
        *("--telemetry-port", "0", "--snapshot-bytes", "0", "--peer-wait", "0"),
    ]
    with process(command, core, log) as running:
        wait_for_log(running, log, "ready")
        entry = wait_for_log(running, log, "listening")
        yield str(entry["address"]), int(str(entry["telemetry_port"]))


def nats_binary() -> Path | None:
    """The server program that its wheel installs, or one on the path."""
    shipped = Path(sysconfig.get_path("scripts")) / "nats-server"
    if shipped.exists():
        return shipped
    found = shutil.which("nats-server")
    return Path(found) if found else None


@contextmanager
def relay(data_dir: Path, address: str, core: int | None, directory: Path) -> Iterator[int | None]:
    """A NATS server and a relay that publishes into it; the relay's telemetry port.

    None, and nothing is started, where there is no NATS server to be had.
    """
    binary = nats_binary()
    if binary is None:
        yield None
        return
    password, port = secrets.token_hex(16), free_port()
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    configuration = directory / "nats.conf"
    configuration.touch(mode=0o600)
    configuration.write_text(
        _NATS_CONFIGURATION.format(
            host=HOST, port=port, password=password, directory=directory / "store"
        )
    )
    log = directory / "relay.log"
    command = [sys.executable, "-m", "engine.relay", "--data", str(data_dir), "--engine", address]
    with process(
        [str(binary), "--config", str(configuration)], core, directory / "nats.log"
    ) as nats:
        _wait_for_port(nats, port)
        os.environ["NATS_URL"] = f"nats://bench:{password}@{HOST}:{port}"
        with process(command, core, log) as running:
            entry = wait_for_log(running, log, "relay_started")
            yield int(str(entry["telemetry_port"]))


def _wait_for_port(running: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and running.poll() is None:
        with suppress(OSError), socket.create_connection((HOST, port), timeout=1):
            return
        time.sleep(POLL_S)
    raise BenchmarkError(f"the NATS server did not listen on port {port}")


def metric(port: int, name: str) -> float:
    """A gauge or counter of a process's /metrics page."""
    with urllib.request.urlopen(f"http://{HOST}:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    found = re.search(rf"^{name} (\S+)$", text, re.MULTILINE)
    if found is None:
        raise BenchmarkError(f"metric {name} is not on the page of port {port}")
    return float(found[1])
