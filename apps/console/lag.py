"""How far the books are behind the engine.

Invariant: the lag is measured between the engine's own durable sequence and the mirror's cursor,
asked now; where either cannot be asked, that is said and no number is given.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from apps.core.engine_gateway import EngineUnavailableError, engine_status
from apps.core.types import Check, EngineStatus
from apps.mirror.console_reads import MirrorState, mirror_states

LAG_SECONDS_MAX: Final = 5.0


@dataclass(frozen=True, slots=True)
class Lag:
    """Events that one mirror has not taken in yet, and since when it lacks them."""

    mirror: str
    events: int
    seconds: float

    @property
    def is_within_limit(self) -> bool:
        """Whether the books are fresh enough to rely on."""
        return self.seconds <= LAG_SECONDS_MAX


def mirror_lag(engine: EngineStatus, mirror: MirrorState, now: datetime) -> Lag:
    """Return the lag of one mirror at `now`.

    Its age counts from the mirror's last step: the oldest event that it lacks came after that.
    """
    events = max(0, engine.event_seq - mirror.last_event_seq)
    if not events:
        return Lag(mirror.name, 0, 0.0)
    since = (now - mirror.updated_at).total_seconds()
    if engine.time_at is not None and mirror.last_event_seq == 0:
        since = min(since, (now - engine.time_at).total_seconds())
    return Lag(mirror.name, events, max(0.0, since))


def mirror_lag_reason() -> str | None:
    """Return None if every mirror follows within the limit, else which does not."""
    try:
        engine = engine_status()
    except EngineUnavailableError as error:
        return f"lag is unknown: {error}"
    mirrors = mirror_states()
    if not mirrors:
        return "no mirror has ever written to the books"
    now = datetime.now(UTC)
    for mirror in mirrors:
        if mirror.halted_reason:
            return f"mirror {mirror.name} has halted: {mirror.halted_reason}"
        lag = mirror_lag(engine, mirror, now)
        if not lag.is_within_limit:
            return (
                f"mirror {mirror.name} is {lag.events} events and {lag.seconds:.1f} s behind, "
                f"expected at most {LAG_SECONDS_MAX:.0f} s"
            )
    return None


MIRROR_CHECK: Final = Check("mirror", mirror_lag_reason)
