"""The messages that wait for one socket: bounded, so that a slow client costs a known amount.

Invariant: `put` never blocks. Once a limit is passed nothing more is taken, what waits is dropped
and the socket is closed with a code that says why: a client that lost messages must not believe
that it has them all.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from apps.realtime.limits import RealtimeLimits

CLOSE_TOO_SLOW: Final = 4413
REASON_TOO_SLOW: Final = "too slow: messages were waiting beyond the limit"


class Outbox:
    """A queue of texts and, at its end, perhaps a close code."""

    def __init__(self, limits: RealtimeLimits) -> None:
        self._limits = limits
        self._texts: deque[str] = deque()
        self._chars = 0
        self._something = asyncio.Event()
        self.closing = asyncio.Event()
        self.close_code = 0
        self.close_reason = ""

    def __len__(self) -> int:
        return len(self._texts)

    def put(self, text: str) -> None:
        """Queue a message, or close the socket if too many wait."""
        if self.close_code:
            return
        self._texts.append(text)
        self._chars += len(text)
        self._something.set()
        limits = self._limits
        if len(self._texts) > limits.queue_messages_max or self._chars > limits.queue_chars_max:
            self._texts.clear()
            self._chars = 0
            self.close(CLOSE_TOO_SLOW, REASON_TOO_SLOW)

    def close(self, code: int, reason: str) -> None:
        """Take no more; what waits is still sent, then the code."""
        if not self.close_code:
            self.close_code, self.close_reason = code, reason
            self._something.set()
            self.closing.set()

    async def take(self) -> str | None:
        """Return the next message, None when there will be no more."""
        while not self._texts:
            if self.close_code:
                return None
            self._something.clear()
            await self._something.wait()
        text = self._texts.popleft()
        self._chars -= len(text)
        return text
