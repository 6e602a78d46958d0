"""What ends a replay early. The message is for whoever started it."""

from __future__ import annotations


class ReplayError(Exception):
    """The replay cannot be done or went on; nothing is said about the engine's books."""


class BookMismatchError(ReplayError):
    """The engine's book is not the recording's. Names symbol, step and level."""
