"""Rows on stdout: aligned for people, or one JSON object a line for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from dataclasses import asdict, is_dataclass
from enum import IntEnum
from typing import Any

Row = dict[str, Any]


def row_of(value: Any, **more: Any) -> Row:
    """The fields of a dataclass or a named tuple, and others behind them."""
    own = asdict(value) if is_dataclass(type(value)) else value._asdict()
    return {**own, **more}


def plain(value: Any) -> Any:
    """What JSON can hold: names of codes, text and hexadecimal bytes."""
    if isinstance(value, IntEnum):
        return value.name
    if isinstance(value, bytes):
        return value.decode() if value.isascii() and value.decode().isprintable() else value.hex()
    if isinstance(value, tuple | list):
        return [plain(each) for each in value]
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    return value


class Output:
    """Where rows go. A stream of rows is written row by row, a table when it is whole."""

    def __init__(self, *, is_json: bool) -> None:
        self._is_json = is_json

    def row(self, row: Row) -> None:
        """One row of a stream."""
        made = plain(row)
        if self._is_json:
            self._line(json.dumps(made, separators=(",", ":")))
        else:
            self._line("  ".join(f"{name}={_text(value)}" for name, value in made.items()))

    def table(self, rows: Iterable[Row]) -> None:
        """All rows, columns aligned under their names."""
        made = [plain(row) for row in rows]
        if self._is_json or len(made) == 1:
            for row in made:
                self.row(row)
            return
        if not made:
            return
        lines = [list(made[0]), *([_text(value) for value in row.values()] for row in made)]
        widths = [max(len(line[at]) for line in lines) for at in range(len(lines[0]))]
        for line in lines:
            cells = (text.rjust(width) for text, width in zip(line, widths, strict=True))
            self._line("  ".join(cells).rstrip())

    def _line(self, text: str) -> None:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()


def _text(value: Any) -> str:
    if isinstance(value, dict | list):
        return json.dumps(value, separators=(",", ":"))
    return "-" if value in ("", None) else str(value)
