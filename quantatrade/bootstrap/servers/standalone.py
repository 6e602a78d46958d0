"""Run one embedded server without the supervisor: for tests and one-off tools.

The server dies with the calling process. Invariant: `start` returns only when the server is
healthy, and leaving the `with` block leaves no process behind.
"""

import asyncio
import contextlib
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from quantatrade.bootstrap.failure import BootstrapError
from quantatrade.bootstrap.process import ProcessSpec, launch, signal_group

PROBE_INTERVAL_S = 0.05
LOG_TAIL_CHARACTERS = 2000


class RunningServer:
    """A process started from its `ProcessSpec`; it can be killed and started again."""

    def __init__(self, spec: ProcessSpec, log: Path) -> None:
        """Nothing runs until `start`."""
        self.spec = spec
        self.log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        if self._process is None:
            raise RuntimeError(f"{self.spec.name} is not running")
        return self._process.pid

    def start(self) -> None:
        """Start it and wait until it is healthy."""
        self._process = launch(self.spec, self.log)
        deadline = time.monotonic() + self.spec.start_timeout_s
        reason: str | None = "not asked yet"
        while reason is not None:
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                tail = self.log.read_text(errors="replace")[-LOG_TAIL_CHARACTERS:]
                raise BootstrapError(f"{self.spec.name} did not start: {reason}\n{tail}")
            time.sleep(PROBE_INTERVAL_S)
            reason = asyncio.run(_probe(self.spec))

    def stop(self) -> None:
        """Ask it to stop, wait within its time-out, then kill what is left."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(self.spec.stop_signal)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(self.spec.stop_timeout_s)
        self.kill()

    def kill(self) -> None:
        """SIGKILL its whole process group and collect it."""
        if self._process is not None:
            signal_group(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None


async def _probe(spec: ProcessSpec) -> str | None:
    return await spec.probe()


@contextlib.contextmanager
def running(spec: ProcessSpec, log: Path) -> Iterator[RunningServer]:
    """The server, healthy, for the length of a `with` block."""
    server = RunningServer(spec, log)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def free_ports(count: int) -> list[int]:
    """Distinct loopback ports that nobody listens on at this moment."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
