"""What is known of an installation from outside its supervisor: running or not, and each process.

The supervisor holds a lock for as long as it lives and rewrites one file whenever something
changes. Invariant: the lock decides whether it runs; the file alone is never believed.
"""

import contextlib
import fcntl
import json
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TextIO

from quantatrade.bootstrap.failure import BootstrapError
from quantatrade.bootstrap.process import signal_group
from quantatrade.bootstrap.state_directory import StateDirectory

LOCK_PATIENCE_S = 1.0  # a `status` may hold the lock for the moment of its look
LEFTOVER_TIMEOUT_S = 10.0
POLL_INTERVAL_S = 0.05

HEALTHY = "healthy"


@dataclass(frozen=True, kw_only=True)
class ProcessStatus:
    """One line of the status table. `health` is "healthy", the reason why not, or empty."""

    name: str
    state: str
    pid: int | None
    address: str
    health: str
    restarts: int
    uptime_s: int | None
    log: str | None
    birth: int | None = None
    """The kernel's start time of `pid`, which tells it from a later process of the same number."""


@dataclass(frozen=True, kw_only=True)
class Status:
    """The whole installation. `phase` is starting, running, stopping or stopped."""

    phase: str
    pid: int | None = None
    console_url: str = ""
    processes: tuple[ProcessStatus, ...] = field(default=())

    @property
    def is_healthy(self) -> bool:
        """Whether it runs and every process is healthy."""
        return self.phase == "running" and all(each.health == HEALTHY for each in self.processes)

    def as_json(self) -> dict[str, Any]:
        """The form that `status --json` prints and the status file keeps."""
        return {**asdict(self), "healthy": self.is_healthy}

    def to_json(self) -> str:
        """`as_json` as text."""
        return json.dumps(self.as_json(), indent=1)


STOPPED = Status(phase="stopped")


def process_birth(pid: int) -> int | None:
    """When the process was started, in clock ticks since boot; None if there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    state, *fields = text.rpartition(")")[2].split()
    return None if state in "ZX" else int(fields[18])


@contextlib.contextmanager
def supervisor_lock(state: StateDirectory) -> Iterator[TextIO | None]:
    """Hold the installation's lock; None when another supervisor has it."""
    with state.lock_file.open("a+") as file:
        deadline = time.monotonic() + LOCK_PATIENCE_S
        while not _try_lock(file):
            if time.monotonic() > deadline:
                yield None
                return
            time.sleep(POLL_INTERVAL_S)
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield file


def _try_lock(file: TextIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def supervisor_pid(state: StateDirectory) -> int | None:
    """The process id of the running supervisor, or None."""
    try:
        with state.lock_file.open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(file.read().strip() or 0) or None
            return None
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BootstrapError(
            f"{state.lock_file} cannot be read ({error.strerror}): run this as the owner of"
            f" {state.path}."
        ) from error


def write_status(state: StateDirectory, status: Status) -> None:
    """Replace the status file in one step."""
    unfinished = state.status_file.with_suffix(".unfinished")
    unfinished.write_text(status.to_json() + "\n")
    unfinished.replace(state.status_file)


def last_status(state: StateDirectory) -> Status:
    """What the status file says, true or not; STOPPED when there is none or it is damaged."""
    try:
        document = json.loads(state.status_file.read_text())
        del document["healthy"]
        processes = tuple(ProcessStatus(**each) for each in document.pop("processes"))
        return Status(**document, processes=processes)
    except (OSError, ValueError, KeyError, TypeError):
        return STOPPED


def current_status(state: StateDirectory) -> Status:
    """What is true now."""
    pid = supervisor_pid(state)
    if pid is None:
        return STOPPED
    status = last_status(state)
    return status if status.pid == pid else Status(phase="starting", pid=pid)


def kill_leftovers(state: StateDirectory) -> list[str]:
    """Kill processes that a dead supervisor left; call it without or under our own lock.

    Returns their names. A process is known by its number *and* its time of birth.
    """
    left = [
        each
        for each in last_status(state).processes
        if each.pid is not None and process_birth(each.pid) == each.birth is not None
    ]
    for each in left:
        signal_group(each.pid or 0, signal.SIGKILL)
    deadline = time.monotonic() + LEFTOVER_TIMEOUT_S
    for each in left:
        while process_birth(each.pid or 0) == each.birth:
            if time.monotonic() > deadline:
                raise BootstrapError(
                    f"A former {each.name} (pid {each.pid}) does not end: kill it, then try again."
                )
            time.sleep(POLL_INTERVAL_S)
    return [each.name for each in left]
