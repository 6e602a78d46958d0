"""`python -m engine.bench kernel|engine`: runs a benchmark, prints its table, then a line of JSON.

A process of its own, pinned to one core where the system allows it, so that nothing else of the
platform shares its interpreter; the engine's clients and its relay get the other core. Invariant:
the last line of standard output is the JSON; the exit status is 1 if anything that was checked was
wrong.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from engine.bench.engine import (
    PLOT_NAME,
    QUICK_ENGINE,
    EngineOptions,
    engine_table,
    run_engine,
)
from engine.bench.kernel import BATCH_COMMANDS, QUICK, Figure, Options, Result, run
from engine.bench.streams import StreamCache

COMMANDS_MAX: Final = 10_000_000  # 128 bytes each are held in memory
REPEATS_MAX: Final = 100


def main(arguments: Sequence[str] | None = None) -> int:
    parsed = _parser().parse_args(arguments)
    return _engine(parsed) if parsed.what == "engine" else _kernel(parsed)


def _engine(parsed: argparse.Namespace) -> int:
    options = QUICK_ENGINE if parsed.quick else EngineOptions()
    if parsed.repeats is not None:
        options = options._replace(repeats=parsed.repeats)
    progress = _progress()
    result = run_engine(StreamCache(parsed.cache, progress), options, progress, parsed.cache)
    if not parsed.json:
        sys.stdout.write(engine_table(result, parsed.cache / PLOT_NAME))
    sys.stdout.write(json.dumps(result.summary()) + "\n")
    if result.problem:
        sys.stderr.write(f"bench engine: {result.problem}\n")
        return 1
    return 0


def _kernel(parsed: argparse.Namespace) -> int:
    options = QUICK if parsed.quick else Options()
    if parsed.commands is not None:
        options = options._replace(commands=parsed.commands, plain_commands=parsed.commands)
    if parsed.repeats is not None:
        options = options._replace(repeats=parsed.repeats)
    pinned = pin_to_one_core()
    result = run(StreamCache(parsed.cache, _progress()), options, _progress())
    summary = {**result.summary(), "pinned_core": -1 if pinned is None else pinned}
    if not parsed.json:
        sys.stdout.write(table(result, pinned))
    sys.stdout.write(json.dumps(summary) + "\n")
    if result.problem:
        sys.stderr.write(f"bench kernel: {result.problem}\n")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bench", description="Measure, and prove what is measured."
    )
    parser.add_argument("what", choices=("kernel", "engine"))
    parser.add_argument("--json", action="store_true", help="print nothing but the line of JSON")
    parser.add_argument(
        "--commands",
        type=_between(1, COMMANDS_MAX),
        help="commands of each stream (published digests exist for 20000 and 3000000)",
    )
    parser.add_argument("--repeats", type=_between(1, REPEATS_MAX), help="timed runs of each kind")
    parser.add_argument("--quick", action="store_true", help="shorter streams, fewer runs")
    parser.add_argument(
        "--cache", type=Path, default=Path("var/bench"), help="where generated streams are kept"
    )
    return parser


def _between(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        number = int(text)
        if not low <= number <= high:
            raise argparse.ArgumentTypeError(f"was {number}, expected {low} to {high}")
        return number

    return parse


def _progress() -> Callable[[str], None]:
    start = time.monotonic()

    def progress(message: str) -> None:
        sys.stderr.write(f"{time.monotonic() - start:7.1f} s  {message}\n")

    return progress


def pin_to_one_core() -> int | None:
    """Keep this process on one core, the last it may use; None where that cannot be done."""
    try:
        core = max(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {core})
    except (AttributeError, OSError):  # not Linux, or not allowed
        return None
    return core


NOT_BUILT: Final = (
    "The compiled kernel is not built (python -m engine.kernel.build): the reference ran instead."
)
_TITLES: Final = {
    "single": "single pair",
    "reference": "single pair",
    "peak": "100 pairs",
    "plain": "plain",
}


def table(result: Result, pinned: int | None) -> str:
    heads = ("stream", "kernel", "commands", "runs", "CPU time", "slowest", "fastest", "wall clock")
    core = "not pinned to a core" if pinned is None else f"pinned to core {pinned}"
    lines = [
        "Matching with balances, fees and events: commands per second on one core, median of runs.",
        f"Only the kernel is timed, in batches of {BATCH_COMMANDS} commands; one thread, {core}.",
        "",
        "{:<12}{:<11}{:>10}{:>6}{:>13}{:>12}{:>12}{:>13}".format(*heads),
    ]
    lines += [_row(_TITLES[name], figure) for name, figure in result.figures.items()]
    single = result.figures.get("single")
    if single is not None and single.kernel == "reference":
        lines += ["", NOT_BUILT]
    compared = [name for name, published in result.published.items() if published]
    lines += [
        "",
        f"Streams equal to a published digest: {', '.join(compared) or 'none of this length'}.",
        f"Wrong: {result.problem}"
        if result.problem
        else "Events, books and holdings were right in every run.",
        "",
    ]
    return "\n".join(lines)


def _row(title: str, figure: Figure) -> str:
    return (
        f"{title:<12}{figure.kernel:<11}{figure.commands:>10,}{figure.runs:>6}"
        f"{figure.ops_s:>13,}{figure.ops_s_min:>12,}{figure.ops_s_max:>12,}"
        f"{figure.wall_ops_s:>13,}"
    )


if __name__ == "__main__":
    sys.exit(main())
