"""`manage.py bench …`: measures a part of the platform, in a process of its own.

Invariant: the last line of standard output is one flat JSON object, and the exit status is not 0
if what was measured was wrong.
"""

from __future__ import annotations

import subprocess
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser


class Command(BaseCommand):
    help = "Measure the platform: bench kernel, bench engine."
    requires_system_checks: list[str] = []  # noqa: RUF012 - as the base class declares it

    def add_arguments(self, parser: CommandParser) -> None:
        parts = parser.add_subparsers(dest="what", required=True)
        kernel = parts.add_parser("kernel", help="the matching kernel against the reference")
        kernel.add_argument("--commands", type=int, help="commands of each stream")
        engine = parts.add_parser("engine", help="the engine layer by layer, and its restart")
        for part in (kernel, engine):
            part.add_argument("--json", action="store_true", help="print only the line of JSON")
            part.add_argument("--repeats", type=int, help="timed runs of each kind")
            part.add_argument("--quick", action="store_true", help="shorter streams, fewer runs")

    def handle(self, *_args: Any, **options: Any) -> None:
        # The engine's benchmark knows no Django and wants an interpreter to itself.
        arguments = [options["what"], "--cache", str(settings.VAR_DIR / "bench")]
        arguments += [f"--{flag}" for flag in ("json", "quick") if options[flag]]
        for name in ("commands", "repeats"):
            if options.get(name) is not None:
                arguments += [f"--{name}", str(options[name])]
        done = subprocess.run(
            [sys.executable, "-m", "engine.bench", *arguments],
            cwd=settings.BASE_DIR,
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        self.stdout.write(done.stdout, ending="")
        if done.returncode:
            sys.exit(done.returncode)
