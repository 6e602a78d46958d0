"""One command starts everything, keeps it running through kills, and stops it without a trace."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from quantatrade.bootstrap.processes import NAMES
from quantatrade.bootstrap.servers.nats import NatsServer
from quantatrade.bootstrap.servers.postgres import PostgresServer
from quantatrade.bootstrap.servers.redis import RedisServer
from quantatrade.bootstrap.servers.standalone import free_ports, running
from tests.e2e.installation import ROOT, Installation, wait_until

KILLED_IN_TURN = (
    "engine", "relay", "mirror", "web", "edge", "worker", "beat", "redis", "nats", "postgres",
)  # fmt: skip


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    made = Installation(var=tmp_path / "var")
    yield made
    made.manage("down")


def test_everything_starts_survives_kills_and_stops_without_a_trace(
    installation: Installation,
) -> None:
    first = installation.manage("up", "--no-demo", "--detach")
    assert first.returncode == 0, first.stdout + first.stderr
    assert re.search(r"^Password: \S{20,} ", first.stdout, re.MULTILINE)
    assert f"Console: http://127.0.0.1:{installation.port_base}/admin/" in first.stdout
    status = installation.status()
    assert [each["name"] for each in status["processes"]] == [*NAMES[:-1]]
    assert NAMES[-1] == "demo"
    assert "play money" not in first.stdout
    assert not (installation.var / "demo" / "logins.json").exists()
    mailbox = f"http://127.0.0.1:{installation.port_base}/mailbox/"
    assert httpx.get(mailbox, trust_env=False, timeout=30).status_code == 404
    assert {each["health"] for each in status["processes"]} == {"healthy"}

    again = installation.manage("up", "--no-demo", "--detach")
    assert again.returncode == 0
    assert f"already running (pid {status['pid']})" in again.stdout

    for name in KILLED_IN_TURN:
        kill_and_wait(installation, name)
    wait_until(installation.is_healthy, "health of everything")
    assert installation.manage("status").returncode == 0
    assert "ended with signal SIGKILL" in installation.manage("logs", "supervisor").stdout

    halt_and_look(installation, "redis")
    pids = installation.pids()
    down = installation.manage("down")
    assert (down.returncode, down.stdout.splitlines()[-1]) == (0, "QuantaTrade is stopped.")
    installation.assert_nothing_is_left(pids)
    assert installation.manage("status").returncode == 3


def kill_and_wait(installation: Installation, name: str) -> None:
    before = installation.process(name)
    os.kill(before["pid"], signal.SIGKILL)

    def is_back() -> bool:
        now = installation.process(name)
        return bool(
            now["pid"] not in (None, before["pid"])
            and now["health"] == "healthy"
            and now["restarts"] == before["restarts"] + 1
        )

    wait_until(is_back, f"{name} to come back")


def halt_and_look(installation: Installation, name: str) -> None:
    pid = installation.process(name)["pid"]
    os.kill(pid, signal.SIGSTOP)
    wait_until(
        lambda: installation.process(name)["health"] == "no answer within 2 s",
        f"{name} to be shown as not healthy",
    )
    assert installation.manage("status").returncode == 1
    os.kill(pid, signal.SIGCONT)
    wait_until(installation.is_healthy, "health of everything")
    assert installation.process(name)["pid"] == pid


def test_a_second_start_repeats_nothing_and_a_killed_supervisor_takes_all_with_it(
    installation: Installation,
) -> None:
    assert installation.manage("up", "--no-demo", "--detach").returncode == 0
    installation.manage("down")
    second = installation.manage("up", "--no-demo", "--detach")
    assert second.returncode == 0, second.stdout + second.stderr
    for step in ("making", "installing", "compiling", "Password"):  # what takes long is done once
        assert step not in second.stdout

    pids = installation.pids()
    os.kill(pids[-1], signal.SIGKILL)
    installation.assert_nothing_is_left(pids)
    assert installation.status()["phase"] == "stopped"
    assert installation.manage("up", "--no-demo", "--detach").returncode == 0
    assert installation.is_healthy()


def test_without_a_compiler_it_starts_and_says_so_and_ctrl_c_stops_it(tmp_path: Path) -> None:
    installation = Installation(var=tmp_path / "var", variables={"PATH": "/nonexistent"})
    with subprocess.Popen(
        [sys.executable, ROOT / "manage.py", "up", "--no-demo"],
        stdout=subprocess.PIPE,
        text=True,
        env=installation.environment,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line.strip())
            if line.startswith("Ctrl-C"):
                break
        assert said[-1] == "Ctrl-C stops everything.", "\n".join(said)
        warnings = [line for line in said if line.startswith("WARNING")]
        assert len(warnings) == 1
        assert "was not compiled: no C compiler was found" in warnings[0]
        assert "The engine runs on the reference kernel" in warnings[0]
        engine = installation.process("engine")["pid"]
        command = Path(f"/proc/{engine}/cmdline").read_text().split("\0")
        assert command[command.index("--kernel") + 1] == "reference"
        pids = installation.pids()
        os.killpg(process.pid, signal.SIGINT)
        rest = process.stdout.read().splitlines()
    assert process.returncode == 0
    assert (rest[0], rest[-1]) == ("stopping …", "everything is stopped")
    installation.assert_nothing_is_left(pids)


def test_external_servers_are_used_and_not_started(tmp_path: Path) -> None:
    postgres_port, redis_port, nats_port, monitor_port = free_ports(4)
    password = "a-password-of-the-operator"
    postgres = PostgresServer(directory=tmp_path / "pg", port=postgres_port, password=password)
    redis = RedisServer(directory=tmp_path / "redis", port=redis_port, password=password)
    nats = NatsServer(
        directory=tmp_path / "nats",
        port=nats_port,
        monitor_port=monitor_port,
        password=password,
    )
    installation = Installation(
        var=tmp_path / "var",
        variables={
            "DATABASE_URL": postgres.admin_url,
            "REDIS_URL": redis.url,
            "NATS_URL": nats.url,
        },
    )
    with (
        running(postgres.prepare(), tmp_path / "pg.log"),
        running(redis.prepare(), tmp_path / "redis.log"),
        running(nats.prepare(), tmp_path / "nats.log"),
    ):
        up = installation.manage("up", "--no-demo", "--detach")
        assert up.returncode == 0, up.stdout + up.stderr
        status = installation.status()
        states = {each["name"]: each["state"] for each in status["processes"]}
        assert status["healthy"]
        assert [name for name, state in states.items() if state == "external"] == [
            "postgres",
            "redis",
            "nats",
        ]
        assert not (installation.var / "postgres").exists()
        pids = [pid for pid in installation.pids() if pid is not None]
        installation.manage("down")
        installation.assert_nothing_is_left(pids)


def refusal(installation: Installation, *arguments: str) -> str:
    result = installation.manage("up", "--no-demo", "--detach", *arguments)
    assert result.returncode == 1, result.stdout + result.stderr
    return result.stdout + result.stderr


def test_a_port_in_use_stops_the_start_with_one_sentence(installation: Installation) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", installation.port_base + 9))
        other.listen()
        said = refusal(installation)
    assert said.splitlines()[-1] == (
        f"Port {installation.port_base + 9}, which redis needs, is in use by another program:"
        " stop that program, or set QT_PORT_BASE to a free range of ports."
    )
    assert installation.status()["phase"] == "stopped"


def test_a_damaged_state_directory_is_told_in_one_sentence_each(
    installation: Installation,
) -> None:
    installation.var.mkdir()
    (installation.var / "holiday.jpg").touch()
    assert "holds files that QuantaTrade did not make (holiday.jpg)" in refusal(installation)
    (installation.var / "holiday.jpg").unlink()
    (installation.var / "secrets").mkdir(mode=0o700)
    (installation.var / "secrets" / "nats").touch(mode=0o600)
    assert "secrets/nats is damaged: it has 0 characters" in refusal(installation)
    (installation.var / "secrets" / "nats").unlink()
    assert "secrets/nats" not in refusal(installation, "--production")
    (installation.var / "postgres" / "data").mkdir(parents=True)
    (installation.var / "secrets" / "postgres").unlink()
    assert "secrets/postgres is missing although" in refusal(installation)
    (installation.var / "secrets" / "postgres").touch(mode=0o600)
    (installation.var / "secrets" / "postgres").write_text("x" * 32)
    (installation.var / "postgres" / "data" / "PG_VERSION").write_text("16\n")
    assert "holds 16, expected a PostgreSQL 18 cluster" in refusal(installation)
    assert "add --yes to agree" in refusal(installation, "--fresh")
    assert (installation.var / "postgres" / "data" / "PG_VERSION").exists()


def test_a_process_that_cannot_start_ends_the_start_and_leaves_nothing(tmp_path: Path) -> None:
    installation = Installation(var=tmp_path / "var", variables={"ENGINE_ADDRESS": "127.0.0.1:1"})
    said = refusal(installation)
    assert "The external engine at 127.0.0.1:1 is not there (unreachable" in said
    installation.assert_nothing_is_left([])
    assert installation.status()["phase"] == "stopped"
