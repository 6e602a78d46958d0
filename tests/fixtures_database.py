"""A migrated database of each test's own, in the product's roles.

`qt_owner` migrates a template once per session, to which nothing else ever connects; each test gets
a clone of it. (Emptying tables between tests is no way: the books refuse TRUNCATE.) Invariant: a
test's processes and Django reach its clone only in the roles that they have in production.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from django.conf import settings
from django.db import connections
from psycopg import sql
from pytest_django.plugin import DjangoDbBlocker

from quantatrade.bootstrap.roles import APP_ROLE, MIRROR_ROLE, OWNER_ROLE
from quantatrade.settings import environment
from tests.fixtures_servers import PostgresHandle

ROOT = Path(__file__).parent.parent
MIGRATE_TIMEOUT_S = 120


@dataclass(frozen=True, kw_only=True)
class DatabaseHandle:
    """One database of the test PostgreSQL."""

    name: str
    server: PostgresHandle

    @property
    def owner_url(self) -> str:
        """As qt_owner, who owns and migrates."""
        return self.server.url(OWNER_ROLE, self.name)

    @property
    def app_url(self) -> str:
        """As qt_app: web, edge and workers."""
        return self.server.url(APP_ROLE, self.name)

    @property
    def mirror_url(self) -> str:
        """As qt_mirror."""
        return self.server.url(MIRROR_ROLE, self.name)

    @property
    def superuser_url(self) -> str:
        """As the superuser, who can do what no role of the product can: tests tamper with it."""
        return self.server.admin_url.rpartition("/")[0] + f"/{self.name}"

    @property
    def environment(self) -> dict[str, str]:
        """The variables with which a process of the platform reaches this database."""
        return {
            "DATABASE_URL": self.app_url,
            "DATABASE_OWNER_URL": self.owner_url,
            "DATABASE_MIRROR_URL": self.mirror_url,
        }


def _create(server: PostgresHandle, name: str, template: str) -> DatabaseHandle:
    database = sql.Identifier(name)
    with psycopg.connect(server.admin_url, autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {} STRATEGY FILE_COPY").format(
                database, sql.Identifier(OWNER_ROLE), sql.Identifier(template)
            )
        )
        connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(database))
        connection.execute(
            sql.SQL("GRANT CONNECT ON DATABASE {} TO {}, {}").format(
                database, sql.Identifier(APP_ROLE), sql.Identifier(MIRROR_ROLE)
            )
        )
    return DatabaseHandle(name=name, server=server)


def _drop(database: DatabaseHandle) -> None:
    with psycopg.connect(database.server.admin_url, autocommit=True) as connection:
        connection.execute(
            sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database.name))
        )


@pytest.fixture(scope="session")
def database_template(postgres_server: PostgresHandle) -> DatabaseHandle:
    """The migrated database that clones are made of. Do not connect to it."""
    template = _create(postgres_server, f"template_{uuid4().hex}", "template0")
    migrated = subprocess.run(
        [sys.executable, "-m", "django", "migrate", "--database", "owner", "--verbosity", "0"],
        cwd=ROOT,
        env={
            **os.environ,
            **template.environment,
            "DJANGO_SETTINGS_MODULE": settings.SETTINGS_MODULE,
        },
        capture_output=True,
        text=True,
        timeout=MIGRATE_TIMEOUT_S,
        check=False,
    )
    assert migrated.returncode == 0, migrated.stderr
    return template


@pytest.fixture
def database(database_template: DatabaseHandle) -> Iterator[DatabaseHandle]:
    """A migrated, empty database of this test's own."""
    name = f"test_{uuid4().hex}"
    clone = _create(database_template.server, name, database_template.name)
    yield clone
    _drop(clone)


@pytest.fixture
def django_database(
    database: DatabaseHandle,
    django_db_blocker: DjangoDbBlocker,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[DatabaseHandle]:
    """As `database`, and Django's connections (`default`, `owner`) lead to it."""
    for variable, url in database.environment.items():
        monkeypatch.setenv(variable, url)
    entries = connections.configure_settings(
        {
            "default": environment.application_database("DATABASE_URL"),
            "owner": environment.database("DATABASE_OWNER_URL"),
        }
    )
    before = {alias: connections.settings[alias] for alias in entries}
    with django_db_blocker.unblock():
        _point(entries)
        yield database
        connections.close_all()
        _point(before)


def _point(entries: dict[str, dict[str, object]]) -> None:
    for alias, entry in entries.items():
        connections.settings[alias] = entry
        connections[alias] = connections.create_connection(alias)
