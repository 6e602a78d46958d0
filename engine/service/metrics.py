"""What an engine counts about itself, for Prometheus. Names are stable: dashboards read them."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

_SECONDS: Final = (5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 5e-2, 0.1, 0.5, 1.0)

COMMANDS: Final = Counter("engine_commands", "Commands made durable")
EVENTS: Final = Counter("engine_events", "Events made durable")
CALLS_REFUSED: Final = Counter(
    "engine_calls_refused", "Calls that never became a command", ["code"]
)
BATCH_COMMANDS: Final = Histogram(
    "engine_batch_commands", "Commands in a journal record", buckets=[4**n for n in range(7)]
)
SYNC_SECONDS: Final = Histogram(
    "engine_fsync_seconds", "Journal write and fdatasync", buckets=_SECONDS
)
APPLY_SECONDS: Final = Histogram("engine_apply_seconds", "Kernel, one batch", buckets=_SECONDS)
QUEUE_COMMANDS: Final = Gauge("engine_queue_commands", "Commands waiting or being written")
EPOCH: Final = Gauge("engine_epoch", "Epoch of this process")
COMMAND_SEQ: Final = Gauge("engine_command_seq", "Last durable command")
EVENT_SEQ: Final = Gauge("engine_event_seq", "Last durable event")
OPEN_ORDERS: Final = Gauge("engine_open_orders", "Orders resting in all books")
SNAPSHOTS: Final = Counter("engine_snapshots", "Runs of the snapshot process", ["outcome"])
SNAPSHOT_SECONDS: Final = Gauge("engine_snapshot_seconds", "Duration of the last of them")
ARCHIVED_SEGMENTS: Final = Gauge("engine_archived_segments", "Segments moved to the archive")
START_SECONDS: Final = Gauge("engine_start_seconds", "From the lock to the rebuilt state")
SNAPSHOT_COMMAND_SEQ: Final = Gauge(
    "engine_snapshot_command_seq", "Last command in the newest snapshot"
)
