"""Under which account PostgreSQL runs: it refuses root, and we may be root.

As an ordinary user it is ourselves. As root it is a user namespace in which root appears as
`nobody`, so that the files stay root's; where namespaces are forbidden (some containers) it is the
unprivileged account itself, which then owns the data directory. Invariant: a data directory once
made keeps its owner, so the choice never changes under existing data.
"""

import os
import subprocess
from pathlib import Path

from quantatrade.bootstrap.failure import BootstrapError
from quantatrade.bootstrap.launch import UNPRIVILEGED_ID
from quantatrade.bootstrap.process import launch_command

TRIAL_TIMEOUT_S = 20.0


def choose_identity(data: Path, program: Path) -> str:
    """The launcher's identity for a server whose data live in `data`."""
    if os.geteuid() != 0:
        return "self"
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
