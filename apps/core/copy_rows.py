"""Rows in PostgreSQL's COPY text form, exactly as PostgreSQL itself would write them.

The mirror sends rows in this form, and `verify` compares what COPY TO gives back with what the
events say, byte for byte. Invariant: for every value the text here is the one that PostgreSQL
prints with TimeZone UTC, DateStyle ISO and an 18-place NUMERIC.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

from psycopg import Cursor

from apps.core.amounts import SCALE

NULL: Final = "\\N"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_STAMPS_CACHED: Final = 4096  # events of one engine batch share a stamp
_PADDING: Final = tuple(
    ("." if decimals == 0 else "") + "0" * (SCALE - decimals) for decimals in range(SCALE + 1)
)
_ESCAPES: Final = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def utc(at_us: int) -> datetime:
    """Return the instant `at_us` microseconds after the Unix epoch."""
    return _EPOCH + timedelta(microseconds=at_us)


def time_us(moment: datetime) -> int:
    """Return the microseconds from the Unix epoch to an instant."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


@lru_cache(maxsize=_STAMPS_CACHED)
def instant(at_us: int) -> str:
    """Return a timestamptz: 1_500_000 gives '1970-01-01 00:00:01.5+00'."""
    moment = utc(at_us)
    whole = f"{moment:%Y-%m-%d %H:%M:%S}"
    fraction = f".{moment.microsecond:06d}".rstrip("0") if moment.microsecond else ""
    return f"{whole}{fraction}+00"


@lru_cache(maxsize=_STAMPS_CACHED)
def day(at_us: int) -> str:
    """Return the UTC date of an instant."""
    return f"{utc(at_us):%Y-%m-%d}"


def numeric(atoms: int, decimals: int) -> str:
    """Return atoms of an asset as an 18-place number: (-1050, 3) gives '-1.050000…'."""
    digits = str(atoms if atoms >= 0 else -atoms)
    if decimals:
        if len(digits) <= decimals:
            digits = digits.rjust(decimals + 1, "0")
        digits = f"{digits[:-decimals]}.{digits[-decimals:]}"
    return f"{'-' if atoms < 0 else ''}{digits}{_PADDING[decimals]}"


def boolean(value: bool) -> str:
    """Return 't' or 'f'."""
    return "t" if value else "f"


def text(value: str) -> str:
    """Return a string with the characters escaped that COPY gives a meaning to."""
    return value.translate(_ESCAPES)


def copy_rows(cursor: Cursor, statement: str, rows: Iterable[tuple[str, ...]]) -> None:
    """Send rows of COPY text in one statement; none, and there is no statement."""
    lines = ["\t".join(row) for row in rows]
    if lines:
        with cursor.copy(statement) as copy:
            copy.write("\n".join(lines) + "\n")
