"""How far the books are behind the engine.

Invariant: the lag is measured between the mirror's cursor and the engine's own durable sequence,
asked in this order, so that a mirror can never seem to be ahead unless it is; where either cannot
be asked, that is said and no number is given.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from apps.core.engine_gateway import EngineUnavailableError, engine_status, event_occurred_at
from apps.core.types import Check, EngineStatus
from apps.mirror.console_reads import MirrorState, mirror_states

LAG_SECONDS_MAX: Final = 5.0


@dataclass(frozen=True, slots=True)
class Lag:
    """Events that one mirror lacks, and the age of the oldest of them.

    Negative events mean that the mirror knows events which this engine never had.
    """

    mirror: str
    events: int
    seconds: float

    @property
    def reason(self) -> str | None:
        """Why the books cannot be relied on; None if they can."""
        if self.events < 0:
            return f"{self.mirror} has {-self.events} events that this engine never had"
        if self.seconds > LAG_SECONDS_MAX:
            return (
                f"{self.mirror} is {self.events} events and {self.seconds:.1f} s behind, "
                f"expected at most {LAG_SECONDS_MAX:.0f} s"
            )
        return None


def mirror_lag(mirror: MirrorState, engine: EngineStatus, now: datetime) -> Lag:
    """Return the lag of one mirror at `now`. EngineUnavailableError if it cannot be measured."""
    events = engine.event_seq - mirror.last_event_seq
    if events <= 0:
        return Lag(mirror.name, events, 0.0)
    oldest_at = event_occurred_at(mirror.last_event_seq + 1)
    seconds = 0.0 if oldest_at is None else max(0.0, (now - oldest_at).total_seconds())
    return Lag(mirror.name, events, seconds)


def mirror_lag_ms() -> int | None:
    """Return how old the oldest missing event of the slowest mirror is; None if that is unknown."""
    mirrors = mirror_states()
    try:
        engine = engine_status()
        lags = [mirror_lag(mirror, engine, datetime.now(UTC)) for mirror in mirrors]
    except EngineUnavailableError:
        return None
    behind = [round(lag.seconds * 1000) for lag in lags if lag.events >= 0]
    return max(behind, default=None)


def mirror_lag_reason() -> str | None:
    """Return None if every mirror follows within the limit, else which does not."""
    mirrors = mirror_states()
    if not mirrors:
        return "no mirror has written to the books yet"
    try:
        engine = engine_status()
        now = datetime.now(UTC)
        for mirror in mirrors:
            if mirror.halted_reason:
                return f"{mirror.name} has halted: {mirror.halted_reason}"
            reason = mirror_lag(mirror, engine, now).reason
            if reason is not None:
                return reason
    except EngineUnavailableError as error:
        return f"lag is unknown: {error}"
    return None


MIRROR_CHECK: Final = Check("mirror", mirror_lag_reason)
