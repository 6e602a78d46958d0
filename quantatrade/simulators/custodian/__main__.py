"""Start the simulated custodian.

Its secrets come from the environment: QT_CUSTODY_TOKEN, QT_CUSTODY_WEBHOOK_SECRET,
QT_CUSTODIAN_WALLET; where its webhooks go from QT_CUSTODIAN_WEBHOOK_URL. Invariant: it does not
start in a production installation, or with a secret that could be guessed.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Final

import structlog

from engine.telemetry import configure_logging
from quantatrade.simulators.custodian.custodian import Custodian, Terms
from quantatrade.simulators.custodian.deliverer import Deliverer
from quantatrade.simulators.custodian.server import Server
from quantatrade.simulators.custodian.store import Store

SECRET_CHARACTERS_MIN: Final = 16
EXIT_REFUSED: Final = 2


def main(arguments: list[str]) -> int:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="custodian", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--database", type=Path, required=True)
    parser.add_argument(
        "--minute", type=float, default=60.0, help="seconds that a minute of the retry plan lasts"
    )
    options = parser.parse_args(arguments)
    try:
        terms = _terms()
    except ValueError as error:
        sys.stderr.write(f"custodian: {error}\n")
        return EXIT_REFUSED
    configure_logging("custodian")
    _serve(options, terms)
    return 0


def _terms() -> Terms:
    if os.environ.get("QT_PRODUCTION", "0") not in ("", "0"):
        raise ValueError("this is a production installation, which has no simulated custodian")
    found = {}
    for name in ("QT_CUSTODY_TOKEN", "QT_CUSTODY_WEBHOOK_SECRET", "QT_CUSTODIAN_WALLET"):
        found[name] = os.environ.get(name, "")
        if len(found[name]) < SECRET_CHARACTERS_MIN:
            raise ValueError(
                f"{name} had {len(found[name])} characters,"
                f" expected at least {SECRET_CHARACTERS_MIN}"
            )
    url = os.environ.get("QT_CUSTODIAN_WEBHOOK_URL", "")
    if not url.startswith(("http://", "https://")):
        raise ValueError(f"QT_CUSTODIAN_WEBHOOK_URL was {url!r}, expected http(s)://…")
    return Terms(
        token=found["QT_CUSTODY_TOKEN"],
        webhook_secret=found["QT_CUSTODY_WEBHOOK_SECRET"],
        webhook_url=url,
        wallet=found["QT_CUSTODIAN_WALLET"],
    )


def _serve(options: argparse.Namespace, terms: Terms) -> None:
    log = structlog.get_logger("quantatrade.simulators.custodian")
    store = Store(options.database)
    custodian = Custodian(store, terms)
    deliverer = Deliverer(store, custodian, url=terms.webhook_url, minute_s=options.minute)

    def ready() -> str | None:
        return None if deliverer.is_alive else "webhooks are not being sent"

    server = Server(options.port, custodian, ready)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    deliverer.start()
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True)
    thread.start()
    log.info("ready", port=server.server_address[1])
    stopping.wait()
    server.shutdown()
    deliverer.stop()
    server.server_close()
    store.close()
    log.info("stopped")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
