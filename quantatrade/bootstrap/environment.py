"""The virtual environment `.venv`: made, filled from uv.lock, repaired, and left alone when good.

Runs on a bare Python. A stamp inside `.venv` says from which lock file it was filled and what it
then held; a marker says that filling was under way, so an interrupted attempt is seen and begun
anew. Invariant: after `ensure_environment` the environment holds exactly what uv.lock says (the
development tools only where asked for), and when nothing changed no network is touched.
"""

import contextlib
import fcntl
import hashlib
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from quantatrade.bootstrap.failure import BootstrapError
from quantatrade.bootstrap.state_directory import require_free_space

UV_VERSION = "0.13.9"
STAMP = "quantatrade-stamp.json"
UNFINISHED = "quantatrade-unfinished"
DEVELOPMENT_TOOL = "pytest-"  # of all development tools the one that a test run cannot do without
PYTHON_TIMEOUT_S = 30.0
VENV_TIMEOUT_S = 300.0
INSTALL_TIMEOUT_S = 1800.0
_TAIL_LINES = 3

Say = Callable[[str], None]


@dataclass(frozen=True)
class Environment:
    """The virtual environment of the source tree at `root`."""

    root: Path

    @property
    def path(self) -> Path:
        """The directory `.venv`."""
        return self.root / ".venv"

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.path / "bin" / "python"

    @property
    def is_active(self) -> bool:
        """Whether this very process runs in it."""
        return Path(sys.prefix).resolve() == self.path.resolve()

    def lock_hash(self) -> str:
        """What the stamp must say."""
        return hashlib.sha256((self.root / "uv.lock").read_bytes()).hexdigest()

    def version(self) -> str | None:
        """The version of its interpreter, or None when it does not even start."""
        code = "import sys; print('%d.%d.%d' % sys.version_info[:3])"
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            result = subprocess.run(
                [self.python, "-I", "-S", "-c", code],
                check=True,
                capture_output=True,
                text=True,
                timeout=PYTHON_TIMEOUT_S,
            )
            return result.stdout.strip()
        return None

    def packages(self) -> list[str]:
        """The installed distributions, by the names of their metadata directories."""
        found = self.path.glob("lib/python*/site-packages/*.dist-info")
        return sorted(each.name for each in found)

    def is_current(self, *, dev: bool) -> bool:
        """Whether the stamp matches the lock file, the interpreter and what is installed."""
        try:
            stamp = json.loads((self.path / STAMP).read_text())
            return (
                not (self.path / UNFINISHED).exists()
                and stamp["lock"] == self.lock_hash()
                and stamp["python"] == self.version()
                and (stamp["dev"] or not dev)
                and set(stamp["packages"]) <= set(self.packages())
            )
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def had_dev(self) -> bool:
        """Whether the development tools are there, by the stamp or in fact; then they are kept.

        A developer's own `uv sync` writes no stamp, and `up` must not take the tools away.
        """
        try:
            if json.loads((self.path / STAMP).read_text())["dev"]:
                return True
        except (OSError, ValueError, KeyError, TypeError):
            pass
        return any(name.startswith(DEVELOPMENT_TOOL) for name in self.packages())

    def write_stamp(self, *, dev: bool) -> None:
        """Say that the environment is complete."""
        stamp = {
            "lock": self.lock_hash(),
            "python": self.version(),
            "dev": dev,
            "packages": self.packages(),
        }
        unfinished = self.path / UNFINISHED
        (self.path / STAMP).write_text(json.dumps(stamp, indent=1) + "\n")
        unfinished.unlink()


def ensure_environment(root: Path, *, dev: bool, say: Say) -> Environment:
    """Make or repair the environment where needed; quick and offline where not."""
    environment = Environment(root)
    if environment.is_current(dev=dev):
        return environment
    with _exclusive(root / "uv.lock", say):
        if not environment.is_current(dev=dev):
            _refuse_foreign_owner(environment.path)
            require_free_space(root)
            _fill(environment, dev=dev or environment.had_dev(), say=say)
    return environment


@contextlib.contextmanager
def _exclusive(file: Path, say: Say) -> Iterator[None]:
    """Only one process at a time fills the environment; others wait for it."""
    with file.open("rb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another command that is installing packages …")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _refuse_foreign_owner(path: Path) -> None:
    place = path if path.exists() else path.parent
    if not os.access(place, os.W_OK):
        raise BootstrapError(
            f"{place} cannot be written by user {os.geteuid()}: run this as the owner of the"
            " source tree, or clone it to a directory of your own."
        )


def _fill(environment: Environment, *, dev: bool, say: Say) -> None:
    interrupted = (environment.path / UNFINISHED).exists()
    usable = environment.version() is not None and (environment.path / "pyvenv.cfg").is_file()
    if interrupted or not usable:
        _make(environment, say)
    (environment.path / UNFINISHED).touch()
    _install_uv(environment, say)
    say("installing the locked packages …")
    _run(
        [
            str(environment.path / "bin" / "uv"), "sync", "--frozen", "--no-progress",
            "--compile-bytecode",  # else the first start of every process pays for it
            "--dev" if dev else "--no-dev",
            "--project", str(environment.root), "--python", str(environment.python),
        ],
        what="install the packages of uv.lock",
        timeout_s=INSTALL_TIMEOUT_S,
        variables={
            "VIRTUAL_ENV": str(environment.path),
            "UV_PROJECT_ENVIRONMENT": str(environment.path),
        },
    )  # fmt: skip
    environment.write_stamp(dev=dev)


def _make(environment: Environment, say: Say) -> None:
    if importlib.util.find_spec("ensurepip") is None or importlib.util.find_spec("venv") is None:
        major, minor = sys.version_info[:2]
        raise BootstrapError(
            f"This Python {major}.{minor} lacks its venv module: install it"
            f" (Debian, Ubuntu: `apt install python{major}.{minor}-venv`), then run this again."
        )
    again = environment.path.exists()
    say("making .venv anew: it was incomplete …" if again else "making .venv …")
    _run(
        [sys.executable, "-m", "venv", "--clear", str(environment.path)],
        what="make the virtual environment",
        timeout_s=VENV_TIMEOUT_S,
    )


def _install_uv(environment: Environment, say: Say) -> None:
    if f"uv-{UV_VERSION}.dist-info" in environment.packages():
        return
    say(f"installing uv {UV_VERSION} …")
    _run(
        [
            str(environment.python), "-m", "pip", "install", "--quiet",
            "--disable-pip-version-check", "--no-input", f"uv=={UV_VERSION}",
        ],
        what="install uv",
        timeout_s=INSTALL_TIMEOUT_S,
    )  # fmt: skip


def _run(
    command: list[str], *, what: str, timeout_s: float, variables: dict[str, str] | None = None
) -> None:
    try:
        result = subprocess.run(
            command,
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            env={**os.environ, **(variables or {})},
        )
    except subprocess.TimeoutExpired as error:
        raise BootstrapError(
            f"Could not {what} within {timeout_s:g} s: check the network, then run this again."
        ) from error
    if result.returncode != 0:
        lines = [line for line in (result.stderr + result.stdout).splitlines() if line.strip()]
        tail = " | ".join(line.strip() for line in lines[-_TAIL_LINES:])
        raise BootstrapError(
            f"Could not {what} (`{command[0]}` ended with {result.returncode}): {tail}."
            " Check the network and the free disk space, then run this again."
        )
