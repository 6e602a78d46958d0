"""What a mirror tells Prometheus."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS: Final = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class MirrorMetrics:
    """Lag is 0 when every durable event of the engine is in the books."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, words: str) -> Gauge:
            return Gauge(f"qt_mirror_{name}", words, registry=registry)

        self.lag_events = gauge("lag_events", "Durable events of the engine not in the books")
        self.lag_seconds = gauge("lag_seconds", "Age of the newest booked event while behind")
        self.last_event_seq = gauge("last_event_seq", "Newest event in the books")
        self.last_checkpoint_seq = gauge("last_checkpoint_seq", "Newest checkpoint that agreed")
        self.halted = gauge("halted", "1 if books and engine contradict each other")
        self.engine_reachable = gauge("engine_reachable", "1 if the engine answered last time")
        self.events = Counter("qt_mirror_events", "Events booked", registry=registry)
        self.gaps = Counter("qt_mirror_gaps", "Gaps filled from the engine", registry=registry)
        self.failures = Counter(
            "qt_mirror_sessions_failed", "Sessions ended by a failure", ["cause"], registry=registry
        )
        self.apply_seconds = Histogram(
            "qt_mirror_apply_seconds",
            "Time to book one run of events",
            registry=registry,
            buckets=_SECONDS,
        )
