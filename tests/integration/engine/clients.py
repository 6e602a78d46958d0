"""Token files for engines under test."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from engine.client import Access
from engine.service.tokens import new_token


class Clients:
    """A token file that grows and shrinks, and the tokens that belong to it."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._entries: dict[str, dict[str, Any]] = {}
        self.path = directory / "tokens.toml"

    def add(self, name: str, *roles: str, **more: int) -> Access:
        """A new client with these roles; how it speaks to the engine."""
        token, known = new_token()
        self._entries[name] = {"sha256": known, "roles": list(roles), **more}
        self._write()
        file = self._directory / f"{name}.token"
        file.write_text(token + "\n")
        return Access(token_file=file)

    def remove(self, name: str) -> None:
        del self._entries[name]
        self._write()

    def _write(self) -> None:
        lines = []
        for name, entry in self._entries.items():
            lines.append(f"[clients.{name}]")
            lines += [f"{key} = {json.dumps(value)}" for key, value in entry.items()]
        temporary = self.path.with_suffix(".new")
        temporary.write_text("\n".join(lines) + "\n")
        temporary.replace(self.path)
