"""`manage.py bench engine`: the engine, layer by layer, from its books to its clients.

L0 books alone, L1 the kernel (balances, fees, events), L2 with the journal, each batch durable
before the next, L3 over gRPC with the relay on; then what a user and an order cost, and a restart.
One run on one machine: the figures of the layers belong together.

Invariant: a figure stands in the result only if the run that it was taken from was proved right; at
the first thing that is wrong the benchmark ends and says so.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any, Final, NamedTuple

from engine.bench.deep import build_deep
from engine.bench.encode import KernelStream, encode
from engine.bench.histogram import PERCENTILES, Histogram
from engine.bench.kernel import check_golden_stream
from engine.bench.layers import (
    Rate,
    is_compiled,
    rate,
    time_books,
    time_deep,
    time_durable,
    time_each_command,
    time_kernel,
)
from engine.bench.plot import write_plot
from engine.bench.population import EXCHANGE, PEAK
from engine.bench.processes import choose_cores, pin_this
from engine.bench.proof import BenchmarkError
from engine.bench.restart import measure_restart
from engine.bench.served import ServedOptions, run_served
from engine.bench.streams import Progress, Stream, StreamCache

PLOT_NAME: Final = "engine.svg"
RESTART_GOAL_ITEMS: Final = 1_000_000


class EngineOptions(NamedTuple):
    """How much of each. L2 and L3 run the first of the single pair's commands: marks of it."""

    commands: int = 3_000_000
    plain_commands: int = 1_000_000
    repeats: int = 3
    timed_commands: int = 1_000_000
    deep_levels: int = 1_000_000
    deep_commands: int = 300_000
    durable_commands: int = 1_000_000
    served: ServedOptions = ServedOptions(1_000_000, 300_000, 300_000, 6_000)
    items: int = RESTART_GOAL_ITEMS  # users, and orders, of the restart


QUICK_ENGINE: Final = EngineOptions(
    commands=300_000,
    plain_commands=100_000,
    repeats=1,
    timed_commands=100_000,
    deep_levels=50_000,
    deep_commands=50_000,
    durable_commands=100_000,
    served=ServedOptions(100_000, 100_000, 100_000, 1_000),
    items=20_000,
)
TINY_ENGINE: Final = EngineOptions(
    commands=100_000,
    plain_commands=10_000,
    repeats=1,
    timed_commands=10_000,
    deep_levels=500,
    deep_commands=2_000,
    durable_commands=100_000,
    served=ServedOptions(90_112, 4_096, 5_792, 100),
    items=500,
)
KEYS: Final = (
    *("l0_single_ops_s", "l1_single_ops_s", "l1_peak_ops_s", "l1_plain_ops_s", "l1_deep_ops_s"),
    *("kernel_p99_ns", "l2_batch256_ops_s", "l3_packed256_ops_s", "l3_coalesced256_ops_s"),
    *("l3_coalesced256_p99_ms", "l3_unary_ops_s", "bytes_per_order", "restart_1m_orders_s"),
)


class EngineResult(NamedTuple):
    """`facts` are flat; `problem` is what was wrong first, or nothing."""

    facts: dict[str, Any]
    histograms: dict[str, Histogram]
    problem: str

    def summary(self) -> dict[str, Any]:
        """The flat form: keys stay stable, a figure that was not reached is 0."""
        return {
            **dict.fromkeys(KEYS, 0),
            **self.facts,
            "digests_ok": not self.problem,
        }


class _Run:
    """One run of everything, collecting facts as it goes."""

    def __init__(self, cache: StreamCache, options: EngineOptions, progress: Progress) -> None:
        self.facts: dict[str, Any] = {}
        self.histograms: dict[str, Histogram] = {}
        self._cache = cache
        self._options = options
        self._progress = progress
        self._cores = choose_cores()
        self._published: list[str] = []

    def _put_rate(self, name: str, measured: Rate) -> None:
        self.facts[f"{name}_ops_s"] = measured.ops_s
        self.facts[f"{name}_wall_ops_s"] = measured.wall_ops_s

    def _put_latency(self, name: str, title: str, histogram: Histogram, unit: str) -> None:
        """Percentiles in nanoseconds, or in milliseconds."""
        self.histograms[title] = histogram
        for percent in PERCENTILES:
            key = f"{name}_p{percent:g}_{unit}".replace("99.9", "999")
            self.facts[key] = _in_unit(histogram.percentile(percent), unit)
        self.facts[f"{name}_max_{unit}"] = _in_unit(histogram.max, unit)

    def run(self, directory: Path) -> None:
        options = self._options
        pin_this(self._cores.engine)
        self.facts["compiled"] = is_compiled()
        single = self._cache.multi(EXCHANGE, options.commands)
        self._check(single, options.commands)
        encoded = encode(single)
        self._memory_layers(single, encoded)
        self._progress("L2: journal, batches of 256")
        durable = time_durable(single, encoded, options.durable_commands, directory / "durable")
        self.facts["l2_batch256_ops_s"] = durable.ops_s
        self._put_latency("l2_batch256", "L2, batch of 256 durable", durable.histogram, "ms")
        pin_this(self._cores.others)
        self._served(single, encoded, directory / "served")
        self._restart(directory / "restart")

    def _check(self, stream: Stream, commands: int) -> None:
        if check_golden_stream(stream, commands):
            self._published.append(stream.name)
        self.facts["published_streams"] = ",".join(self._published)

    def _memory_layers(self, single: Stream, encoded: KernelStream) -> None:
        options, progress = self._options, self._progress
        if is_compiled():
            progress("L0: books alone")
            timings = [time_books(single, encoded) for _ in range(options.repeats)]
            self._put_rate("l0_single", rate(timings))
            progress("kernel: each command by itself")
            histogram = time_each_command(encoded, options.timed_commands)
            self._put_latency("kernel", "kernel, one command", histogram, "ns")
        progress("L1: single pair")
        self._put_rate("l1_single", time_kernel(single, encoded, options.repeats))
        for name, stream in (
            ("l1_peak", self._cache.multi(PEAK, options.commands)),
            ("l1_plain", self._cache.plain(options.plain_commands)),
        ):
            progress(f"L1: {stream.name}")
            if name == "l1_peak":
                self._check(stream, options.commands)
            self._put_rate(name, time_kernel(stream, encode(stream), options.repeats))
        progress(f"L1: {options.deep_levels} levels a side")
        deep = build_deep(options.deep_levels, options.deep_commands)
        self._put_rate("l1_deep", time_deep(deep))
        self.facts["deep_levels"] = options.deep_levels

    def _served(self, single: Stream, encoded: KernelStream, directory: Path) -> None:
        self._progress("L3: gRPC, the relay on")
        served = run_served(single, encoded, self._options.served, self._cores, directory)
        self.facts |= {
            "l3_packed256_ops_s": served.packed_ops_s,
            "l3_coalesced256_ops_s": served.coalesced_ops_s,
            "l3_coalesced256_planned_ops_s": served.planned_rate,
            "l3_coalesced256_reached_ops_s": served.planned_ops_s,
            "l3_unary_ops_s": served.unary_ops_s,
            "relay_on": served.relay_on,
        }
        self._put_latency("l3_packed256", "L3, packed message of 256", served.packed, "ms")
        self._put_latency("l3_closed256", "L3, 256 callers at full speed", served.coalesced, "ms")
        planned = f"L3, 256 callers, planned {served.planned_rate:,}/s"
        self._put_latency("l3_coalesced256", planned, served.planned, "ms")
        self._put_latency("l3_unary", "L3, single calls", served.unary, "ms")

    def _restart(self, directory: Path) -> None:
        items = self._options.items
        self._progress(f"restart with {items} users and orders")
        done = measure_restart(items, items, self._cores, directory)
        self.facts |= {
            "bytes_per_order": done.bytes_per_order,
            "bytes_per_user": done.bytes_per_user,
            "bytes_per_deposit": done.bytes_per_deposit,
            "restart_items": items,
            "restart_s": done.restart_s,
            "restart_1m_orders_s": done.restart_s if items >= RESTART_GOAL_ITEMS else 0,
            "snapshot_bytes": done.snapshot_bytes,
            "snapshot_ms": done.snapshot_ms,
        }


def _in_unit(nanoseconds: int, unit: str) -> int | float:
    return nanoseconds if unit == "ns" else round(nanoseconds / 1e6, 3)


def run_engine(
    cache: StreamCache, options: EngineOptions, progress: Progress, directory: Path
) -> EngineResult:
    """All of the engine benchmark, with its files in a new directory below `directory`."""
    directory.mkdir(parents=True, exist_ok=True)
    run = _Run(cache, options, progress)
    work = Path(tempfile.mkdtemp(prefix="engine-", dir=directory))
    problem = ""
    try:
        run.run(work)
    except BenchmarkError as error:
        problem = str(error)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    write_plot(directory / PLOT_NAME, "Latency by layer, cumulative percentiles", run.histograms)
    return EngineResult(run.facts, run.histograms, problem)


# --- for people ---------------------------------------------------------------------------------

_ROWS: Final[tuple[tuple[str, str, str], ...]] = (
    ("L0  books alone, single pair", "l0_single_ops_s", "commands/s"),
    ("L1  kernel, single pair", "l1_single_ops_s", "commands/s"),
    ("L1  kernel, 100 pairs", "l1_peak_ops_s", "commands/s"),
    ("L1  kernel, plain mix", "l1_plain_ops_s", "commands/s"),
    ("L1  kernel, deep book", "l1_deep_ops_s", "commands/s"),
    ("    one command, 99 %", "kernel_p99_ns", "ns"),
    ("L2  durable, batches of 256", "l2_batch256_ops_s", "commands/s"),
    ("L3  gRPC, packed 256", "l3_packed256_ops_s", "commands/s"),
    ("L3  gRPC, 256 callers coalesced", "l3_coalesced256_ops_s", "commands/s"),
    ("    at this planned rate", "l3_coalesced256_planned_ops_s", "commands/s"),
    ("    from the planned moment, 50 %", "l3_coalesced256_p50_ms", "ms"),
    ("    from the planned moment, 99 %", "l3_coalesced256_p99_ms", "ms"),
    ("L3  gRPC, single calls", "l3_unary_ops_s", "calls/s"),
    ("    memory of a resting order", "bytes_per_order", "bytes"),
    ("    memory of a user", "bytes_per_user", "bytes"),
    ("    users and orders at the restart", "restart_items", ""),
    ("    restart from a snapshot", "restart_s", "s"),
)


def engine_table(result: EngineResult, plot: Path) -> str:
    summary = result.summary()
    lines = ["The engine, layer by layer; L0 and L1 by processor time, the rest by the clock.", ""]
    for title, key, unit in _ROWS:
        if key in summary:
            value = summary[key]
            text = f"{value:,}" if isinstance(value, int) else f"{value:,.3f}"
            lines.append(f"{title:<36}{text:>14}  {unit}".rstrip())
    lines += [
        "",
        f"Streams equal to a published digest: {summary.get('published_streams') or 'none'}.",
        f"Latencies are drawn in {plot}.",
        f"Wrong: {result.problem}"
        if result.problem
        else "Books, events and holdings were right in every run.",
        "",
    ]
    return "\n".join(lines)
