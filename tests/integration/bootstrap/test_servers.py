"""The embedded servers accept whom they should and refuse everyone else."""

import asyncio
import socket
from pathlib import Path

import nats
import psycopg
import pytest
import redis

from quantatrade.bootstrap.failure import BootstrapError
from quantatrade.bootstrap.roles import RolePasswords, ensure_roles
from quantatrade.bootstrap.servers.postgres import PostgresServer
from quantatrade.bootstrap.servers.standalone import free_ports
from tests.fixtures_servers import PASSWORD, NatsHandle, PostgresHandle, RedisHandle


def setting(connection: psycopg.Connection, name: str) -> str:
    row = connection.execute("SELECT current_setting(%s)", (name,)).fetchone()
    assert row is not None
    return str(row[0])


def test_postgres_is_version_18_durable_and_on_loopback_only(
    postgres_server: PostgresHandle,
) -> None:
    with psycopg.connect(postgres_server.admin_url) as connection:
        assert setting(connection, "server_version_num")[:2] == "18"
        assert setting(connection, "fsync") == "on"
        assert setting(connection, "data_checksums") == "on"
        assert setting(connection, "listen_addresses") == "127.0.0.1"
        assert setting(connection, "unix_socket_directories") == ""
        assert setting(connection, "TimeZone") == "UTC"


def test_the_three_roles_have_the_least_rights_that_they_need(
    postgres_server: PostgresHandle,
) -> None:
    with psycopg.connect(postgres_server.admin_url) as connection:
        rights = connection.execute(
            "SELECT rolname, rolsuper, rolcreatedb, rolcreaterole, rolbypassrls FROM pg_roles"
            " WHERE rolname LIKE 'qt\\_%' ORDER BY rolname"
        ).fetchall()
        owner = connection.execute(
            "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'quantatrade'"
        ).fetchone()
    nothing_special = (False, False, False, False)
    assert rights == [(role, *nothing_special) for role in ("qt_app", "qt_mirror", "qt_owner")]
    assert owner == ("qt_owner",)
    with (
        psycopg.connect(postgres_server.app_url) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute("CREATE TABLE intruder (id int)")


def test_making_the_roles_again_changes_the_password_and_nothing_else(
    postgres_server: PostgresHandle,
) -> None:
    other = RolePasswords(owner=PASSWORD, app="another-password", mirror=PASSWORD)
    ensure_roles(postgres_server.admin_url, other)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(postgres_server.app_url)
    same = RolePasswords(owner=PASSWORD, app=PASSWORD, mirror=PASSWORD)
    ensure_roles(postgres_server.admin_url, same)
    psycopg.connect(postgres_server.app_url).close()


def test_postgres_survives_a_kill_of_its_whole_group(postgres_server: PostgresHandle) -> None:
    with psycopg.connect(postgres_server.owner_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept (id int)")
        connection.execute("INSERT INTO kept VALUES (7)")
    postgres_server.process.kill()
    postgres_server.process.start()
    with psycopg.connect(postgres_server.owner_url, autocommit=True) as connection:
        assert connection.execute("SELECT id FROM kept").fetchall() == [(7,)]
        connection.execute("DROP TABLE kept")


def test_a_cluster_of_another_version_is_refused_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "PG_VERSION").write_text("16\n")
    (port,) = free_ports(1)
    with pytest.raises(BootstrapError, match="holds 16, expected a PostgreSQL 18 cluster"):
        PostgresServer(directory=tmp_path, port=port, password=PASSWORD).prepare()


def test_redis_wants_the_password_appends_to_disk_and_evicts_nothing(
    redis_server: RedisHandle,
) -> None:
    with redis.Redis.from_url(redis_server.url) as client:
        assert client.config_get("appendonly") == {"appendonly": "yes"}
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
    with (
        redis.Redis.from_url(redis_server.url.replace(f":{PASSWORD}@", "")) as stranger,
        pytest.raises(redis.AuthenticationError),
    ):
        stranger.ping()


async def test_nats_stores_streams_for_whoever_has_the_password(nats_server: NatsHandle) -> None:
    client = await nats.connect(nats_server.url)
    account = await client.jetstream().account_info()
    assert account.streams == 0
    await client.close()


def test_nats_refuses_a_client_without_a_password(nats_server: NatsHandle) -> None:
    host, _, port = nats_server.url.rpartition("@")[2].partition(":")
    with socket.create_connection((host, int(port)), timeout=5) as stranger:
        stranger.makefile("rb").readline()
        stranger.sendall(b"CONNECT {}\r\nPING\r\n")
        assert stranger.recv(200) == b"-ERR 'Authorization Violation'\r\n"


def test_a_probe_says_why_a_stopped_server_is_not_healthy(redis_server: RedisHandle) -> None:
    spec = redis_server.process.spec

    async def ask() -> str | None:
        return await spec.probe()

    assert asyncio.run(ask()) is None
    redis_server.process.stop()
    assert asyncio.run(ask()) == "not listening"
    redis_server.process.start()
    assert asyncio.run(ask()) is None
