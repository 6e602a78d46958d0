"""What the documents show works as shown."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys

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


def test_the_command_lines_that_are_shown_are_understood() -> None:
    lines = re.findall(r"^\$ python -m engine\.cli (.*)$", DOCUMENT.read_text(), re.MULTILINE)
    commands = [
        parser().parse_args(shlex.split(line.partition(" >>")[0])).command for line in lines
    ]
    assert commands == ["status", "add-asset", "deposit", "place", "book", "events", "token"]
