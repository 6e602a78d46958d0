"""What the documents show works as shown."""

from __future__ import annotations

import ast
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from engine.cli.arguments import parser
from tests.fixtures_engine import REPOSITORY, EngineUnderTest

DOCUMENT = REPOSITORY / "docs" / "ENGINE.md"


def test_the_clients_example_runs_and_prints_what_is_said(engine: EngineUnderTest) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    ran = subprocess.run(
        [sys.executable, "-c", example],
        cwd=REPOSITORY,
        env={**os.environ, "ENGINE_ADDRESS": engine.address},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert ran.stdout.splitlines() == [
        "[(6000000, 400)]",
        "UNKNOWN_ORDER",
        "(Level(price_ticks=6000000, quantity_lots=600, orders=1),)",
    ]


def test_an_engine_alone_needs_the_packages_that_are_named() -> None:
    own = {"google": "protobuf", "grpc": "grpcio", "grpc_health": "grpcio-health-checking"}
    own |= {"grpc_reflection": "grpcio-reflection", "prometheus_client": "prometheus-client"}
    imported = {
        name.split(".")[0]
        for path in (REPOSITORY / "engine").rglob("*.py")
        if path.relative_to(REPOSITORY).parts[1] not in ("bench", "relay")
        for name in _imports(path)
    }
    foreign = imported - sys.stdlib_module_names - {"engine"}
    (sentence,) = re.findall(r"The engine alone needs(.*?), no Django", DOCUMENT.read_text(), re.S)
    named = set(re.findall(r"`([a-z-]+)`", sentence))
    assert {own.get(name, name) for name in foreign} <= named
    assert named - {own.get(name, name) for name in foreign} == {"setuptools"}


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module


def test_the_command_lines_that_are_shown_are_understood() -> None:
    lines = re.findall(r"^\$ python -m engine\.cli (.*)$", DOCUMENT.read_text(), re.MULTILINE)
    commands = [
        parser().parse_args(shlex.split(line.partition(" >>")[0])).command for line in lines
    ]
    assert commands == ["status", "add-asset", "deposit", "place", "book", "events", "token"]
