"""One JSON object a line on standard error, from every logger of every Django process.

The shape is the engine's (`engine.telemetry`), so one collector reads all processes alike.
Invariant: query strings, request bodies, headers and credentials are never put into a log record
by us.

Servers that log before Django is loaded take `quantatrade/logging.json` as their configuration
(granian and uvicorn: `--log-config`), which names `json_formatter`.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any, Final

from engine.telemetry import configure_logging
from quantatrade.settings import environment

_LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_SERVER_LOGGERS: Final = (
    "_granian",
    "granian.access",
    "uvicorn",
    "uvicorn.error",
    "django",
    "django.server",
)
_QUIETER: Final = {
    "httpx": logging.WARNING,
    "httpcore": logging.WARNING,
    "asyncio": logging.WARNING,
    "uvicorn.access": logging.WARNING,  # the edge logs each request itself
    "uvicorn.error": logging.WARNING,  # at INFO it logs each socket, with its query string
    # RequestLogMiddleware logs each request with its outcome; here only failures, with traceback.
    "django.request": logging.ERROR,
    "django.server": logging.WARNING,
    # Jobs run every second and are counted in the metrics; their failures are logged.
    "django_structlog.celery.receivers": logging.WARNING,
    "celery.worker.strategy": logging.WARNING,
    "celery.worker.request": logging.WARNING,
    "celery.app.trace": logging.WARNING,
    "celery.beat": logging.WARNING,
}


def process_name() -> str:
    """Return QT_PROCESS, or what the command line says this process is."""
    stated = environment.text("QT_PROCESS")
    if stated:
        return stated
    program = Path(sys.argv[0]).stem if sys.argv else "python"
    if program in ("manage", "__main__") and len(sys.argv) > 1:
        return sys.argv[1]
    return {"granian": "web", "uvicorn": "edge"}.get(program, program)


def log_level() -> int:
    """Return the level QT_LOG_LEVEL names; INFO if it names none."""
    name = environment.text("QT_LOG_LEVEL", "INFO").upper()
    return int(getattr(logging, name)) if name in _LEVELS else logging.INFO


def configure(_settings: dict[str, Any] | None = None) -> None:
    """Send every logger to the one JSON handler (Django calls this through LOGGING_CONFIG)."""
    configure_logging(process_name(), log_level())
    for name in _SERVER_LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers = []
        logger.propagate = True
    for name, level in _QUIETER.items():
        logging.getLogger(name).setLevel(level)


def json_formatter(**_options: Any) -> logging.Formatter:
    """Return the formatter for a `logging.config` dictionary, which passes options of its own."""
    configure()
    formatter = logging.getLogger().handlers[0].formatter
    assert formatter is not None, "configure_logging gave its handler no formatter"
    return formatter
