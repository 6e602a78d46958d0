"""How a message becomes text: compact JSON, times in UTC, one encoding whoever receives it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def encode(message: Mapping[str, Any]) -> str:
    """Return a message as JSON. A float has no place in one: TypeError."""
    return json.dumps(message, separators=(",", ":"), ensure_ascii=False, default=_refuse)


def _refuse(value: object) -> str:
    raise TypeError(f"a message held {type(value).__name__}, expected text, whole numbers or lists")


def time_text(time_us: int) -> str:
    """Return an instant in microseconds since 1970 as ISO 8601 in UTC."""
    instant = _EPOCH + timedelta(microseconds=time_us)
    return f"{instant:%Y-%m-%dT%H:%M:%S}.{instant.microsecond:06d}Z"
