"""What the supervisor must know of a process, and how one is launched.

A `ProcessSpec` is plain data: the supervisor, the tests and the status table all read the same
one. Invariant: every process is the leader of its own group and dies with whoever launched it.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

Probe = Callable[[], Awaitable[str | None]]
"""Answers None when healthy, else the reason in a few words."""

LAUNCHER = Path(__file__).with_name("launch.py")
INHERITED_VARIABLES = (
    "HOME", "LANG", "LC_ALL", "LOGNAME", "PATH", "PYTHONDONTWRITEBYTECODE", "SHELL",
    "SSL_CERT_DIR", "SSL_CERT_FILE", "TMPDIR", "TZ", "USER",
)  # fmt: skip
"""What a child sees of our own environment; everything else is given to it on purpose."""


@dataclass(frozen=True, kw_only=True)
class ProcessSpec:
    """One supervised process. Time-outs are seconds."""

    name: str
    command: tuple[str, ...]
    probe: Probe
    address: str
    ports: tuple[int, ...] = ()
    after: tuple[str, ...] = ()
    """Who must be healthy before it starts."""
    uses: tuple[str, ...] = ()
    """Who else must still be there while it stops."""
    environment: Mapping[str, str] = field(default_factory=dict)
    identity: str = "self"
    directory: Path = Path("/")
    stop_signal: signal.Signals = signal.SIGTERM
    stop_timeout_s: float = 10.0
    start_timeout_s: float = 60.0


def base_environment() -> dict[str, str]:
    """The few variables of ours that children inherit: no secret reaches one by accident."""
    inherited = {name: os.environ[name] for name in INHERITED_VARIABLES if name in os.environ}
    return {**inherited, "PYTHONUNBUFFERED": "1"}


def launch(spec: ProcessSpec, log: Path) -> subprocess.Popen[bytes]:
    """Start the process with its output appended to `log`; call it from the main thread.

    The kernel ties a child's life to the *thread* that made it.
    """
    with log.open("ab") as output:
        return subprocess.Popen(
            launch_command(spec.identity, spec.command),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=spec.directory,
            env={**base_environment(), **spec.environment},
            start_new_session=True,
        )


def launch_command(identity: str, command: tuple[str, ...]) -> list[str]:
    """The command line that runs `command` under `identity`, tied to this process."""
    launcher = [sys.executable, "-I", "-S", str(LAUNCHER)]
    return [*launcher, str(os.getpid()), identity, *command]


def signal_group(process_group: int, number: signal.Signals) -> bool:
    """Send a signal to every process of the group; False when none is left."""
    try:
        os.killpg(process_group, number)
    except ProcessLookupError:
        return False
    return True
