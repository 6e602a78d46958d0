"""`manage.py mirror`: follow the engine's event stream into the database until told to stop."""

from __future__ import annotations

import asyncio
import os
import signal
from argparse import ArgumentParser
from typing import Any

import structlog
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from prometheus_client import REGISTRY

from apps.mirror.errors import MirrorError
from apps.mirror.process import MirrorProcess
from engine.telemetry import configure_logging, serve_telemetry

log = structlog.get_logger(__name__)


class Command(BaseCommand):
    help = "Follows the engine's events into the books: ledger, balances, orders and trades."
    requires_system_checks: list[str] = []  # noqa: RUF012 - the base class's type

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--telemetry-port",
            type=int,
            required=True,
            help="loopback port of /healthz, /readyz and /metrics; 0 takes a free one",
        )

    def handle(self, *_: Any, telemetry_port: int, **__: Any) -> None:
        configure_logging("mirror")
        try:
            asyncio.run(_run(telemetry_port))
        except MirrorError as error:
            log.error("stopped", cause=type(error).__name__, detail=str(error))
            raise CommandError(f"{type(error).__name__}: {error}") from error


async def _run(telemetry_port: int) -> None:
    process = MirrorProcess(
        database_url=_required("DATABASE_MIRROR_URL", os.environ.get("DATABASE_MIRROR_URL")),
        nats_url=_required("NATS_URL", settings.NATS_URL),
        engine_address=_required("ENGINE_ADDRESS", settings.ENGINE_ADDRESS),
        registry=REGISTRY,
    )
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, process.stop)
    telemetry = serve_telemetry(telemetry_port, process.not_ready)
    log.info("started", telemetry_port=telemetry.port)
    try:
        await process.run()
    finally:
        telemetry.close()


def _required(variable: str, value: str | None) -> str:
    if not value:
        raise CommandError(f"{variable} is not set; `manage.py up` sets it")
    return value
