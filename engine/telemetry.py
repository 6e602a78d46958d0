"""Logs, health pages and metrics, the same for every process of the platform.

One JSON line per log event on stderr, so that any collector can read all processes alike; and three
pages on loopback: `/healthz` (the process lives), `/readyz` (it does its work, or says in one plain
sentence why not) and `/metrics` (Prometheus). Invariant: the pages answer from a thread of their
own, so a busy event loop cannot make a living process look dead.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final, cast

import structlog
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest

LOOPBACK: Final = "127.0.0.1"
REQUEST_TIMEOUT_S: Final = 5
STOP_POLL_S: Final = 0.1
PLAIN_TEXT: Final = "text/plain; charset=utf-8"

Ready = Callable[[], str | None]


def configure_logging(process: str, level: int = logging.INFO) -> None:
    """Send all logs, ours and the libraries', to stderr as JSON lines naming the process."""

    def name_process(
        _logger: object, _method: str, event: structlog.types.EventDict
    ) -> structlog.types.EventDict:
        event.setdefault("process", process)
        return event

    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        name_process,
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)


class TelemetryServer:
    """The pages of one process. `port` is the real one, also when 0 was asked for."""

    def __init__(self, port: int, ready: Ready, registry: CollectorRegistry) -> None:
        self._http = _PageServer((LOOPBACK, port), _Pages)
        self._http.ready = ready
        self._http.registry = registry
        self.port: int = self._http.server_address[1]
        # A forked child would keep the port taken after this process has died.
        os.register_at_fork(after_in_child=self._http.socket.close)
        self._thread = threading.Thread(
            target=self._http.serve_forever, args=(STOP_POLL_S,), name="telemetry", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop answering and free the port."""
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(REQUEST_TIMEOUT_S)


def serve_telemetry(
    port: int, ready: Ready, *, registry: CollectorRegistry = REGISTRY
) -> TelemetryServer:
    """Serve /healthz, /readyz and /metrics on 127.0.0.1.

    `ready` is called for each /readyz and returns None, or the reason why the process cannot do its
    work now. OSError if the port is taken.
    """
    return TelemetryServer(port, ready, registry)


class _PageServer(ThreadingHTTPServer):
    daemon_threads = True
    ready: Ready
    registry: CollectorRegistry


class _Pages(BaseHTTPRequestHandler):
    timeout = REQUEST_TIMEOUT_S

    def do_GET(self) -> None:
        server = cast("_PageServer", self.server)
        path = self.path.partition("?")[0]
        if path == "/healthz":
            self._answer(200, b"alive\n")
        elif path == "/readyz":
            reason = server.ready()
            self._answer(*((200, b"ready\n") if reason is None else (503, f"{reason}\n".encode())))
        elif path == "/metrics":
            self._answer(200, generate_latest(server.registry), CONTENT_TYPE_LATEST)
        else:
            self._answer(404, b"expected /healthz, /readyz or /metrics\n")

    def _answer(self, status: int, body: bytes, content_type: str = PLAIN_TEXT) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing: a probe every second would drown the log."""
