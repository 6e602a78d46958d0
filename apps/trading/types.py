"""The words of orders that are not the engine's own."""

from __future__ import annotations

from enum import Enum


class ClosedStatus(Enum):
    """How an order ended. One that was reduced to nothing by its owner is CANCELED."""

    FILLED = 1
    CANCELED = 2
    EXPIRED = 3
