"""Keep one process running: start it, ask for its health, start it again when it dies.

Invariant: at most one instance runs at a time, and whatever a dead one left of its process group
is killed before the next is started.
"""

import asyncio
import contextlib
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from quantatrade.bootstrap.process import ProcessSpec, launch, signal_group
from quantatrade.bootstrap.status import HEALTHY, ProcessStatus, process_birth

PROBE_INTERVAL_STARTING_S = 0.1
PROBE_INTERVAL_GROWTH = 1.1  # a long start is not asked ten times a second
PROBE_INTERVAL_S = 2.0
BACKOFF_FIRST_S = 0.5
BACKOFF_MAX_S = 30.0
STEADY_AFTER_S = 10.0
START_ATTEMPTS_MAX = 3
LOG_TAIL_LINES = 5
LOG_TAIL_BYTES = 8192

Say = Callable[[str], None]
Watch = Callable[[str, int], None]
"""Told ("add" or "drop", process group) as groups come and go."""


class StartError(Exception):
    """A process did not become healthy when the installation was started."""


class Keeper:
    """Keeps the process of one `ProcessSpec`; `keep` runs until `stop`."""

    def __init__(
        self, spec: ProcessSpec, log: Path, *, say: Say, changed: Callable[[], None], watch: Watch
    ) -> None:
        """Nothing runs until `keep`."""
        self.spec = spec
        self.log = log
        self.has_been_healthy = asyncio.Event()
        self._say = say
        self._changed = changed
        self._watch = watch
        self._process: subprocess.Popen[bytes] | None = None
        self._birth: int | None = None
        self._exited = asyncio.Event()
        self._stopping = asyncio.Event()
        self._started_at = 0.0
        self._starts = 0
        self._failures = 0
        self._state = "waiting"
        self._health = ""

    def status(self) -> ProcessStatus:
        """The process as it is now."""
        running = self._process is not None
        return ProcessStatus(
            name=self.spec.name,
            state=self._state,
            pid=self._process.pid if self._process is not None else None,
            address=self.spec.address,
            health=self._health,
            restarts=max(0, self._starts - 1),
            uptime_s=int(time.monotonic() - self._started_at) if running else None,
            log=str(self.log),
            birth=self._birth if running else None,
        )

    def check_exit(self) -> None:
        """To be called after SIGCHLD.

        What a dead process leaves of its group, a server's workers, dies in this very moment: they
        would hold its port and answer without anybody looking after them.
        """
        process = self._process
        if process is None or self._exited.is_set() or process.poll() is None:
            return
        signal_group(process.pid, signal.SIGKILL)
        self._exited.set()

    async def keep(self) -> None:
        """Run the process, again and again, until `stop`; StartError if it never gets healthy."""
        while not self._stopping.is_set():
            ending = await self._run_once()
            if self._stopping.is_set():
                break
            self._failures = 0 if self._was_steady() else self._failures + 1
            if not self.has_been_healthy.is_set() and self._failures >= START_ATTEMPTS_MAX:
                raise StartError(self._start_failure(ending))
            delay_s = min(BACKOFF_FIRST_S * 2 ** max(0, self._failures - 1), BACKOFF_MAX_S)
            self._become("restarting", ending)
            self._say(f"{self.spec.name} {ending}; again in {delay_s:g} s")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), delay_s)
        self._become("stopped", "")

    async def _run_once(self) -> str:
        """Start the process and follow it to its end; returns how it ended."""
        self._started_at = time.monotonic()
        try:
            self._start()
        except OSError as error:
            return f"could not be started ({error})"
        code = await self._follow()
        return f"ended with {_ending(code)}"

    def _was_steady(self) -> bool:
        return time.monotonic() - self._started_at >= STEADY_AFTER_S

    def _start(self) -> None:
        self._exited.clear()
        self._process = launch(self.spec, self.log)
        self._birth = process_birth(self._process.pid)
        self._watch("add", self._process.pid)
        self._starts += 1
        self._become("starting", "not asked yet")
        self.check_exit()

    async def _follow(self) -> int:
        """Probe the process until it exits; returns its exit code."""
        process = self._process
        if process is None:
            raise RuntimeError("no process was started")
        interval_s = PROBE_INTERVAL_STARTING_S
        try:
            while not self._exited.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._exited.wait(), interval_s)
                if self._exited.is_set() or self._stopping.is_set():
                    continue
                reason = await self._probe()
                if not self._exited.is_set():
                    is_healthy = self._note_health(reason)
                    grown_s = interval_s * PROBE_INTERVAL_GROWTH
                    interval_s = PROBE_INTERVAL_S if is_healthy else min(grown_s, PROBE_INTERVAL_S)
        finally:
            code = self._collect(process)
        return code

    async def _probe(self) -> str | None:
        """What the probe says; a process that ends meanwhile is not waited for."""
        probe = asyncio.ensure_future(self.spec.probe())
        ending = asyncio.ensure_future(self._exited.wait())
        try:
            await asyncio.wait((probe, ending), return_when=asyncio.FIRST_COMPLETED)
            return probe.result() if probe.done() else "it has ended"
        finally:
            for task in (probe, ending):
                task.cancel()
            await asyncio.gather(probe, ending, return_exceptions=True)

    def _collect(self, process: subprocess.Popen[bytes]) -> int:
        """Kill what is left of the process's group and take its exit code."""
        signal_group(process.pid, signal.SIGKILL)
        code = process.wait()
        self._watch("drop", process.pid)
        self._process = None
        self._exited.set()
        return code

    def _note_health(self, reason: str | None) -> bool:
        if reason is None and self._health != HEALTHY:
            self._note_recovery()
        if reason is not None:
            self._note_sickness(reason)
        return reason is None

    def _note_recovery(self) -> None:
        took_s = time.monotonic() - self._started_at
        if self._state == "starting":
            self._say(f"{self.spec.name} is healthy after {took_s:.1f} s")
        else:
            self._say(f"{self.spec.name} is healthy again")
        self._become("running", HEALTHY)
        self.has_been_healthy.set()

    def _note_sickness(self, reason: str) -> None:
        if self._state == "running" and self._health == HEALTHY:
            self._say(f"{self.spec.name} is not healthy: {reason}")
        if not self.has_been_healthy.is_set():
            waited_s = time.monotonic() - self._started_at
            if waited_s > self.spec.start_timeout_s:
                raise StartError(
                    self._start_failure(f"was not healthy within {waited_s:.0f} s: {reason}")
                )
        if reason != self._health:
            self._become(self._state, reason)

    def _become(self, state: str, health: str) -> None:
        self._state, self._health = state, health
        self._changed()

    def _start_failure(self, what: str) -> str:
        tail = _tail(self.log)
        return (
            f"{self.spec.name} {what}. The end of {self.log}:\n{tail}"
            if tail
            else f"{self.spec.name} {what}; it wrote nothing to {self.log}."
        )

    async def stop(self) -> None:
        """Ask the process to stop, wait within its time-out, then kill its group."""
        self._stopping.set()
        process = self._process
        if process is None:
            return
        self._become("stopping", "")
        if process.poll() is None:
            process.send_signal(self.spec.stop_signal)
        try:
            await asyncio.wait_for(self._exited.wait(), self.spec.stop_timeout_s)
        except TimeoutError:
            self._say(
                f"{self.spec.name} did not stop within {self.spec.stop_timeout_s:g} s: killed"
            )
            self.kill()
            await self._exited.wait()

    def kill(self) -> None:
        """SIGKILL, now."""
        if self._process is not None:
            signal_group(self._process.pid, signal.SIGKILL)


def _ending(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"


def _tail(log: Path) -> str:
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - LOG_TAIL_BYTES))
        lines = file.read().decode("utf-8", "replace").splitlines()
    return "\n".join(f"    {line}" for line in lines[-LOG_TAIL_LINES:])
