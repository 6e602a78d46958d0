"""What `core` tells other apps, as frozen values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

Probe = Callable[[], str | None]


@dataclass(frozen=True, slots=True)
class Check:
    """One condition of readiness. `probe` returns None, or in plain words why it is not met."""

    name: str
    probe: Probe


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What a check found; `reason` is None if it passed."""

    name: str
    reason: str | None
    latency_ms: int


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """The engine's own words about itself, and how long it took to say them."""

    epoch: int
    command_seq: int
    event_seq: int
    kernel: str
    open_orders: int
    users: int
    accounts: int
    time_at: datetime | None
    semantics: str
    latency_ms: int


@dataclass(frozen=True, slots=True)
class ProcessReport:
    """The newest look at one process."""

    process: str
    state: str
    detail: str
    latency_ms: int
    checked_at: datetime
