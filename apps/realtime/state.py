"""How the feeds are: told to every socket when it changes, and at each heartbeat.

Invariant: `live` is said only while the engine answers and its stream reaches us without delay.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from apps.realtime.encoding import encode, time_text


class StateBoard:
    """The state of this process's feeds. `broadcast` sends a text to every socket."""

    def __init__(self, broadcast: Callable[[str], None], event_seq: Callable[[], int]) -> None:
        self._broadcast = broadcast
        self._event_seq = event_seq
        self.engine_is_up = False
        self.stream_is_up = False
        self.is_delayed = False

    @property
    def state(self) -> str:
        """`live`, `delayed` (up, but the stream lags) or `down`."""
        if not (self.engine_is_up and self.stream_is_up):
            return "down"
        return "delayed" if self.is_delayed else "live"

    def update(
        self,
        *,
        engine_is_up: bool | None = None,
        stream_is_up: bool | None = None,
        is_delayed: bool | None = None,
    ) -> None:
        """Note what was seen; a change is broadcast."""
        before = self._seen()
        if engine_is_up is not None:
            self.engine_is_up = engine_is_up
        if stream_is_up is not None:
            self.stream_is_up = stream_is_up
        if is_delayed is not None:
            self.is_delayed = is_delayed
        if self._seen() != before:
            self._broadcast(self.message("status"))

    def message(self, kind: str) -> str:
        """Return the state as a message: `status`, or `heartbeat` with the same fields."""
        return encode({"type": kind, **self.fields()})

    def fields(self) -> dict[str, Any]:
        """Return the state as fields of a message."""
        return {
            "state": self.state,
            "engine": "up" if self.engine_is_up else "down",
            "stream": "up" if self.stream_is_up else "down",
            "event_seq": self._event_seq(),
            "time": time_text(time.time_ns() // 1_000),
        }

    def _seen(self) -> tuple[bool, bool, bool]:
        return (self.engine_is_up, self.stream_is_up, self.is_delayed)
