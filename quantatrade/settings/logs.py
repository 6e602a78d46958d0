"""One JSON object a line on standard error, from every logger of every Django process.

structlog and the standard library meet in one formatter, so Django, Celery, granian, uvicorn and
our own code write the same shape: timestamp (UTC), level, logger, process, event, and whatever is
bound (request_id, user_id, ip). Invariant: request bodies, headers and credentials are never put
into a log record by us.

`quantatrade/logging.json` names `logging_settings`'s formatter for servers that log before Django
is loaded (granian and uvicorn, `--log-config`).
"""

from __future__ import annotations

import logging
import logging.config
import sys
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any, Final

import structlog

from quantatrade.settings import environment

_LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_SERVER_LOGGERS: Final = ("_granian", "uvicorn", "uvicorn.error", "uvicorn.access")
_NOISY_LOGGERS: Final = ("httpx", "httpcore", "asyncio", "celery.utils.functional")


def process_name() -> str:
    """Return QT_PROCESS, or what the command line says this process is."""
    stated = environment.text("QT_PROCESS")
    if stated:
        return stated
    program = Path(sys.argv[0]).stem if sys.argv else "python"
    if program in ("manage", "__main__") and len(sys.argv) > 1:
        return sys.argv[1]
    return program


def _bind_process(
    _logger: Any, _method: str, event_dict: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    event_dict.setdefault("process", process_name())
    return event_dict


def shared_processors() -> list[structlog.typing.Processor]:
    """Return the steps that records of structlog and of the standard library both go through."""
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(allow=["request_id"]),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.UnicodeDecoder(),
        _bind_process,
    ]


def json_formatter(**_options: Any) -> logging.Formatter:
    """Return the formatter; keyword arguments that logging's configuration passes are ignored."""
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared_processors(),
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.dict_tracebacks,
            structlog.processors.EventRenamer("event"),
            structlog.processors.JSONRenderer(sort_keys=True, default=str),
        ],
    )


def logging_settings() -> dict[str, Any]:
    """Return the LOGGING setting; QT_LOG_LEVEL chooses the level (INFO)."""
    level = environment.text("QT_LOG_LEVEL", "INFO").upper()
    if level not in _LEVELS:
        level = "INFO"
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": "quantatrade.settings.logs.json_formatter"}},
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "formatter": "json",
                "stream": "ext://sys.stderr",
            }
        },
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            **{name: {"handlers": [], "propagate": True} for name in _SERVER_LOGGERS},
            **{name: {"level": "WARNING"} for name in _NOISY_LOGGERS},
            # django_structlog logs each request with its outcome; these would say it twice.
            "django.request": {"level": "CRITICAL"},
            "django.server": {"handlers": [], "level": "WARNING", "propagate": True},
            "celery.app.trace": {"level": "WARNING"},
        },
    }


def configure(settings: dict[str, Any]) -> None:
    """Apply LOGGING and point structlog at it (Django calls this through LOGGING_CONFIG)."""
    logging.config.dictConfig(settings)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared_processors(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
