"""Worker and beat, as real processes on a real Redis, keep the table of process health current."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from apps.core.models import ProcessHealth
from quantatrade.bootstrap.servers.standalone import free_ports
from tests.fixtures_database import DatabaseHandle
from tests.fixtures_servers import RedisHandle

ROOT = Path(__file__).parents[3]
START_TIMEOUT_S = 60.0
SAMPLE_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 30.0

Start = Callable[[str, dict[str, str]], Path]


def wait_until(condition: Callable[[], bool], timeout_s: float, what: Callable[[], str]) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, what()
        time.sleep(0.1)


@pytest.fixture
def celery(tmp_path: Path) -> Iterator[Start]:
    """Start `celery -A quantatrade.celery NAME`; returns its log. Ended with the test."""
    with ExitStack() as stack:

        def start(name: str, environment: dict[str, str]) -> Path:
            log = tmp_path / f"{name}.log"
            output = stack.enter_context(log.open("wb"))
            process = subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", "quantatrade.celery", name],
                cwd=ROOT,
                env={**os.environ, **environment, "QT_VAR": str(tmp_path), "QT_PROCESS": name},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            stack.callback(process.wait, STOP_TIMEOUT_S)
            stack.callback(process.terminate)
            return log

        yield start


def answers(port: int, page: str) -> int:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/{page}", trust_env=False).status_code
    except httpx.TransportError:
        return 0


def test_beat_schedules_a_look_and_the_worker_takes_it(
    celery: Start, django_database: DatabaseHandle, redis_server: RedisHandle
) -> None:
    worker_port, beat_port = free_ports(2)
    environment = {
        **django_database.environment,
        "REDIS_URL": redis_server.url,
        "QT_WORKER_TELEMETRY_PORT": str(worker_port),
        "QT_BEAT_TELEMETRY_PORT": str(beat_port),
        "QT_PROCESSES": json.dumps(
            {
                "worker": {"health": f"http://127.0.0.1:{worker_port}/readyz"},
                "beat": {"health": f"http://127.0.0.1:{beat_port}/readyz"},
            }
        ),
    }
    logs = {name: celery(name, environment) for name in ("worker", "beat")}

    def said() -> str:
        return "\n".join(log.read_text() for log in logs.values())

    for port in (worker_port, beat_port):
        wait_until(lambda port=port: answers(port, "readyz") == 200, START_TIMEOUT_S, said)  # type: ignore[misc]
        assert answers(port, "healthz") == 200
    wait_until(lambda: ProcessHealth.objects.count() == 3, SAMPLE_TIMEOUT_S, said)
    states = dict(ProcessHealth.objects.values_list("process", "state"))
    assert states == {"worker": "ready", "beat": "ready", "books": "not_ready"}
    received = httpx.get(f"http://127.0.0.1:{worker_port}/metrics", trust_env=False).text
    assert 'qt_tasks_received_total{task="console.sample_health"}' in received
    sent = httpx.get(f"http://127.0.0.1:{beat_port}/metrics", trust_env=False).text
    assert 'qt_tasks_sent_total{task="console.sample_health"}' in sent
    for name, log in logs.items():
        lines = log.read_text().splitlines()
        entries = [json.loads(line) for line in lines if line.startswith("{")]
        speakers = {entry["process"] for entry in entries}
        assert speakers == {name} or (name == "beat" and not speakers)  # a well beat is silent
        assert redis_server.url not in log.read_text()
