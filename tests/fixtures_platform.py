"""Fixtures that point Django's settings to real servers of the tests' own.

Models are imported inside the fixtures: this module is read before Django has loaded its apps.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
import redis
from django.conf import settings

from tests.fixtures_database import DatabaseHandle
from tests.fixtures_engine import EngineFactory, EngineUnderTest
from tests.fixtures_servers import RedisHandle

if TYPE_CHECKING:
    from apps.accounts.models import User


@pytest.fixture
def redis_url(redis_server: RedisHandle, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An empty Redis that the platform knows."""
    with redis.Redis.from_url(redis_server.url) as client:
        client.flushdb()
        monkeypatch.setattr(settings, "REDIS_URL", redis_server.url)
        yield redis_server.url


@pytest.fixture
def no_redis(monkeypatch: pytest.MonkeyPatch, free_address: str) -> None:
    """A Redis address at which nobody answers."""
    monkeypatch.setattr(settings, "REDIS_URL", f"redis://{free_address}/0")


@pytest.fixture
def platform(django_database: DatabaseHandle, redis_url: str) -> DatabaseHandle:
    """Database and Redis: all that the API needs without the engine."""
    del redis_url
    return django_database


@pytest.fixture
def platform_engine(
    engine_process: EngineFactory, monkeypatch: pytest.MonkeyPatch
) -> EngineUnderTest:
    """An engine that the platform knows."""
    engine = engine_process()
    monkeypatch.setattr(settings, "ENGINE_ADDRESS", engine.address)
    return engine


@pytest.fixture
def operator_user(django_database: DatabaseHandle) -> User:
    """An operator."""
    from tests.people import person

    del django_database
    return person("operator")


@pytest.fixture
def support_user(django_database: DatabaseHandle) -> User:
    """A member of the support staff."""
    from tests.people import person

    del django_database
    return person("support")
