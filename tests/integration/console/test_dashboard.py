"""The first page asks every source now, and says of each that does not answer that it does not."""

from __future__ import annotations

import html
import re
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest
from django.conf import settings
from django.test import Client

from apps.console.dashboard import dashboard_build
from apps.console.figures import trades_count
from apps.console.lag import mirror_lag_reason
from apps.console.tasks import sample_health
from apps.core import engine_gateway
from apps.core.models import ProcessHealth
from apps.core.selectors import process_reports
from apps.mirror.books import Books, EventRun
from engine.proto import engine_pb2, engine_pb2_grpc
from tests.fixtures_database import DatabaseHandle
from tests.fixtures_engine import EngineFactory, EngineUnderTest
from tests.integration.console.exchange_day import ExchangeDay


def words(client: Client) -> str:
    response = client.get("/admin/")
    assert response.status_code == 200
    body = response.content.decode().partition('id="qt-dashboard"')[2]
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())


def use(engine: EngineUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "ENGINE_ADDRESS", engine.address)


def add_assets(engine: EngineUnderTest, *codes: str) -> None:
    with grpc.insecure_channel(engine.address) as channel:
        admin = engine_pb2_grpc.AdminServiceStub(channel)
        for number, code in enumerate(codes, start=1):
            request = engine_pb2.AddAssetRequest(
                asset_id=number, code=code, decimals=8, max_total_atoms=10**15
            )
            assert admin.AddAsset(request, timeout=10).reason == 0


def events_of(engine: EngineUnderTest, first: int, last: int) -> bytes:
    with grpc.insecure_channel(engine.address) as channel:
        service = engine_pb2_grpc.EventServiceStub(channel)
        request = engine_pb2.ReadRequest(first_event_seq=first, last_event_seq=last)
        return b"".join(batch.events for batch in service.Read(request, timeout=10))


def test_everything_down_but_the_database_still_gives_a_page_that_says_so(
    console: Client,
) -> None:
    shown = words(console)
    assert "Engine No answer ENGINE_ADDRESS is not set, expected host:port" in shown
    assert "Mirror lag Unknown" in shown
    assert "Books = engine Unknown no mirror has written to the books yet" in shown
    assert "No look has been taken yet" in shown
    assert "No trade yet." in shown


def test_an_engine_that_refuses_connections_is_named(
    console: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "ENGINE_ADDRESS", "127.0.0.1:1")
    assert "engine at 127.0.0.1:1 answered UNAVAILABLE" in words(console)


def test_figures_are_those_of_engine_and_books(
    console: Client,
    django_database: DatabaseHandle,
    engine_process: EngineFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine = engine_process()
    use(engine, monkeypatch)
    add_assets(engine, "BTC", "USDT", "ETH")
    with closing(Books(django_database.mirror_url)) as books:
        books.open()
        books.apply(EventRun(1, 1, events_of(engine, 1, 2)))
        assert "Mirror lag 1 event the oldest for" in words(console)
        assert mirror_lag_reason() is None
        monkeypatch.setattr("apps.console.lag.LAG_SECONDS_MAX", 0.0)
        reason = mirror_lag_reason()
        assert reason is not None
        assert re.fullmatch(
            r"mirror\.books is 1 events and \d\.\d s behind, expected at most 0 s", reason
        )
        books.apply(EventRun(1, 3, events_of(engine, 3, 3)))
    shown = words(console)
    assert "Engine Epoch 1 reference kernel, answered in" in shown
    assert "Mirror lag 0 events none missing" in shown
    assert "Books = engine Not yet compared" in shown
    assert "Open orders 0 in the engine's books, now" in shown
    assert "Event sequence 3" in shown
    assert mirror_lag_reason() is None


def test_a_mirror_ahead_of_its_engine_is_an_alarm(
    console: Client,
    day: ExchangeDay,
    engine_process: EngineFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    use(engine_process(), monkeypatch)
    count = len(day.events) // 128
    assert f"Mirror lag Ahead mirror.books has {count} events that this engine never had" in (
        words(console)
    )
    assert mirror_lag_reason() == (f"mirror.books has {count} events that this engine never had")


def test_a_halted_mirror_is_not_ready(
    day: ExchangeDay,
    django_database: DatabaseHandle,
    engine_process: EngineFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    use(engine_process(), monkeypatch)
    from django.db import connections

    with connections["owner"].cursor() as cursor:
        cursor.execute("UPDATE mirror_cursor SET halted_reason = 'digests differ'")
    assert mirror_lag_reason() == "mirror.books has halted: digests differ"


def test_trades_and_volume_of_the_last_day_are_summed_exactly(day: ExchangeDay) -> None:
    trades_count()
    now = datetime.now(UTC)
    board = dashboard_build(now)
    assert board.volumes is not None
    found = {row[0]: re.sub(r"<[^>]+>", "", str(row[2])) for row in board.volumes.rows}
    # Six rounds; each buys 0.15 BTC from the asks in price order and 0.02 ETH at 3,100.00 or more.
    assert set(found) == {"BTCUSDT", "ETHUSDT"}
    later = dashboard_build(now + timedelta(hours=25))
    assert later.volumes is not None
    assert later.volumes.rows == []
    assert later.volumes.empty == "No trade in the last 24 hours."


def test_looks_at_processes_are_sampled_and_forgotten_when_no_longer_configured(
    day: ExchangeDay,
    engine_process: EngineFactory,
    monkeypatch: pytest.MonkeyPatch,
    console: Client,
) -> None:
    engine = engine_process()
    monkeypatch.setattr(
        settings,
        "QT_PROCESSES",
        {
            "engine": f"http://127.0.0.1:{engine.telemetry_port}/readyz",
            "engine-grpc": f"grpc://{engine.address}",
            "engine-tcp": f"tcp://{engine.address}",
            "missing-page": f"http://127.0.0.1:{engine.telemetry_port}/nothing",
            "relay": "http://127.0.0.1:1/readyz",
        },
    )
    sample_health()
    reports = {report.process: report for report in process_reports()}
    assert {name: report.state for name, report in reports.items()} == {
        "books": "not_ready",
        "engine": "ready",
        "engine-grpc": "ready",
        "engine-tcp": "ready",
        "missing-page": "not_ready",
        "relay": "unreachable",
    }
    assert reports["books"].detail == (
        "lag is unknown: ENGINE_ADDRESS is not set, expected host:port"
    )
    assert reports["relay"].detail == "no answer at http://127.0.0.1:1/readyz: ConnectError"
    assert "relay Unreachable" in words(console)
    monkeypatch.setattr(settings, "QT_PROCESSES", {})
    sample_health()
    assert [report.process for report in process_reports()] == ["books"]


def test_an_old_look_is_shown_as_unknown(console: Client, sample: ProcessHealth) -> None:
    assert "relay Not ready" in words(console)
    old = datetime.now(UTC) - timedelta(minutes=10)
    ProcessHealth.objects.filter(pk=sample.pk).update(checked_at=old)
    assert re.search(r"relay Unknown 12 ms 10 min", words(console))


def test_a_dashboard_of_a_stopped_engine_recovers_with_it(
    console: Client,
    engine_process: EngineFactory,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    engine = engine_process()
    use(engine, monkeypatch)
    assert "Engine Epoch 1" in words(console)
    address = engine.address
    engine.stop()
    assert "Engine No answer" in words(console)
    engine_process("--listen", address)
    deadline = time.monotonic() + 10
    while "Engine Epoch 2" not in words(console):
        assert time.monotonic() < deadline, words(console)
    assert engine_gateway.engine_health() is None
