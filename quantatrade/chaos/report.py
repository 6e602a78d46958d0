"""What a campaign found, and why it could not go on."""

from __future__ import annotations

from dataclasses import dataclass, field


class ChaosError(Exception):
    """The campaign could not go on: what did not come back, or what did not start."""


@dataclass
class Report:
    """The flat result; all but `kills` and the times must be 0."""

    kills: int = 0
    lost: int = 0
    doubled: int = 0
    gaps: int = 0
    drift: int = 0
    violations: int = 0
    acknowledged: int = 0
    retries: int = 0
    rest_orders: int = 0
    rest_retries: int = 0
    deposits: int = 0
    socket_messages: int = 0
    recoveries_s: list[float] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        return not (self.lost or self.doubled or self.gaps or self.drift or self.violations)

    def as_dict(self) -> dict[str, int | float]:
        """The keys that the JSON line has."""
        ordered = sorted(self.recoveries_s) or [0.0]
        return {
            "kills": self.kills,
            "lost": self.lost,
            "doubled": self.doubled,
            "gaps": self.gaps,
            "drift": self.drift,
            "violations": self.violations,
            "recovery_p50_s": round(ordered[len(ordered) // 2], 2),
            "recovery_p99_s": round(ordered[int(len(ordered) * 0.99)], 2),
            "acknowledged": self.acknowledged,
            "retries": self.retries,
            "rest_orders": self.rest_orders,
            "rest_retries": self.rest_retries,
            "deposits": self.deposits,
            "socket_messages": self.socket_messages,
        }
