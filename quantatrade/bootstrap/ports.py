"""Every port of the installation, in one place.

They follow one another from QT_PORT_BASE (8000: the public address), so that a second installation
needs one variable; each can be set alone, as QT_<NAME>_PORT. Invariant: no two are equal, and all
are bound on loopback only.
"""

import errno
import socket
import time
from collections.abc import Iterable, Mapping

from quantatrade.bootstrap.failure import BootstrapError

HOST = "127.0.0.1"
BASE_DEFAULT = 8000
NAMES = (
    "edge", "web", "engine", "engine_telemetry", "relay_telemetry", "mirror_telemetry",
    "worker_telemetry", "beat_telemetry", "postgres", "redis", "nats", "nats_monitor",
    "custodian", "demo_telemetry",
)  # fmt: skip
PORT_MAX = 65535
PATIENCE_S = 3.0
POLL_INTERVAL_S = 0.05


def choose_ports(environment: Mapping[str, str]) -> dict[str, int]:
    """The port of each name, from the environment or from the base."""
    base = _port(environment, "QT_PORT_BASE", BASE_DEFAULT)
    chosen = {
        name: _port(environment, f"QT_{name.upper()}_PORT", base + offset)
        for offset, name in enumerate(NAMES)
    }
    by_port: dict[int, str] = {}
    for name, port in chosen.items():
        if port in by_port:
            raise BootstrapError(
                f"Port {port} is given to both {by_port[port]} and {name}: change"
                f" QT_{name.upper()}_PORT or QT_PORT_BASE."
            )
        by_port[port] = name
    return chosen


def _port(environment: Mapping[str, str], variable: str, default: int) -> int:
    text = environment.get(variable, "") or str(default)
    if not text.isdecimal() or not 1 <= int(text) <= PORT_MAX:
        raise BootstrapError(f"{variable} was {text!r}, expected a port from 1 to {PORT_MAX}.")
    return int(text)


def require_free(name: str, ports: Iterable[int]) -> None:
    """Refuse to start `name` while another program listens on one of its ports.

    A port is given a moment to become free: what a killed supervisor leaves ends just after it.
    """
    deadline = time.monotonic() + PATIENCE_S
    for port in ports:
        while (why := _why_not_free(port)) is not None:
            if time.monotonic() > deadline:
                raise BootstrapError(
                    f"Port {port}, which {name} needs, is {why}: stop that program, or set"
                    " QT_PORT_BASE to a free range of ports."
                )
            time.sleep(POLL_INTERVAL_S)


def _why_not_free(port: int) -> str | None:
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((HOST, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return "in use by another program"
            if error.errno == errno.EACCES:
                return "reserved for root"
            raise
    return None
