"""Under which account PostgreSQL runs: it refuses root, and we may be root.

As an ordinary user it is ourselves. (PostgreSQL wants an account with a name; one without, as some
containers have, gets one through a user namespace.) As root it is a user namespace in which root
appears as `nobody`, so that the files stay root's; where namespaces are forbidden it is the
unprivileged account itself, which then owns the data directory. Invariant: a data directory once
made keeps its owner, so the choice never changes under existing data.
"""

import os
import pwd
import subprocess
from pathlib import Path

from quantatrade.bootstrap.failure import BootstrapError
from quantatrade.bootstrap.launch import UNPRIVILEGED_ID
from quantatrade.bootstrap.process import launch_command

TRIAL_TIMEOUT_S = 20.0


def choose_identity(data: Path, program: Path) -> str:
    """The launcher's identity for a server whose data live in `data`."""
    if os.geteuid() != 0:
        return _ordinary_identity(program)
    owner = data.stat().st_uid if data.exists() else 0
    if owner != 0:
        return f"uid:{owner}"
    if can_run("namespace", program):
        return "namespace"
    unprivileged = f"uid:{UNPRIVILEGED_ID}"
    if not data.exists() and can_run(unprivileged, program):
        return unprivileged
    raise BootstrapError(
        "PostgreSQL refuses to run as root, and here neither a user namespace nor the account"
        f" {UNPRIVILEGED_ID} can run {program}: run this command as an ordinary user."
    )


def _ordinary_identity(program: Path) -> str:
    try:
        pwd.getpwuid(os.geteuid())
    except KeyError:
        if can_run("namespace", program):
            return "namespace"
        raise BootstrapError(
            f"PostgreSQL refuses to run as user {os.geteuid()}, who has no entry in /etc/passwd:"
            " add one, or run this command as another user."
        ) from None
    return "self"


def can_run(identity: str, program: Path) -> bool:
    """Whether the program starts at all under that identity."""
    trial = subprocess.run(
        launch_command(identity, (str(program), "--version")),
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=TRIAL_TIMEOUT_S,
    )
    return trial.returncode == 0


def give_to(identity: str, *paths: Path) -> None:
    """Hand files to the account that the server will run under, where that is another one."""
    if identity.startswith("uid:"):
        uid = int(identity.removeprefix("uid:"))
        for path in paths:
            os.chown(path, uid, uid)
