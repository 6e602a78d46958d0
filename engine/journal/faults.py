"""Named places at which a test can make the process die, as a power cut would, and no other way.

A process that is told `QT_ENGINE_FAULT=<point>` or `<point>:<n>` in its environment kills itself
the first (or n-th) time it comes there. Invariant: without the variable, which nothing but a test
sets, a point does nothing at all.
"""

from __future__ import annotations

import os
import signal
from typing import Final

VARIABLE: Final = "QT_ENGINE_FAULT"
POINTS: Final = (
    "epoch-raised",
    "segment-allocated",
    "segment-headed",
    "segment-named",
    "applied",
    "record-half-written",
    "record-written",
    "record-synced",
    "position-published",
    "snapshot-body-written",
    "snapshot-written",
    "snapshot-synced",
    "snapshot-renamed",
    "archive-packed",
    "archive-named",
)


class _Fault:
    """`left` counts down to the death at `point`."""

    def __init__(self, value: str) -> None:
        self.point, _, count = value.partition(":")
        self.left = int(count or 1)
        if self.point not in POINTS:
            raise ValueError(f"{VARIABLE} was {value!r}, expected one of {', '.join(POINTS)}")


_value = os.environ.get(VARIABLE)
_fault: Final = _Fault(_value) if _value else None


def reach(point: str) -> None:
    """Die here if a test asked for it."""
    if _fault is not None and _fault.point == point:
        _fault.left -= 1
        if not _fault.left:
            os.kill(os.getpid(), signal.SIGKILL)


def is_set(point: str) -> bool:
    """Whether a test asked for a death at this point: for places that need preparing."""
    return _fault is not None and _fault.point == point
