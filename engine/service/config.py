"""What an engine process is told at start."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from engine.journal.format import SEGMENT_BYTES_DEFAULT
from engine.service.tls import TlsFiles

PEER_WAIT_DEFAULT_S: Final = 5.0
PEER_WAIT_MAX_S: Final = 600.0
SNAPSHOT_BYTES_DEFAULT: Final = 256 << 20
SNAPSHOT_BYTES_MIN: Final = 1 << 16
MESSAGE_BYTES_DEFAULT: Final = 1 << 20  # 4096 packed commands are half of it
MESSAGE_BYTES_MIN: Final = 1 << 10
MESSAGE_BYTES_MAX: Final = 16 << 20
CONCURRENT_STREAMS_DEFAULT: Final = 1024
CONCURRENT_STREAMS_MAX: Final = 65_536


@dataclass(frozen=True, kw_only=True)
class EngineConfig:
    """`listen` is a host:port, 0 for any free port, on loopback unless `tls` and `token_file` are
    given; `telemetry_port` None: no telemetry pages.

    `snapshot_bytes` of commands and events are journaled between two snapshots; 0: no snapshots.
    """

    data_dir: Path
    listen: str
    telemetry_port: int | None = None
    kernel: str = "auto"
    segment_bytes: int = SEGMENT_BYTES_DEFAULT
    peer_wait_s: float = PEER_WAIT_DEFAULT_S
    accept_loss: bool = False
    snapshot_bytes: int = SNAPSHOT_BYTES_DEFAULT
    archive_dir: Path | None = None
    snapshot_at_stop: bool = False
    tls: TlsFiles | None = None
    token_file: Path | None = None
    message_bytes: int = MESSAGE_BYTES_DEFAULT
    concurrent_streams: int = CONCURRENT_STREAMS_DEFAULT
