"""Who can log in to a demo exchange: made up once, with random passwords, in a file of ours alone.

`up` makes the file before it starts anything, so that it can tell the passwords; the demo makes the
logins. Invariant: a file that exists is used as it is or refused, never replaced.
"""

import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from quantatrade.bootstrap.failure import BootstrapError
from quantatrade.bootstrap.state_directory import StateDirectory

PASSWORD_BYTES = 18
FILE_BYTES_MAX = 64 * 1024
DOMAIN = "demo.example"  # reserved: no mail can ever leave for it
PERSON = "person"
MAKER = "maker"
TAKER = "taker"
STAFF = "staff"
_CAST = (
    ("olga", "operator", STAFF),
    ("oscar", "operator", STAFF),
    ("sam", "support", STAFF),
    ("trader", "trader", PERSON),
    ("maker", "trader", MAKER),
    ("ada", "trader", TAKER),
    ("ben", "trader", TAKER),
    ("cleo", "trader", TAKER),
    ("dan", "trader", TAKER),
    ("eva", "trader", TAKER),
    ("finn", "trader", TAKER),
)


@dataclass(frozen=True, kw_only=True)
class DemoLogin:
    """One login. `part` is what it is for: staff and person are people, the others programs."""

    email: str
    password: str
    role: str
    part: str

    @property
    def is_for_people(self) -> bool:
        """Whether somebody who tries the exchange logs in with it."""
        return self.part in (STAFF, PERSON)


def demo_logins_file(state: StateDirectory) -> Path:
    """Where the logins of a state directory are."""
    return state.part("demo") / "logins.json"


def ensure_demo_logins(state: StateDirectory) -> tuple[list[DemoLogin], bool]:
    """Return all logins, and whether they were made just now."""
    path = demo_logins_file(state)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    if path.exists():
        return read_demo_logins(path), False
    logins = [
        DemoLogin(
            email=f"{name}@{DOMAIN}",
            password=secrets.token_urlsafe(PASSWORD_BYTES),
            role=role,
            part=part,
        )
        for name, role, part in _CAST
    ]
    unfinished = path.with_suffix(".unfinished")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump([asdict(each) for each in logins], file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
    return logins, True


def read_demo_logins(path: Path) -> list[DemoLogin]:
    """Return the logins of a file. BootstrapError if it is damaged."""
    try:
        with path.open(encoding="utf-8") as file:
            logins = [DemoLogin(**each) for each in json.loads(file.read(FILE_BYTES_MAX))]
    except (OSError, ValueError, TypeError) as error:
        raise BootstrapError(
            f"{path} cannot be read ({type(error).__name__}): restore it, or start anew with"
            " `manage.py up --fresh`, or without a demo with --no-demo."
        ) from error
    if {each.part for each in logins} != {STAFF, PERSON, MAKER, TAKER}:
        raise BootstrapError(
            f"{path} lacks logins: restore it, or start anew with `manage.py up --fresh`."
        )
    return logins
