"""The fixture `engine_process`: real engines on free ports, in the test's own directory."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
SEGMENT_BYTES = 1 << 20
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0


class EngineStartError(Exception):
    """The process ended before it was ready; the text is its log."""


@dataclass
class EngineUnderTest:
    """One engine process. `logs` are its JSON log lines so far."""

    data_dir: Path
    process: subprocess.Popen[str]
    logs: list[dict[str, Any]] = field(default_factory=list)
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _reader: threading.Thread | None = None

    def __post_init__(self) -> None:
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            try:
                entry = json.loads(line)
            except ValueError:
                entry = {"event": "not_json", "detail": line}
            with self._changed:
                self.logs.append(entry)
                self._changed.notify_all()

    @property
    def address(self) -> str:
        """host:port of the gRPC server."""
        return str(self.wait_for_log("listening")["address"])

    @property
    def telemetry_port(self) -> int:
        return int(self.wait_for_log("listening")["telemetry_port"])

    def wait_for_log(self, event: str, timeout_s: float = START_TIMEOUT_S) -> dict[str, Any]:
        """The first log line of this name. EngineStartError if the process ends without it."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while True:
                for entry in self.logs:
                    if entry["event"] == event:
                        return entry
                if self.process.poll() is not None and not self._is_reading():
                    raise EngineStartError(f"exit code {self.process.returncode}: {self.logs}")
                if time.monotonic() > deadline:
                    raise TimeoutError(f"no {event!r} within {timeout_s} s: {self.logs}")
                self._changed.wait(0.1)

    def _is_reading(self) -> bool:
        return self._reader is not None and self._reader.is_alive()

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.wait()

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def wait(self, timeout_s: float = STOP_TIMEOUT_S) -> int:
        """Wait for the end by itself; all log lines are there afterwards."""
        code = self.process.wait(timeout_s)
        if self._reader is not None:
            self._reader.join(timeout_s)
        assert self.process.stderr is not None
        self.process.stderr.close()
        return code


class EngineFactory(Protocol):
    """Start an engine on a data directory, by default the test's own, and wait until ready."""

    def __call__(
        self,
        *arguments: str,
        data_dir: Path | None = None,
        kernel: str = "reference",
        wait_ready: bool = True,
        wrap: Callable[[list[str]], list[str]] = list,
    ) -> EngineUnderTest: ...


@pytest.fixture
def engine_process(tmp_path: Path) -> Iterator[EngineFactory]:
    """A factory of engine processes; all that still run are killed at the end of the test."""
    engines: list[EngineUnderTest] = []

    def start(
        *arguments: str,
        data_dir: Path | None = None,
        kernel: str = "reference",
        wait_ready: bool = True,
        wrap: Callable[[list[str]], list[str]] = list,
    ) -> EngineUnderTest:
        directory = data_dir or tmp_path / "engine"
        command = [sys.executable, "-m", "engine", "--data", str(directory)]
        defaults = {
            "--listen": "127.0.0.1:0",
            "--telemetry-port": "0",
            "--segment-bytes": str(SEGMENT_BYTES),
            "--kernel": kernel,
        }
        for name, value in defaults.items():
            if name not in arguments:
                command += [name, value]
        process = subprocess.Popen(
            wrap([*command, *arguments]),
            cwd=REPOSITORY,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        engine = EngineUnderTest(directory, process)
        engines.append(engine)
        if wait_ready:
            engine.wait_for_log("ready")
        return engine

    yield start
    for engine in engines:
        if engine.process.poll() is None:
            engine.process.kill()
        engine.wait()


@pytest.fixture
def free_address() -> str:
    """A loopback address that nobody uses now, for engines that come back on the same one."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{listener.getsockname()[1]}"
