"""The Python sources of the project, for tests that read them.

Generated modules are left out; of migrations, which Django writes first and people finish, only the
layout is excused.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGES = ("apps", "engine", "quantatrade", "tests")
GENERATED = ("engine_pb2",)


@dataclass(frozen=True)
class Source:
    """One module: its path from the root, its text, its syntax tree."""

    path: str
    text: str
    tree: ast.Module

    @property
    def lines(self) -> list[str]:
        """The text, line by line."""
        return self.text.splitlines()

    @property
    def is_migration(self) -> bool:
        """Whether Django laid the module out."""
        return "/migrations/" in self.path

    def functions(self) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
        """Every function and method, nested ones included."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield node


def read_sources() -> list[Source]:
    """Every module that somebody wrote."""
    paths = [ROOT / "manage.py"]
    for package in PACKAGES:
        paths.extend(sorted((ROOT / package).rglob("*.py")))
    sources = []
    for path in paths:
        if not path.name.startswith(GENERATED):
            text = path.read_text(encoding="utf-8")
            sources.append(Source(str(path.relative_to(ROOT)), text, ast.parse(text)))
    return sources
