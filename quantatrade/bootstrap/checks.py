"""The command `test`: the same set-up as `up`, then every check and every test.

With arguments it is pytest alone, with those arguments. Invariant: pytest's own summary is the last
thing printed, and the exit status is not 0 if anything failed.
"""

import os
import subprocess
import sys

from quantatrade.bootstrap.configuration import ROOT
from quantatrade.bootstrap.environment import Environment, ensure_environment
from quantatrade.bootstrap.kernel import build_kernel

CHECK_TIMEOUT_S = 600.0
EXIT_FAILURE = 1
# A file's tests share servers and installations, so they stay together; the long ones come first.
SPREAD = ("-n", "2", "--dist", "loadfile", "--no-loadscope-reorder")
CHECKS = (
    ("ruff check", "ruff", "check", "."),
    ("ruff format", "ruff", "format", "--check", "."),
    ("mypy", "mypy", "."),
    ("import contracts", "lint-imports"),
)


def test(arguments: list[str]) -> int:
    """Run the checks and the tests; arguments are pytest's and leave the checks out."""
    environment = Environment(ROOT)
    if not environment.is_active or not environment.is_current(dev=True):
        ensure_environment(ROOT, dev=True, say=_say)
    if not environment.is_active:
        command = [str(environment.python), str(ROOT / "manage.py"), "test", *arguments]
        sys.stdout.flush()
        os.execv(environment.python, command)  # noqa: S606 - no shell is wanted
    build_kernel(ROOT, details=environment.path / "kernel-build.log", say=_say)
    failed = [] if arguments else [check[0] for check in CHECKS if not _passes(*check)]
    if failed:
        _say(f"FAILED before the tests: {', '.join(failed)}")
    run = [sys.executable, "-m", "pytest", *(arguments or SPREAD)]
    code = subprocess.run(run, check=False, cwd=ROOT)
    return code.returncode or (EXIT_FAILURE if failed else 0)


def _passes(label: str, program: str, *arguments: str) -> bool:
    _say(f"== {label}")
    script = Environment(ROOT).path / "bin" / program
    result = subprocess.run(
        [str(script), *arguments], check=False, cwd=ROOT, timeout=CHECK_TIMEOUT_S
    )
    return result.returncode == 0


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
