"""`.venv` is made, left alone, brought up to date and repaired, without a network where possible.

`uv` itself is played by a small package of the same name and version, which installs what the lock
file of these tests names; pip, venv and the file system are real.
"""

import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from quantatrade.bootstrap import environment as module
from quantatrade.bootstrap.environment import (
    UNFINISHED,
    UV_VERSION,
    Environment,
    ensure_environment,
)
from quantatrade.bootstrap.failure import BootstrapError

QUICK_S = 1.0
FAKE_UV = """\
import os, pathlib, sys
def main():
    root = pathlib.Path(sys.argv[sys.argv.index("--project") + 1])
    if (root / "offline").exists():
        sys.exit("error: could not reach the index")
    site = next(pathlib.Path(os.environ["VIRTUAL_ENV"]).glob("lib/python*/site-packages"))
    for name in (root / "uv.lock").read_text().split() + ["pytest"] * ("--dev" in sys.argv):
        (site / f"{name}-1.dist-info").mkdir(exist_ok=True)
    with (root / "calls").open("a") as calls:
        calls.write("dev\\n" if "--dev" in sys.argv else "plain\\n")
"""


def make_wheel(directory: Path) -> None:
    info = f"uv-{UV_VERSION}.dist-info"
    files = {
        "uv_stand_in.py": FAKE_UV,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: uv\nVersion: {UV_VERSION}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": "[console_scripts]\nuv = uv_stand_in:main\n",
    }
    record = "".join(f"{name},,\n" for name in (*files, f"{info}/RECORD"))
    with zipfile.ZipFile(directory / f"uv-{UV_VERSION}-py3-none-any.whl", "w") as wheel:
        for name, text in {**files, f"{info}/RECORD": record}.items():
            wheel.writestr(name, text)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    make_wheel(wheels)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "uv.lock").write_text("django celery")
    return tree


def calls(root: Path) -> list[str]:
    return (root / "calls").read_text().split()


def ensure(root: Path, *, dev: bool = False) -> list[str]:
    said: list[str] = []
    ensure_environment(root, dev=dev, say=said.append)
    return said


def test_an_environment_is_made_once_and_follows_the_lock_file(root: Path) -> None:
    assert [line.split(" …")[0] for line in ensure(root)] == [
        "making .venv",
        f"installing uv {UV_VERSION}",
        "installing the locked packages",
    ]
    (root / "offline").touch()
    started = time.monotonic()
    assert ensure(root) == []
    assert time.monotonic() - started < QUICK_S
    (root / "offline").unlink()
    (root / "uv.lock").write_text("django celery redis")
    assert ensure(root) == ["installing the locked packages …"]
    assert "redis-1.dist-info" in Environment(root).packages()
    assert ensure(root, dev=True) == ["installing the locked packages …"]
    assert ensure(root) == []
    (root / "uv.lock").write_text("django")
    ensure(root)
    assert calls(root) == ["plain", "plain", "dev", "dev"]


def test_development_tools_that_somebody_installed_by_hand_stay(root: Path) -> None:
    ensure(root)
    (site,) = (root / ".venv").glob("lib/python*/site-packages")
    (site / "pytest-1.dist-info").mkdir()
    (root / "uv.lock").write_text("one\ntwo\n")
    assert ensure(root) == ["installing the locked packages …"]
    assert calls(root) == ["plain", "dev"]


def test_a_damaged_environment_is_repaired(root: Path) -> None:
    ensure(root)
    environment = Environment(root)
    next(environment.path.glob("lib/python*/site-packages/django-1.dist-info")).rmdir()
    assert ensure(root) == ["installing the locked packages …"]
    assert "django-1.dist-info" in environment.packages()

    (environment.path / UNFINISHED).touch()
    assert ensure(root)[0] == "making .venv anew: it was incomplete …"

    environment.python.unlink()
    environment.python.symlink_to("/nonexistent/python3")
    assert ensure(root)[0] == "making .venv anew: it was incomplete …"
    assert environment.version() == ".".join(map(str, sys.version_info[:3]))


def test_an_interrupted_installation_is_told_and_begun_anew(root: Path) -> None:
    (root / "offline").touch()
    with pytest.raises(BootstrapError) as refusal:
        ensure(root)
    assert "Could not install the packages of uv.lock" in str(refusal.value)
    assert "could not reach the index. Check the network" in str(refusal.value)
    assert not Environment(root).is_current(dev=False)
    (root / "offline").unlink()
    assert ensure(root)[0] == "making .venv anew: it was incomplete …"
    assert Environment(root).is_current(dev=False)


def test_a_missing_venv_module_is_told_with_the_package_to_install(
    root: Path, tmp_path: Path
) -> None:
    program = (
        "import importlib.util, sys; real = importlib.util.find_spec;"
        "importlib.util.find_spec = lambda name: None if name == 'ensurepip' else real(name);"
        f"sys.path.insert(0, {str(module.__file__).partition('/quantatrade/')[0]!r});"
        "from pathlib import Path;"
        "from quantatrade.bootstrap.environment import ensure_environment;"
        f"ensure_environment(Path({str(root)!r}), dev=False, say=lambda text: None)"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60
    )
    version = ".".join(map(str, sys.version_info[:2]))
    assert result.stderr.splitlines()[-1] == (
        "quantatrade.bootstrap.failure.BootstrapError: This Python"
        f" {version} lacks its venv module: install it"
        f" (Debian, Ubuntu: `apt install python{version}-venv`), then run this again."
    )


def test_two_commands_at_once_make_one_environment(root: Path) -> None:
    program = (
        f"import sys; sys.path.insert(0, {str(module.__file__).partition('/quantatrade/')[0]!r});"
        "from pathlib import Path;"
        "from quantatrade.bootstrap.environment import ensure_environment;"
        f"ensure_environment(Path({str(root)!r}), dev=False, say=lambda text: None)"
    )
    both = [
        subprocess.Popen([sys.executable, "-c", program], env=dict(os.environ)) for _ in range(2)
    ]
    assert [each.wait(120) for each in both] == [0, 0]
    assert calls(root) == ["plain"]
