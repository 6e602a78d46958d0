"""Who reads this engine's events, and the wait for them at start.

A relay or mirror that has once greeted is remembered in a file. After a start the engine takes no
command until each of them has greeted again or a short wait has passed: if this journal is an old
one, they are the ones who know. Invariant: a name is on disk before its greeting is answered.
"""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Final

from engine.journal.directory import write_durably
from engine.journal.errors import JournalError

FILE_NAME: Final = "peers"
PEERS_MAX: Final = 64
_NAME: Final = re.compile(r"[a-z][a-z0-9_.-]{0,62}")


def is_peer_name(name: str) -> bool:
    return _NAME.fullmatch(name) is not None


class Peers:
    """The known peers of one data directory."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / FILE_NAME
        self._known = self._load()
        self._missing = set(self._known)
        self._complete = asyncio.Event()
        if not self._missing:
            self._complete.set()

    @property
    def missing(self) -> list[str]:
        """Known peers that have not greeted since the start."""
        return sorted(self._missing)

    def greeted(self, name: str) -> None:
        """Remember a peer whose state agrees with the journal. ValueError if there are too many."""
        if name not in self._known:
            if len(self._known) >= PEERS_MAX:
                raise ValueError(f"{len(self._known)} peers are known, the most there may")
            self._known.add(name)
            write_durably(self._path, json.dumps(sorted(self._known)).encode() + b"\n")
        self._missing.discard(name)
        if not self._missing:
            self._complete.set()

    async def wait(self, timeout_s: float) -> bool:
        """Wait for all known peers; False if some did not come in time."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._complete.wait()
        except TimeoutError:
            return False
        return True

    def _load(self) -> set[str]:
        try:
            names = json.loads(self._path.read_bytes())
        except FileNotFoundError:
            return set()
        except ValueError as error:
            raise JournalError(f"peers file {self._path} is not JSON: {error}") from error
        if not isinstance(names, list) or not all(
            isinstance(name, str) and is_peer_name(name) for name in names
        ):
            raise JournalError(f"peers file {self._path} was not a list of peer names")
        return set(names)
