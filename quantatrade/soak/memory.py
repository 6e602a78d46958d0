"""How much memory a process and its descendants have of their own, as the kernel counts it.

The anonymous part of the proportional set size: pages that are shared are divided among those who
share them, and files that are mapped or cached are nobody's growth. Invariant: a process that ends
while it is being counted counts nothing; it is no error.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
_FIELD: Final = "Pss_Anon:"
_KIB: Final = 1024


def memory_bytes(pids: Mapping[str, int], *, apart: frozenset[str] = frozenset()) -> dict[str, int]:
    """Return bytes by name, of each process and all its descendants.

    Of those named `apart` the process alone: whoever started all the others.
    """
    children = _children()
    return {
        name: sum(map(_own_bytes, [pid] if name in apart else _tree(pid, children)))
        for name, pid in pids.items()
    }


def _children() -> Mapping[int, list[int]]:
    found: dict[int, list[int]] = defaultdict(list)
    for entry in _PROC.iterdir():
        if entry.name.isdecimal():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            found[int(fields[1])].append(int(entry.name))
    return found


def _tree(pid: int, children: Mapping[int, list[int]]) -> Iterable[int]:
    yield pid
    for child in children.get(pid, ()):
        yield from _tree(child, children)


def _own_bytes(pid: int) -> int:
    try:
        text = (_PROC / str(pid) / "smaps_rollup").read_text()
    except OSError:
        return 0
    for line in text.splitlines():
        if line.startswith(_FIELD):
            return int(line.split()[1]) * _KIB
    return 0
