"""A kept process comes back, stops when told, and leaves nothing behind, whoever is killed."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from quantatrade.bootstrap.keeper import Keeper, StartError
from quantatrade.bootstrap.process import ProcessSpec, launch
from quantatrade.bootstrap.servers.identity import choose_identity
from quantatrade.bootstrap.servers.standalone import RunningServer, running
from quantatrade.bootstrap.status import HEALTHY, process_birth

PATIENCE_S = 20.0
ROOT = Path(__file__).resolve().parents[3]


def always() -> bool:
    return True


def never() -> bool:
    return False


def spec(
    program: str,
    *,
    is_healthy: Callable[[], bool] = always,
    stop_timeout_s: float = 5.0,
    start_timeout_s: float = 10.0,
) -> ProcessSpec:
    async def probe() -> str | None:
        await asyncio.sleep(0)
        return None if is_healthy() else "no file yet"

    return ProcessSpec(
        name="trial",
        command=(sys.executable, "-I", "-S", "-c", program),
        probe=probe,
        address="nowhere",
        stop_timeout_s=stop_timeout_s,
        start_timeout_s=start_timeout_s,
    )


class Kept:
    """A keeper with everything that it said and told."""

    def __init__(self, trial: ProcessSpec, log: Path) -> None:
        self.said: list[str] = []
        self.groups: list[tuple[str, int]] = []
        self.keeper = Keeper(
            trial,
            log,
            say=self.said.append,
            changed=lambda: None,
            watch=lambda command, group: self.groups.append((command, group)),
        )
        asyncio.get_running_loop().add_signal_handler(signal.SIGCHLD, self.keeper.check_exit)

    async def until_healthy(self, restarts: int = 0) -> int:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                status = self.keeper.status()
                if status.health == HEALTHY and status.restarts == restarts and status.pid:
                    return status.pid
                await asyncio.sleep(0.02)


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def wait_until_gone(*pids: int) -> None:
    wait_until(lambda: all(process_birth(pid) is None for pid in pids))


async def test_a_process_that_is_killed_comes_back_with_growing_delays(tmp_path: Path) -> None:
    kept = Kept(spec("import time; time.sleep(60)"), tmp_path / "log")
    keeping = asyncio.create_task(kept.keeper.keep())
    for restarts in range(3):
        os.kill(await kept.until_healthy(restarts), signal.SIGKILL)
    last = await kept.until_healthy(3)
    await kept.keeper.stop()
    await keeping
    delays = [line.rpartition("again in ")[2] for line in kept.said if "SIGKILL" in line]
    assert delays == ["0.5 s", "1 s", "2 s"]
    assert [command for command, _ in kept.groups] == ["add", "drop"] * 4
    assert process_birth(last) is None
    assert kept.keeper.status().state == "stopped"


async def test_a_process_that_never_gets_healthy_is_told_with_its_last_words(
    tmp_path: Path,
) -> None:
    kept = Kept(spec("raise SystemExit('no such table')", is_healthy=never), tmp_path / "log")
    with pytest.raises(StartError, match=r"trial ended with exit status 1.*\n.*no such table"):
        await kept.keeper.keep()
    slow = spec("import time; time.sleep(60)", start_timeout_s=0.5, is_healthy=never)
    kept = Kept(slow, tmp_path / "log2")
    with pytest.raises(StartError, match="was not healthy within 1 s: no file yet"):
        await kept.keeper.keep()
    assert [command for command, _ in kept.groups] == ["add", "drop"]


async def test_a_process_that_cannot_even_be_launched_is_tried_again(tmp_path: Path) -> None:
    missing = tmp_path / "not" / "there"
    kept = Kept(replace(spec("import time; time.sleep(60)"), directory=missing), tmp_path / "log")
    keeping = asyncio.create_task(kept.keeper.keep())
    await asyncio.to_thread(wait_until, lambda: kept.said)
    assert kept.said[0].startswith("trial could not be started ([Errno 2]")
    missing.mkdir(parents=True)
    await kept.until_healthy()
    await kept.keeper.stop()
    await keeping


async def test_a_process_that_will_not_stop_is_killed(tmp_path: Path) -> None:
    stubborn = (
        "import signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        f"open({str(tmp_path / 'up')!r}, 'w').close(); time.sleep(60)"
    )
    trial = spec(stubborn, stop_timeout_s=0.3, is_healthy=(tmp_path / "up").exists)
    kept = Kept(trial, tmp_path / "log")
    keeping = asyncio.create_task(kept.keeper.keep())
    await kept.until_healthy()
    await kept.keeper.stop()
    await keeping
    assert kept.said[-1] == "trial did not stop within 0.3 s: killed"


async def test_what_a_dead_process_leaves_is_killed_before_it_is_started_again(
    tmp_path: Path,
) -> None:
    parent = (
        "import subprocess, sys, time; child = subprocess.Popen([sys.executable, '-c',"
        f" 'import time; time.sleep(60)']); open({str(tmp_path / 'child')!r}, 'w').write("
        "str(child.pid)); time.sleep(60)"
    )
    kept = Kept(spec(parent, is_healthy=(tmp_path / "child").exists), tmp_path / "log")
    keeping = asyncio.create_task(kept.keeper.keep())
    leader = await kept.until_healthy()
    child = int((tmp_path / "child").read_text())
    os.kill(leader, signal.SIGKILL)
    await asyncio.to_thread(wait_until_gone, child)
    await kept.until_healthy(restarts=1)
    await kept.keeper.stop()
    await keeping


async def test_workers_of_a_killed_server_die_at_once_also_while_a_probe_hangs(
    tmp_path: Path,
) -> None:
    """A worker that outlives its server holds the port and answers unsupervised."""
    pids = tmp_path / "pids"
    program = (
        "import pathlib, subprocess, sys, time\n"
        "worker = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        f"with pathlib.Path({str(pids)!r}).open('a') as file: print(worker.pid, file=file)\n"
        "time.sleep(60)"
    )

    async def hang() -> str | None:
        await asyncio.sleep(60)
        return None

    kept = Kept(replace(spec(program), probe=hang), tmp_path / "log")
    keeping = asyncio.create_task(kept.keeper.keep())
    await asyncio.to_thread(wait_until, lambda: pids.exists() and pids.read_text())
    server = kept.keeper.status().pid
    assert server is not None
    await asyncio.sleep(0.3)  # the probe is under way
    os.kill(server, signal.SIGKILL)
    killed_at = time.monotonic()
    worker = int(pids.read_text().split()[0])
    await asyncio.to_thread(wait_until_gone, worker)
    took_s = time.monotonic() - killed_at
    await kept.keeper.stop()
    await keeping
    assert took_s < 1.5
    assert "not healthy" not in "".join(kept.said)


def test_children_and_grandchildren_die_with_a_killed_supervisor(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    child = (
        "import subprocess, sys, time; child = subprocess.Popen([sys.executable, '-c',"
        f" 'import time; time.sleep(60)']); open({str(pid_file)!r}, 'w').write("
        "str(child.pid) + '.'); time.sleep(60)"
    )
    supervisor = (
        f"import sys, time; sys.path.insert(0, {str(ROOT)!r});"
        "from pathlib import Path; from quantatrade.bootstrap.guard import Guard;"
        "from quantatrade.bootstrap.process import ProcessSpec, launch; guard = Guard();"
        f"spec = ProcessSpec(name='t', command=(sys.executable, '-c', {child!r}),"
        " probe=None, address='');"
        f"child = launch(spec, Path({str(tmp_path / 'log')!r})); guard.tell('add', child.pid);"
        "sys.stdout.write(f'{child.pid}\\n'); sys.stdout.flush(); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", supervisor], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        child_pid = int(process.stdout.readline())
        wait_until(lambda: pid_file.exists() and pid_file.read_text().endswith("."))
        process.kill()
    wait_until_gone(child_pid, int(pid_file.read_text().rstrip(".")))


def test_a_server_is_killed_with_the_process_that_started_it(tmp_path: Path) -> None:
    trial = spec("import time; time.sleep(60)")
    with running(trial, tmp_path / "log") as server:
        assert isinstance(server, RunningServer)
        pid = server.pid
    assert process_birth(pid) is None


def test_a_child_without_its_parent_does_not_start(tmp_path: Path) -> None:
    launcher = ROOT / "quantatrade" / "bootstrap" / "launch.py"
    result = subprocess.run(
        [sys.executable, "-I", "-S", launcher, "1", "self", "/bin/echo", "started"],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    assert (result.returncode, result.stdout) == (126, "")


def test_as_root_postgresql_gets_another_identity_and_keeps_it(tmp_path: Path) -> None:
    program = Path("/bin/true")
    identity = choose_identity(tmp_path / "data", program)
    if os.geteuid() != 0:
        assert identity == "self"
        return
    assert identity in ("namespace", "uid:65534")
    (tmp_path / "data").mkdir()
    os.chown(tmp_path / "data", 65534, 65534)
    assert choose_identity(tmp_path / "data", program) == "uid:65534"


def test_an_unknown_identity_is_refused_by_name(tmp_path: Path) -> None:
    trial = ProcessSpec(
        name="trial",
        command=("/bin/true",),
        probe=spec("").probe,
        address="",
        identity="king",
    )
    process = launch(trial, tmp_path / "log")
    assert process.wait(PATIENCE_S) == 126
    assert (
        "identity was 'king', expected self, namespace or uid:N" in (tmp_path / "log").read_text()
    )
