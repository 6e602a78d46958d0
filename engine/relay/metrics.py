"""The relay's figures for Prometheus, and its answer to whether it is ready.

Lag is what an operator looks at: how many durable events the stream does not have yet, and how old
the oldest of them is.
"""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge

READY_LAG_S_DEFAULT: Final = 5.0


class RelayMetrics:
    """Counters and gauges of one relay."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.lag_events = Gauge(
            "relay_lag_events",
            "Durable events that the stream has not confirmed",
            registry=registry,
        )
        self.lag_seconds = Gauge(
            "relay_lag_seconds", "Age of the oldest event not confirmed", registry=registry
        )
        self.connected = Gauge(
            "relay_connected", "1 while publishing to a verified stream", registry=registry
        )
        self.durable_event_seq = Gauge(
            "relay_durable_event_seq", "Last durable event of the journal", registry=registry
        )
        self.published_event_seq = Gauge(
            "relay_published_event_seq", "Last event confirmed by the stream", registry=registry
        )
        self.published_events = Counter(
            "relay_published_events", "Events confirmed by the stream", registry=registry
        )
        self.published_messages = Counter(
            "relay_published_messages", "Messages confirmed by the stream", registry=registry
        )
        self.sessions_lost = Counter(
            "relay_sessions_lost",
            "Times publishing stopped, by cause",
            ["cause"],
            registry=registry,
        )
