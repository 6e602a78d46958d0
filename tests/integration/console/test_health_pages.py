"""Health, readiness and metrics answer in bounded time, to those who may ask, without a secret."""

from __future__ import annotations

import json
import logging
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from apps.core.checks import CHECKS_TIMEOUT_S, INFRASTRUCTURE_CHECKS, checks_run
from apps.core.types import Check
from tests.fixtures_database import DatabaseHandle
from tests.fixtures_engine import EngineFactory
from tests.fixtures_servers import NatsHandle, RedisHandle

SLACK_S = 1.5


@pytest.fixture
def deaf_server() -> Iterator[str]:
    """A server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        host, port = server.getsockname()
        yield f"{host}:{port}"


def test_health_needs_nothing_but_the_process() -> None:
    response = Client().get("/healthz")
    assert (response.status_code, response.content) == (200, b"alive\n")
    assert "no-store" in response.headers["Cache-Control"]


def test_readiness_lists_every_reason(django_database: DatabaseHandle) -> None:
    response = Client().get("/readyz")
    assert response.status_code == 503
    body = response.json()
    assert body["ready"] is False
    assert body["reasons"] == [
        "redis: REDIS_URL is not set, expected redis://host:port",
        "nats: NATS_URL is not set, expected nats://host:port",
        "engine: ENGINE_ADDRESS is not set, expected host:port",
        "mirror: no mirror has written to the books yet",
    ]
    assert set(body["checks"]) == {"postgresql", "redis", "nats", "engine", "mirror"}


def test_infrastructure_that_runs_is_ready(
    django_database: DatabaseHandle,
    redis_server: RedisHandle,
    nats_server: NatsHandle,
    engine_process: EngineFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(settings, "REDIS_URL", redis_server.url)
    monkeypatch.setattr(settings, "NATS_URL", nats_server.url)
    monkeypatch.setattr(settings, "ENGINE_ADDRESS", engine_process().address)
    results = checks_run(INFRASTRUCTURE_CHECKS)
    assert [(result.name, result.reason) for result in results] == [
        ("postgresql", None),
        ("redis", None),
        ("nats", None),
        ("engine", None),
    ]


def test_servers_that_never_answer_cost_bounded_time_and_no_secret_is_told(
    django_database: DatabaseHandle, deaf_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "REDIS_URL", f"redis://:hunter2@{deaf_server}/0")
    monkeypatch.setattr(settings, "NATS_URL", f"nats://qt:hunter2@{deaf_server}")
    monkeypatch.setattr(settings, "ENGINE_ADDRESS", deaf_server)
    started = time.monotonic()
    response = Client().get("/readyz")
    assert time.monotonic() - started < CHECKS_TIMEOUT_S + SLACK_S
    assert response.status_code == 503
    assert [reason.partition(":")[0] for reason in response.json()["reasons"]] == [
        "redis",
        "nats",
        "engine",
        "mirror",
    ]
    assert "hunter2" not in response.content.decode()


def test_a_database_that_is_gone_is_a_reason_and_not_an_error(
    django_database: DatabaseHandle, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.db import connections

    entry = {**connections.settings["default"], "PORT": "1", "PASSWORD": "hunter2"}
    monkeypatch.setitem(connections.settings, "default", entry)
    response = Client().get("/readyz")
    assert "postgresql: PostgreSQL did not answer: OperationalError" in response.json()["reasons"]
    assert "hunter2" not in response.content.decode()


@pytest.mark.usefixtures("django_database")
def test_a_check_that_hangs_or_breaks_is_a_reason() -> None:
    def breaks() -> str | None:
        raise ValueError("with a secret")

    results = checks_run(
        [
            Check("hangs", lambda: time.sleep(CHECKS_TIMEOUT_S + 0.3)),
            Check("breaks", breaks),
            Check("passes", lambda: None),
        ]
    )
    assert [(result.name, result.reason) for result in results] == [
        ("hangs", "no answer in 3000 ms"),
        ("breaks", "check failed: ValueError"),
        ("passes", None),
    ]


def test_metrics_are_for_loopback_or_for_the_bearer_of_the_token(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = Client()
    assert client.get("/metrics").status_code == 200
    assert b"django_http_requests_total_by_method_total" in client.get("/metrics").content
    assert client.get("/metrics", REMOTE_ADDR="192.0.2.7").status_code == 403
    forwarded = {"HTTP_X_FORWARDED_FOR": "127.0.0.1"}
    assert client.get("/metrics", **forwarded).status_code == 403  # type: ignore[arg-type]
    bearer = {"HTTP_AUTHORIZATION": "Bearer t0ken-of-the-collector"}
    assert client.get("/metrics", REMOTE_ADDR="192.0.2.7", **bearer).status_code == 403  # type: ignore[arg-type]
    monkeypatch.setattr(settings, "QT_METRICS_TOKEN", "t0ken-of-the-collector")
    assert client.get("/metrics", REMOTE_ADDR="192.0.2.7", **bearer).status_code == 200  # type: ignore[arg-type]
    wrong = {"HTTP_AUTHORIZATION": "Bearer t0ken"}
    assert client.get("/metrics", REMOTE_ADDR="192.0.2.7", **wrong).status_code == 403  # type: ignore[arg-type]


def test_health_pages_can_only_be_read() -> None:
    for url in ("/healthz", "/readyz", "/metrics", "/"):
        assert Client().post(url).status_code == 405, url


def test_every_answer_carries_the_request_id_it_was_given_or_a_new_one() -> None:
    given = Client().get("/healthz", HTTP_X_REQUEST_ID="caller-0001")
    assert given.headers["X-Request-ID"] == "caller-0001"
    made = Client().get("/healthz", HTTP_X_REQUEST_ID="bad id\n")
    assert len(made.headers["X-Request-ID"]) == 32


def log_of(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [
        r.msg for r in caplog.records if r.name == "quantatrade.access" and isinstance(r.msg, dict)
    ]


def test_a_request_is_logged_once_without_its_query_and_health_is_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    Client().get("/nothing/here?token=hunter2", HTTP_X_REQUEST_ID="caller-0002")
    Client().get("/healthz")
    entries = log_of(caplog)
    assert len(entries) == 1
    entry = {key: entries[0][key] for key in ("method", "path", "status", "request_id", "ip")}
    assert entry == {
        "method": "GET",
        "path": "/nothing/here",
        "status": 404,
        "request_id": "caller-0002",
        "ip": "127.0.0.1",
    }
    assert "hunter2" not in caplog.text


def test_addresses_in_forwarding_headers_are_believed_from_loopback_only(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    headers = {"HTTP_X_FORWARDED_FOR": "198.51.100.9", "HTTP_X_FORWARDED_PROTO": "https"}
    through_edge = Client().get("/nothing", **headers)  # type: ignore[arg-type]
    direct = Client().get("/nothing", REMOTE_ADDR="192.0.2.7", **headers)  # type: ignore[arg-type]
    assert [entry["ip"] for entry in log_of(caplog)] == ["198.51.100.9", "192.0.2.7"]
    assert through_edge.wsgi_request.is_secure()
    assert not direct.wsgi_request.is_secure()


def test_errors_are_pages_for_browsers_and_json_for_programs() -> None:
    page = Client().get("/nothing", HTTP_ACCEPT="text/html,application/xhtml+xml")
    assert page.status_code == 404
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "There is no page at this address." in page.content.decode()
    program = Client().get("/nothing", HTTP_X_REQUEST_ID="caller-0003")
    assert program.status_code == 404
    assert json.loads(program.content) == {
        "error": {
            "code": "not_found",
            "message": "There is no page at this address.",
            "details": {},
        },
        "request_id": "caller-0003",
    }
    assert program.headers["Vary"] == "Accept"


def test_a_failure_inside_is_a_plain_500_without_details(
    django_database: DatabaseHandle, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object) -> None:
        raise RuntimeError("hunter2")

    monkeypatch.setattr("apps.core.views.checks_run", fail)
    response = Client(raise_request_exception=False).get("/readyz")
    assert response.status_code == 500
    assert response.json()["error"]["code"] == "internal_server_error"
    assert "hunter2" not in response.content.decode()


def test_a_form_without_its_token_is_refused_in_plain_words(
    django_database: DatabaseHandle,
) -> None:
    response = Client(enforce_csrf_checks=True).post("/admin/login/", {"username": "operator"})
    assert response.status_code == 403
    assert response.json()["error"]["code"] == "forbidden"


def test_an_unknown_host_is_refused() -> None:
    assert Client().get("/", HTTP_HOST="evil.example").status_code == 400


def test_the_strict_policy_holds_everywhere_but_in_the_console(
    django_database: DatabaseHandle,
) -> None:
    for url in ("/", "/healthz", "/nothing", "/static/quantatrade/site.css"):
        response = Client().get(url)
        policy = response.headers["Content-Security-Policy"]
        response.close()
        assert "unsafe" not in policy, url
        assert "default-src 'none'" in policy, url
    console = Client().get("/admin/login/").headers["Content-Security-Policy"]
    assert "script-src 'self' 'unsafe-eval'" in console
    assert "style-src 'self' 'unsafe-inline'" in console


def test_the_trading_page_leads_to_console_and_health() -> None:
    page = Client().get("/").content.decode()
    for url in ("/admin/", "/readyz", "/healthz"):
        assert f'href="{url}"' in page
