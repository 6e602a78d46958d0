"""Command line of the relay: `python -m engine.relay --data DIR --nats-url URL --engine ADDRESS`.

It holds the directory's relay lock, runs until SIGTERM or SIGINT, and turns each reason to stop for
good into its own exit code (`engine.relay.errors`).
"""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import os
import signal
import sys
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import structlog
from prometheus_client import REGISTRY

from engine.relay.errors import AlreadyRunningError, RelayError
from engine.relay.greeting import keep_greeting
from engine.relay.metrics import READY_LAG_S_DEFAULT
from engine.relay.relay import SETTLE_S_DEFAULT, Relay
from engine.relay.stream import STREAM_BYTES_DEFAULT
from engine.telemetry import configure_logging, serve_telemetry

LOCK_FILE: Final = "relay.lock"
URL_SCHEMES: Final = ("nats", "tls")
log = structlog.get_logger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the relay and return its exit code."""
    options = _parse(arguments)
    configure_logging("relay")
    try:
        with _directory_lock(options.data):
            asyncio.run(_serve(options))
    except RelayError as error:
        log.error("relay_stopped", error=type(error).__name__, reason=str(error))
        return error.exit_code
    return os.EX_OK


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m engine.relay", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the engine's directory")
    parser.add_argument("--nats-url", default=os.environ.get("NATS_URL"), help="default: NATS_URL")
    parser.add_argument(
        "--engine", default=os.environ.get("ENGINE_ADDRESS"), help="default: ENGINE_ADDRESS"
    )
    parser.add_argument("--telemetry-port", type=int, default=0)
    parser.add_argument(
        "--ready-lag-s", type=float, default=READY_LAG_S_DEFAULT, help="not ready beyond this lag"
    )
    parser.add_argument(
        "--settle-s",
        type=float,
        default=SETTLE_S_DEFAULT,
        help="how long a journal may be behind the stream before the relay counts as stale",
    )
    parser.add_argument("--stream-bytes-max", type=int, default=STREAM_BYTES_DEFAULT)
    options = parser.parse_args(arguments)
    if not options.nats_url:
        parser.error("expected --nats-url or NATS_URL")
    if (
        urlsplit(options.nats_url).scheme not in URL_SCHEMES
        or not urlsplit(options.nats_url).hostname
    ):
        parser.error("NATS URL was of another form, expected nats://user:password@host:port")
    return options


async def _serve(options: argparse.Namespace) -> None:
    relay = Relay(
        options.data,
        options.nats_url,
        REGISTRY,
        settle_s=options.settle_s,
        ready_lag_s=options.ready_lag_s,
        stream_bytes_max=options.stream_bytes_max,
    )
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, relay.stop)
    telemetry = serve_telemetry(options.telemetry_port, relay.not_ready)
    log.info("relay_started", telemetry_port=telemetry.port)
    helpers = [relay.report_status()]
    if options.engine:
        helpers.append(keep_greeting(options.engine, options.data, lambda: relay.claim))
    try:
        await _run_beside(relay.run(), helpers)
    finally:
        telemetry.close()


async def _run_beside(
    main_work: Coroutine[Any, Any, None], helpers: Sequence[Coroutine[Any, Any, None]]
) -> None:
    """Run the main work to its end; an error of a helper ends it too and is raised."""
    main_task = asyncio.create_task(main_work)
    tasks = [main_task, *(asyncio.create_task(helper) for helper in helpers)]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@contextmanager
def _directory_lock(directory: Path) -> Iterator[None]:
    """Hold the relay's lock on the directory. AlreadyRunningError if another relay does."""
    directory.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(directory / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunningError(f"another relay runs on {directory}") from None
        yield
    finally:
        os.close(descriptor)


if __name__ == "__main__":
    sys.exit(main())
