"""`manage.py soak`: the command line of a watch. Exit status 0 only if every threshold holds."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from typing import Any, Final

from quantatrade.bootstrap.configuration import read_environment, state_directory
from quantatrade.bootstrap.ports import HOST, choose_ports
from quantatrade.bootstrap.status import current_status
from quantatrade.bootstrap.table import render
from quantatrade.soak.books import BooksWatch
from quantatrade.soak.verdict import Finding, Samples, judge, percentile
from quantatrade.soak.watch import Watch

MINUTES_DEFAULT: Final = 10.0
MINUTES_MAX: Final = 7 * 24 * 60.0
EXIT_NOT_RUNNING: Final = 3


def main() -> int:
    """Watch, print a table and, last, one JSON line."""
    parser = argparse.ArgumentParser(
        prog="manage.py soak",
        description="Watch the running installation, and say whether it could go on like this.",
    )
    parser.add_argument("--minutes", type=float, default=MINUTES_DEFAULT)
    parser.add_argument(
        "--seed", type=int, default=1, help="of the moments at which books are proved"
    )
    parser.add_argument("--json", action="store_true", help="print the JSON line alone")
    options = parser.parse_args()
    if not 0 < options.minutes <= MINUTES_MAX:
        parser.error(
            f"--minutes was {options.minutes}, expected more than 0, at most {MINUTES_MAX:g}"
        )
    state = state_directory(os.environ)
    if current_status(state).phase != "running":
        sys.stderr.write("QuantaTrade is not running: start it with `manage.py up --detach`.\n")
        return EXIT_NOT_RUNNING
    known = read_environment(state)
    ports = choose_ports({**known, **os.environ})
    books = BooksWatch(
        database_url=known["DATABASE_URL"],
        engine_address=known["ENGINE_ADDRESS"],
        relay_metrics_url=f"http://{HOST}:{ports['relay_telemetry']}/metrics",
    )
    say = _quiet if options.json else _say
    try:
        watch = Watch(state, books, duration_s=options.minutes * 60, seed=options.seed, say=say)
        samples = watch.run()
    finally:
        books.close()
    findings = judge(samples)
    if not options.json:
        _say(verdict_table(findings))
        for line in samples.errors[:20]:
            _say(f"error: {line}")
    sys.stdout.write(json.dumps(report(samples, findings)) + "\n")
    return 0 if all(each.holds for each in findings) else 1


def verdict_table(findings: Sequence[Finding]) -> str:
    """Return every finding as a line, and the verdict below."""
    rows = [
        (each.name, each.found, each.expected, "ok" if each.holds else "FAILED")
        for each in findings
    ]
    failed = [each.name for each in findings if not each.holds]
    words = "HELD" if not failed else f"FAILED: {', '.join(failed)}"
    return f"{render(('WHAT', 'FOUND', 'EXPECTED', ''), rows)}\n\nThe installation {words}."


def report(samples: Samples, findings: Sequence[Finding]) -> dict[str, Any]:
    """Return the keys of the JSON line."""
    return {
        "holds": all(each.holds for each in findings),
        "failed": [each.name for each in findings if not each.holds],
        "minutes": round(samples.duration_s / 60, 2),
        "samples": len(samples.mirror_lag_s),
        "mirror_lag_p99_ms": round(percentile(samples.mirror_lag_s, 0.99) * 1000),
        "mirror_lag_max_ms": round(max(samples.mirror_lag_s, default=0.0) * 1000),
        "relay_lag_max_ms": round(max(samples.relay_lag_s, default=0.0) * 1000),
        "restarts": sum(samples.restarts.values()),
        "errors": len(samples.errors),
        "trades": sum(samples.trades.values()),
        "proofs": len(samples.proofs),
        "memory": {
            each.name.removeprefix("memory of "): each.found
            for each in findings
            if each.name.startswith("memory of ")
        },
    }


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _quiet(_text: str) -> None:
    """Say nothing."""


if __name__ == "__main__":
    sys.exit(main())
