"""Session fixtures: a real PostgreSQL, Redis and NATS of the tests' own, on free ports.

They are the embedded servers of `manage.py up`, in temporary directories beside whatever else
runs on the machine. Invariant: they die with the test process, however it ends.
"""

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from quantatrade.bootstrap.roles import (
    APP_ROLE,
    DATABASE,
    MIRROR_ROLE,
    OWNER_ROLE,
    RolePasswords,
    ensure_roles,
)
from quantatrade.bootstrap.servers.nats import NatsServer
from quantatrade.bootstrap.servers.postgres import PostgresServer
from quantatrade.bootstrap.servers.redis import RedisServer
from quantatrade.bootstrap.servers.standalone import RunningServer, free_ports, running

PASSWORD = "only-for-tests"
MEMORY_DISK: Final = Path("/dev/shm")  # noqa: S108 - a directory of our own is made in it
MEMORY_DISK_BYTES_MIN: Final = 3 * 2**30


@dataclass(frozen=True, kw_only=True)
class PostgresHandle:
    """A running PostgreSQL with the product's roles and an empty database `quantatrade`."""

    server: PostgresServer
    process: RunningServer

    def url(self, role: str, database: str = DATABASE) -> str:
        """The URL of one of the roles on one of the databases."""
        return self.server.url(user=role, password=PASSWORD, database=database)

    @property
    def admin_url(self) -> str:
        """The superuser's URL, on the maintenance database."""
        return self.server.admin_url

    @property
    def owner_url(self) -> str:
        """qt_owner on `quantatrade`."""
        return self.url(OWNER_ROLE)

    @property
    def app_url(self) -> str:
        """qt_app on `quantatrade`."""
        return self.url(APP_ROLE)

    @property
    def mirror_url(self) -> str:
        """qt_mirror on `quantatrade`."""
        return self.url(MIRROR_ROLE)


@dataclass(frozen=True, kw_only=True)
class RedisHandle:
    """A running, empty Redis."""

    url: str
    process: RunningServer


@dataclass(frozen=True, kw_only=True)
class NatsHandle:
    """A running NATS server with JetStream and no streams."""

    url: str
    health_url: str
    process: RunningServer


@pytest.fixture(scope="session")
def servers_directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the servers keep their files: in memory if there is room for them.

    They sync as in production; a database of each test's own, made and dropped, then costs
    processor time and not the disk's patience. Tests of durability start servers of their own.
    """
    if not MEMORY_DISK.is_dir() or shutil.disk_usage(MEMORY_DISK).free < MEMORY_DISK_BYTES_MIN:
        yield tmp_path_factory.mktemp("servers")
        return
    with tempfile.TemporaryDirectory(prefix="quantatrade-tests-", dir=MEMORY_DISK) as directory:
        yield Path(directory)


@pytest.fixture(scope="session")
def postgres_server(servers_directory: Path) -> Iterator[PostgresHandle]:
    """PostgreSQL 18 with roles qt_owner, qt_app, qt_mirror and their database."""
    directory = _made(servers_directory / "postgres")
    (port,) = free_ports(1)
    server = PostgresServer(directory=directory, port=port, password=PASSWORD)
    with running(server.prepare(), directory / "postgres.log") as process:
        ensure_roles(server.admin_url, RolePasswords(owner=PASSWORD, app=PASSWORD, mirror=PASSWORD))
        yield PostgresHandle(server=server, process=process)


@pytest.fixture(scope="session")
def redis_server(servers_directory: Path) -> Iterator[RedisHandle]:
    """Redis with a password."""
    directory = _made(servers_directory / "redis")
    (port,) = free_ports(1)
    server = RedisServer(directory=directory, port=port, password=PASSWORD)
    with running(server.prepare(), directory / "redis.log") as process:
        yield RedisHandle(url=server.url, process=process)


@pytest.fixture(scope="session")
def nats_server(servers_directory: Path) -> Iterator[NatsHandle]:
    """NATS with JetStream, user and password."""
    directory = _made(servers_directory / "nats")
    port, monitor_port = free_ports(2)
    server = NatsServer(
        directory=directory, port=port, monitor_port=monitor_port, password=PASSWORD
    )
    with running(server.prepare(), directory / "nats.log") as process:
        yield NatsHandle(url=server.url, health_url=server.health_url, process=process)


def _made(directory: Path) -> Path:
    directory.mkdir()
    return directory
