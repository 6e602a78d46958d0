"""Frozen statements of the services as JSON: the same names, nothing added."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from apps.core.amounts import plain


def body_of(value: Any) -> Any:
    """Return a statement as JSON values: decimals as text, instants in UTC with a Z."""
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, tuple | list):
        return [body_of(item) for item in value]
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: body_of(getattr(value, field.name)) for field in fields(value)}
    return value
