"""New lines of error level in the log files of an installation.

Each process writes its own form: ours JSON, PostgreSQL, NATS and Redis theirs. Invariant: a line is
read once, whole, and through the rotation of its file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

CHARS_SHOWN_MAX: Final = 240
_READ_BYTES_MAX: Final = 32 * 1024 * 1024
_LEVELS: Final = frozenset({"error", "critical"})
_TRACEBACK: Final = "Traceback (most recent call last)"
_FORMS: Final[Mapping[str, re.Pattern[str]]] = {
    "postgres": re.compile(r"\b(ERROR|FATAL|PANIC): "),
    "nats": re.compile(r" \[(ERR|FTL)\] "),
    "redis": re.compile(r"^\S+ .* # "),
    "supervisor": re.compile(r" ended with | is not healthy: |cannot be written"),
}


def is_error(process: str, line: str) -> bool:
    """Tell whether a line of this process's log tells of an error."""
    if process in _FORMS:
        return _FORMS[process].search(line) is not None
    if not line.startswith("{"):
        return _TRACEBACK in line
    try:
        level = json.loads(line).get("level")
    except (ValueError, AttributeError):
        return False
    return level in _LEVELS


class LogWatch:
    """Reads what is appended to `*.log` of a directory from now on."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._places = {log: log.stat().st_size for log in self._logs()}

    def _logs(self) -> list[Path]:
        return sorted(self._directory.glob("*.log"))

    def errors(self) -> list[str]:
        """Return the new lines of error level, each with the name of its process."""
        return [
            f"{log.stem}: {line[:CHARS_SHOWN_MAX]}"
            for log in self._logs()
            for line in self._new_lines(log)
            if is_error(log.stem, line)
        ]

    def _new_lines(self, log: Path) -> list[str]:
        place = self._places.get(log, 0)
        if log.stat().st_size < place:
            place = 0
        with log.open("rb") as file:
            file.seek(place)
            text = file.read(_READ_BYTES_MAX)
        whole, end, _ = text.rpartition(b"\n")
        self._places[log] = place + len(whole) + len(end)
        return whole.decode("utf-8", "replace").splitlines()
