"""A trading day in the books, the operator, and one look at a process.

Models are imported inside the fixtures: this file may be read before Django has loaded its apps.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from django.conf import settings

from tests.fixtures_database import DatabaseHandle
from tests.integration.trading.exchange import exchange

__all__ = ["exchange"]

if TYPE_CHECKING:
    from django.test import Client

    from apps.accounts.models import User
    from apps.core.models import ProcessHealth
    from tests.integration.console.exchange_day import ExchangeDay

AGE_OF_DAY_US = 3_600_000_000


@pytest.fixture(autouse=True)
def nothing_else_is_reachable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers that a test does not start are not there, whatever this machine runs."""
    for name in ("REDIS_URL", "NATS_URL", "ENGINE_ADDRESS", "QT_METRICS_TOKEN"):
        monkeypatch.setattr(settings, name, "")
    monkeypatch.setattr(settings, "QT_PROCESSES", {})


@pytest.fixture
def day(django_database: DatabaseHandle) -> ExchangeDay:
    """An hour-old trading day, mirrored."""
    from tests.integration.console.exchange_day import exchange_day, write_books

    made = exchange_day(time.time_ns() // 1000 - AGE_OF_DAY_US, rounds=6)
    write_books(django_database.mirror_url, made)
    return made


@pytest.fixture
def operator(django_database: DatabaseHandle) -> User:
    """The superuser."""
    from apps.accounts.models import User
    from apps.accounts.services import operator_ensure

    del django_database
    return User.objects.get(username=operator_ensure().username)


@pytest.fixture
def console(operator: User) -> Client:
    """The superuser's browser."""
    from tests.integration.console.people import logged_in

    return logged_in(operator)


@pytest.fixture
def sample(django_database: DatabaseHandle) -> ProcessHealth:
    """One look at one process, a trader of whom the engine is to be told, and records."""
    from apps.accounts.models import EngineRegistration
    from apps.console.figures import sample_store
    from apps.console.models import MarketMinute, Series
    from apps.core.models import ProcessHealth
    from apps.mirror.models import EngineSetting
    from apps.trading.models import ImportedCandle
    from engine.proto.records import EventType
    from tests.integration.console.audit_rows import audit_rows
    from tests.integration.console.custody_rows import custody_rows
    from tests.people import person

    del django_database
    trader = person("trader")
    EngineRegistration.objects.create(user=trader)
    custody_rows(trader.pk)
    audit_rows(trader.pk)
    ImportedCandle.objects.create(
        market_id=1,
        opened_at=datetime(2026, 1, 1, tzinfo=UTC),
        open=2,
        high=3,
        low=1,
        close=2,
        volume=5,
        source="a recording",
    )
    now = datetime.now(UTC)
    EngineSetting.objects.using("owner").create(
        event_seq=1, type=EventType.TRADE_GROUP_SET, user_id=1001, market_id=0
    )
    sample_store(Series.MIRROR_LAG_MS, now, 3)
    MarketMinute.objects.create(market_id=1, minute=now, trades=1, quote_volume=1, last_event_seq=1)
    return ProcessHealth.objects.create(
        process="relay",
        state="not_ready",
        detail="the stream is behind",
        latency_ms=12,
        checked_at=datetime.now(UTC),
    )
