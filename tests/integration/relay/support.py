"""A real journal written by a real kernel, a relay process, and a reader of the stream."""

from __future__ import annotations

import asyncio
import http.client
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final, TypeVar

import nats
from nats.js import JetStreamContext

from engine.journal import journal_records
from engine.journal.writer import Journal
from engine.kernel import load_kernel
from engine.proto.records import Command, CommandType, pack_command
from engine.proto.stream import STREAM_NAME, StreamBatch, unpack_batch
from quantatrade.bootstrap.servers.standalone import free_ports

T = TypeVar("T")
ASSET_ID: Final = 1
USER_ID: Final = 7
SEGMENT_BYTES: Final = 256 << 10  # small, so that the tests cross segments
WAIT_S: Final = 60.0
ROOT: Final = Path(__file__).parents[3]
LISTING: Final = (
    Command(CommandType.ADD_ASSET, asset_id=ASSET_ID, quantity=8, amount=10**18, text=b"BTC"),
    Command(CommandType.ADD_USER, user_id=USER_ID),
)


class EngineStandIn:
    """What the engine does to its directory: kernel and journal, without a network.

    Opening the directory again raises the epoch as a restarted engine does.
    """

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self._kernel = load_kernel("reference")
        self._journal = Journal(data_dir, segment_bytes=SEGMENT_BYTES)
        for record in self._journal.recover():
            self._kernel.apply(record.commands, record.time_us)
        self.epoch = self._journal.epoch
        if self._kernel.event_seq == 0:
            self.apply(*LISTING)

    @property
    def event_seq(self) -> int:
        return self._kernel.event_seq

    def apply(self, *commands: Command) -> None:
        """Apply one batch and make it durable."""
        packed = b"".join(pack_command(command) for command in commands)
        stamp = max(time.time_ns() // 1_000, self._kernel.time_us)
        self._journal.prepare(len(commands), 4 * len(commands))
        events = self._kernel.apply(packed, stamp)
        self._journal.append(packed, events, stamp)

    def deposit(self, count: int, batch_size: int = 100) -> None:
        """Write `count` events in batches."""
        for start in range(0, count, batch_size):
            size = min(batch_size, count - start)
            self.apply(*(self._deposit(self.event_seq + 1 + i) for i in range(size)))

    def _deposit(self, number: int) -> Command:
        return Command(
            CommandType.DEPOSIT,
            user_id=USER_ID,
            asset_id=ASSET_ID,
            amount=number,
            request_id=self.epoch.to_bytes(8, "big") + number.to_bytes(8, "big"),
        )

    @contextmanager
    def depositing(self, batch_size: int, pause_s: float) -> Iterator[None]:
        """Keep writing batches in the background for the length of a `with` block."""
        stop = threading.Event()

        def work() -> None:
            while not stop.is_set():
                self.deposit(batch_size)
                stop.wait(pause_s)

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(WAIT_S)

    def close(self) -> None:
        self._journal.close()


class RelayProcess:
    """`python -m engine.relay` as the product starts it."""

    def __init__(self, data_dir: Path, nats_url: str, *options: str) -> None:
        (self.port,) = free_ports(1)
        self._log = data_dir.parent / f"{data_dir.name}-relay.log"
        command = [sys.executable, "-m", "engine.relay", "--data", str(data_dir)]
        command += ["--nats-url", nats_url, "--telemetry-port", str(self.port), *options]
        environment = {k: v for k, v in os.environ.items() if k != "ENGINE_ADDRESS"}
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(command, stderr=log, env=environment, cwd=ROOT)

    def get(self, path: str) -> tuple[int, str]:
        """Return status and text of a page, (0, "") while nobody listens."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)) as connection:
            try:
                connection.request("GET", path)
                response = connection.getresponse()
                return response.status, response.read().decode()
            except OSError:
                return 0, ""

    def is_alive(self) -> bool:
        return self.get("/healthz")[0] == 200

    def metric(self, name: str) -> float:
        """Return one figure of the metrics page, -1 while there is none."""
        for line in self.get("/metrics")[1].splitlines():
            if line.startswith(f"{name} "):
                return float(line.split()[1])
        return -1.0

    def wait_ready(self) -> None:
        self.wait_until(lambda: self.get("/readyz")[0] == 200, "relay ready")

    def wait_until(self, holds: Callable[[], bool], what: str) -> None:
        """Wait for a condition of this relay, which must stay alive meanwhile."""

        def holds_or_dead() -> bool:
            code = self.process.poll()
            assert code is None, f"relay exited with {code}\n{self.log()}"
            return holds()

        wait_until(holds_or_dead, what, self.log)

    def log(self) -> str:
        return self._log.read_text()

    def exit_code(self) -> int:
        """Wait for the process to end by itself."""
        return self.process.wait(WAIT_S)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(WAIT_S)


@contextmanager
def relay_running(data_dir: Path, nats_url: str, *options: str) -> Iterator[RelayProcess]:
    """A relay for the length of a `with` block."""
    relay = RelayProcess(data_dir, nats_url, *options)
    try:
        yield relay
    finally:
        relay.kill()


def wait_until(
    holds: Callable[[], bool], what: str, detail: Callable[[], str] = lambda: ""
) -> None:
    """Wait until a condition holds; the assertion names what did not happen."""
    deadline = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < deadline, f"waited {WAIT_S} s for {what}\n{detail()}"
        time.sleep(0.02)


def journal_events(data_dir: Path) -> bytes:
    """All durable events, as one string of bytes."""
    return b"".join(bytes(record.events) for record in journal_records(data_dir))


def with_stream(nats_url: str, work: Callable[[JetStreamContext], Awaitable[T]]) -> T:
    """Run a piece of work on a connection of its own."""

    async def connected() -> T:
        client = await nats.connect(nats_url)
        try:
            return await work(client.jetstream())
        finally:
            await client.close()

    return asyncio.run(connected())


def stream_messages(nats_url: str) -> list[tuple[StreamBatch, dict[str, str]]]:
    """Return the whole stream, batches and headers in stored order."""

    async def read(js: JetStreamContext) -> list[tuple[StreamBatch, dict[str, str]]]:
        state = (await js.stream_info(STREAM_NAME)).state
        stored = range(state.first_seq, state.last_seq + 1)
        messages = [await js.get_msg(STREAM_NAME, seq=stream_seq) for stream_seq in stored]
        return [(unpack_batch(m.data or b""), dict(m.headers or {})) for m in messages]

    return with_stream(nats_url, read)


def stream_batches(nats_url: str) -> list[StreamBatch]:
    """Return the batches of the whole stream in stored order."""
    return [batch for batch, _ in stream_messages(nats_url)]
