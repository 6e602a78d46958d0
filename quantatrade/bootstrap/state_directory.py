"""The state directory (`var/`, or QT_VAR): its layout, its checks, its removal.

Everything that QuantaTrade keeps lies below this one directory. Invariant: we never write into,
and never wipe, a directory that holds things we did not make.
"""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from quantatrade.bootstrap.failure import BootstrapError

FORMAT = 1
FREE_BYTES_MIN = 1024**3
MARKER = "quantatrade.json"
PARTS = (
    "secrets",
    "run",
    "log",
    "postgres",
    "redis",
    "nats",
    "engine",
    "beat",
    "custodian",
    "demo",
)
_NAMES_SHOWN_MAX = 3


@dataclass(frozen=True)
class StateDirectory:
    """The directory at `path`; nothing is read or made until a method is called."""

    path: Path

    def part(self, name: str) -> Path:
        """A part of the layout, by its name in `PARTS`."""
        if name not in PARTS:
            raise ValueError(f"part was {name!r}, expected one of {PARTS}")
        return self.path / name

    def log(self, name: str) -> Path:
        """The log file of a process."""
        return self.part("log") / f"{name}.log"

    @property
    def lock_file(self) -> Path:
        """Held for as long as a supervisor runs; contains its process id."""
        return self.part("run") / "supervisor.lock"

    @property
    def status_file(self) -> Path:
        """What the supervisor last knew of every process."""
        return self.part("run") / "status.json"

    @property
    def environment_file(self) -> Path:
        """The addresses and passwords that management commands need beside a running `up`."""
        return self.part("run") / "environment.json"

    def prepare(self) -> None:
        """Check that the directory is ours and has room, and make what is missing."""
        try:
            self.path.mkdir(mode=0o711, parents=True, exist_ok=True)
            self._refuse_foreign()
            self._refuse_other_format()
            for name in ("secrets", "run", "log", "beat", "custodian", "demo"):
                self.part(name).mkdir(mode=0o700, exist_ok=True)
                self._refuse_unusable(self.part(name))
            (self.path / MARKER).write_text(json.dumps({"format": FORMAT}) + "\n")
        except FileExistsError as error:
            raise BootstrapError(
                f"{error.filename} is a file, expected a directory: move it away,"
                " or set QT_VAR to another place."
            ) from error
        except PermissionError as error:
            raise BootstrapError(
                f"{error.filename} cannot be written by {_account()}: run this as its owner"
                f" ({_owner(Path(error.filename))}), or set QT_VAR to a directory of your own."
            ) from error
        require_free_space(self.path)

    def _refuse_foreign(self) -> None:
        if (self.path / MARKER).is_file():
            return
        foreign = sorted(each.name for each in self.path.iterdir() if each.name not in PARTS)
        if foreign:
            shown = ", ".join(foreign[:_NAMES_SHOWN_MAX])
            raise BootstrapError(
                f"{self.path} holds files that QuantaTrade did not make ({shown}): move them"
                " away, or set QT_VAR to an empty directory."
            )

    def _refuse_other_format(self) -> None:
        marker = self.path / MARKER
        if not marker.exists():
            return
        try:
            found = json.loads(marker.read_text())["format"]
        except (ValueError, KeyError, TypeError):
            found = "damaged"
        if found != FORMAT:
            raise BootstrapError(
                f"{marker} says format {found}, expected {FORMAT}: use the version of"
                " QuantaTrade that made it, or start anew with `manage.py up --fresh`."
            )

    @staticmethod
    def _refuse_unusable(directory: Path) -> None:
        if not os.access(directory, os.R_OK | os.W_OK | os.X_OK):
            raise PermissionError(0, "not accessible", str(directory))

    def wipe(self) -> None:
        """Delete everything that we made below the directory; foreign directories are refused."""
        if not self.path.is_dir():
            return
        self._refuse_foreign()
        for name in (*PARTS, MARKER):
            each = self.path / name
            if each.is_dir() and not each.is_symlink():
                shutil.rmtree(each)
            else:
                each.unlink(missing_ok=True)


def require_free_space(path: Path) -> None:
    """Refuse to go on with less than 1 GiB free where `path` lies."""
    free = shutil.disk_usage(path).free
    if free < FREE_BYTES_MIN:
        raise BootstrapError(
            f"Only {free // 1024**2} MiB are free on the disk of {path}, expected at least"
            f" {FREE_BYTES_MIN // 1024**2} MiB: make room, or set QT_VAR to another disk."
        )


def _account() -> str:
    return "root" if os.geteuid() == 0 else f"user {os.geteuid()}"


def _owner(path: Path) -> str:
    while not path.exists():
        path = path.parent
    try:
        return path.owner()
    except KeyError:
        return f"user {path.stat().st_uid}"
