"""Logs and pages have the same form in every process."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import httpx
import pytest
import structlog
from prometheus_client import CollectorRegistry, Counter

from engine.telemetry import configure_logging, serve_telemetry


@pytest.fixture
def own_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    configuration = structlog.get_config()
    yield
    root.handlers, root.level = handlers, level
    structlog.configure(**configuration)


def test_pages_tell_life_readiness_and_counts() -> None:
    registry = CollectorRegistry()
    Counter("things", "Things", registry=registry).inc(3)
    reason: list[str | None] = ["the engine is starting", None]
    server = serve_telemetry(0, lambda: reason.pop(0), registry=registry)
    base = f"http://127.0.0.1:{server.port}"
    alive = httpx.get(f"{base}/healthz")
    assert (alive.status_code, alive.text) == (200, "alive\n")
    waiting = httpx.get(f"{base}/readyz")
    assert (waiting.status_code, waiting.text) == (503, "the engine is starting\n")
    ready = httpx.get(f"{base}/readyz?verbose=1")
    assert (ready.status_code, ready.text) == (200, "ready\n")
    assert "things_total 3.0" in httpx.get(f"{base}/metrics").text
    assert httpx.get(f"{base}/other").status_code == 404
    port = server.port
    with pytest.raises(OSError, match="in use"):
        serve_telemetry(port, lambda: None, registry=registry)
    server.close()
    again = serve_telemetry(port, lambda: None, registry=registry)
    again.close()


@pytest.mark.usefixtures("own_logging")
def test_logs_of_ours_and_of_libraries_are_json_lines_that_name_the_process(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logging("relay")
    structlog.get_logger("engine.relay").info("published", event_seq=7)
    logging.getLogger("nats").warning("lost %s", "connection")
    try:
        raise ValueError("was 1, expected 2")
    except ValueError:
        structlog.get_logger("engine.relay").exception("failed")
    ours, theirs, failed = map(json.loads, capsys.readouterr().err.splitlines())
    assert (ours["event"], ours["event_seq"], ours["level"]) == ("published", 7, "info")
    assert (ours["process"], ours["logger"]) == ("relay", "engine.relay")
    assert (theirs["event"], theirs["level"]) == ("lost connection", "warning")
    assert theirs["process"] == "relay"
    assert ours["timestamp"].endswith("Z")
    assert "ValueError: was 1, expected 2" in failed["exception"]
