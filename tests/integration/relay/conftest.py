"""A NATS server of each test's own, so that it can be killed, and an engine directory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from quantatrade.bootstrap.servers.nats import NatsServer
from quantatrade.bootstrap.servers.standalone import RunningServer, free_ports, running
from tests.integration.relay.support import EngineStandIn


@dataclass(frozen=True)
class OwnNats:
    """A server that belongs to one test."""

    url: str
    process: RunningServer


@pytest.fixture
def own_nats(tmp_path: Path) -> Iterator[OwnNats]:
    """JetStream with every message on disk before it is confirmed."""
    port, monitor_port = free_ports(2)
    server = NatsServer(
        directory=tmp_path / "nats", port=port, monitor_port=monitor_port, password="only-for-tests"
    )
    with running(server.prepare(), tmp_path / "nats.log") as process:
        yield OwnNats(server.url, process)


@pytest.fixture
def engine_dir(tmp_path: Path) -> Iterator[EngineStandIn]:
    """An engine directory in its first epoch, with one asset and one user."""
    engine = EngineStandIn(tmp_path / "engine")
    yield engine
    engine.close()
