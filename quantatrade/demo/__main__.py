"""Start the demo: ``python -m quantatrade.demo --telemetry-port N``.

Where the exchange is comes from the environment: QT_DEMO_EDGE_URL, ENGINE_ADDRESS,
QT_CUSTODY_SIMULATOR_URL, QT_VAR. Invariant: it does not start where this is no demo, nor in a
production installation.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import sys
from pathlib import Path
from typing import Final

import structlog

from engine.telemetry import configure_logging, serve_telemetry
from quantatrade.bootstrap.demo_logins import demo_logins_file, read_demo_logins
from quantatrade.bootstrap.failure import BootstrapError
from quantatrade.bootstrap.state_directory import StateDirectory
from quantatrade.demo.exchange import Demo, Terms
from quantatrade.demo.steady import Progress

EXIT_REFUSED: Final = 2
SEED_DEFAULT: Final = "1"
_CHATTY: Final = ("httpx", "httpcore", "websockets", "asyncio")


def main(arguments: list[str]) -> int:
    """Trade until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="demo", description=__doc__)
    parser.add_argument("--telemetry-port", type=int, required=True)
    parser.add_argument("--seed", default=SEED_DEFAULT, help="of all that is random")
    options = parser.parse_args(arguments)
    try:
        terms = terms_from_environment(options.seed)
    except (ValueError, BootstrapError) as error:
        sys.stderr.write(f"demo: {error}\n")
        return EXIT_REFUSED
    configure_logging("demo")
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    progress = Progress()
    telemetry = serve_telemetry(options.telemetry_port, progress.sickness)
    try:
        asyncio.run(_run(Demo(terms, progress)))
    finally:
        telemetry.close()
    return 0


def terms_from_environment(seed: str) -> Terms:
    """Return what the demo works with. ValueError where it must not run, or for what lacks."""
    if os.environ.get("QT_PRODUCTION", "0") not in ("", "0"):
        raise ValueError("this is a production installation, which has no demo")
    if os.environ.get("QT_DEMO", "0") != "1":
        raise ValueError("QT_DEMO was not 1: this exchange is no demo")
    found = {}
    for name in ("QT_DEMO_EDGE_URL", "ENGINE_ADDRESS", "QT_CUSTODY_SIMULATOR_URL", "QT_VAR"):
        found[name] = os.environ.get(name, "")
        if not found[name]:
            raise ValueError(f"{name} is not set")
    return Terms(
        edge_url=found["QT_DEMO_EDGE_URL"],
        engine_address=found["ENGINE_ADDRESS"],
        custodian_url=found["QT_CUSTODY_SIMULATOR_URL"],
        logins=read_demo_logins(demo_logins_file(StateDirectory(Path(found["QT_VAR"])))),
        seed=seed,
    )


async def _run(demo: Demo) -> None:
    log = structlog.get_logger("quantatrade.demo")
    task = asyncio.current_task()
    assert task is not None
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    log.info("ready")
    with contextlib.suppress(asyncio.CancelledError):
        await demo.run()
    log.info("stopped")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
