"""Bars of one minute as a file states them: read exactly, or refused by line.

Pure: no database. A file is CSV with the header of `COLUMNS`, plain or gzip; `timestamp` is the
opening in milliseconds since 1970. Invariant: each bar opens on a whole minute, later than the one
before it, and its prices are within its low and high.
"""

from __future__ import annotations

import csv
import gzip
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Final

COLUMNS: Final = ("timestamp", "open", "high", "low", "close", "volume")
BARS_MAX: Final = 100_000
TEXT_CHARS_MAX: Final = BARS_MAX * 200
MINUTE: Final = timedelta(minutes=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DECIMAL: Final = re.compile(r"[0-9]{1,18}(\.[0-9]{1,18})?", re.ASCII)
_MILLISECONDS: Final = re.compile(r"[0-9]{1,14}", re.ASCII)


class BarsError(ValueError):
    """The file holds no bars that could be taken; the message names the place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One minute of trading: prices in quote per unit of base, `volume` in base."""

    opened_at: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal


def bars_read(path: Path) -> list[Bar]:
    """Return the bars of a file, oldest first. BarsError, or OSError if it cannot be read."""
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rt", encoding="ascii", newline="") as file:
            text = file.read(TEXT_CHARS_MAX + 1)
    except (UnicodeDecodeError, EOFError, gzip.BadGzipFile) as error:
        raise BarsError(f"{path.name} does not read: {error}") from error
    if len(text) > TEXT_CHARS_MAX:
        raise BarsError(f"{path.name} has more than {TEXT_CHARS_MAX} characters, the most it may")
    return bars_parse(text.splitlines(), path.name)


def bars_parse(lines: Iterable[str], name: str) -> list[Bar]:
    """Return the bars of the lines of a file called `name`."""
    rows = csv.reader(lines)
    header = tuple(next(rows, ()))
    if header != COLUMNS:
        raise BarsError(f"{name} began with {','.join(header)!r}, expected {','.join(COLUMNS)!r}")
    bars: list[Bar] = []
    for number, row in enumerate(rows, start=2):
        try:
            bar = _bar(row)
            if bars and bar.opened_at <= bars[-1].opened_at:
                raise ValueError("it does not open after the bar before")
        except ValueError as error:
            raise BarsError(f"{name} line {number}: {error}") from error
        bars.append(bar)
        if len(bars) > BARS_MAX:
            raise BarsError(f"{name} has more than {BARS_MAX} bars, the most that are taken")
    if not bars:
        raise BarsError(f"{name} has no bars")
    return bars


def _bar(row: Sequence[str]) -> Bar:
    if len(row) != len(COLUMNS):
        raise ValueError(f"it had {len(row)} fields, expected {len(COLUMNS)}")
    if not _MILLISECONDS.fullmatch(row[0]):
        raise ValueError(f"timestamp was {row[0]!r}, expected milliseconds")
    opened_at = _EPOCH + timedelta(milliseconds=int(row[0]))
    if (opened_at - _EPOCH) % MINUTE:
        raise ValueError(f"it opens at {opened_at.isoformat()}, expected a whole minute")
    for name, text in zip(COLUMNS[1:], row[1:], strict=True):
        if not _DECIMAL.fullmatch(text):
            raise ValueError(f"{name} was {text!r}, expected a plain decimal")
    opening, high, low, close, volume = map(Decimal, row[1:])
    if not 0 < low <= min(opening, close) <= max(opening, close) <= high:
        raise ValueError(
            f"open {opening}, high {high}, low {low}, close {close} are not those of one bar"
        )
    return Bar(opened_at=opened_at, open=opening, high=high, low=low, close=close, volume=volume)


def bars_ending(bars: Sequence[Bar], ending: datetime) -> list[Bar]:
    """Return the same bars at other times: the last one ends with the minute before `ending`."""
    last_opening = ending - (ending - _EPOCH) % MINUTE - MINUTE
    shift = last_opening - bars[-1].opened_at
    return [replace(bar, opened_at=bar.opened_at + shift) for bar in bars]
