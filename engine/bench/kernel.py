"""Times a kernel on the benchmark's streams and proves every run: `manage.py bench kernel`.

Only `Kernel.apply` is timed, batch by batch, by the processor time of this process and by the wall
clock. `apply` waits for nothing, so both agree on a machine that does nothing else; where they
differ, other programs had the core, and processor time is what the kernel needed.

A kernel first runs the stream once under proof (events, books, money); each timed run must then
give the very bytes of the proved one, and its books and balances are compared again.

Invariant: kernels under comparison take turns in one run, on one core, so that what disturbs the
machine disturbs both; medians are reported, never the best.
"""

from __future__ import annotations

import gc
import hashlib
import statistics
import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from engine.bench.encode import KernelStream, encode
from engine.bench.population import EXCHANGE, MARGIN, PEAK, Symbol
from engine.bench.proof import BenchmarkError, EventReader, check_events, check_state
from engine.bench.streams import (
    Progress,
    Stream,
    StreamCache,
    build,
    golden_session,
    load_golden,
    stream_of,
)
from engine.bench.workload import generate
from engine.kernel import load_kernel
from engine.kernel.interface import Kernel
from engine.proto.records import RECORD_BYTES

BATCH_COMMANDS: Final = 256
REFERENCE: Final = "reference"
GOLDEN_MULTI_TOTAL: Final = 20_000
_START_US: Final = 1_700_000_000_000_000  # any stamp will do; runs must have the same
# Published single-symbol digests speak of no currencies or fees; any will do.
GOLDEN_SYMBOL: Final = Symbol(0, 1, 2, spot=True, maker_fee=300, taker_fee=500)

Sink = Callable[[bytes], None]


class Timing(NamedTuple):
    """One timed run over `commands` after the fill."""

    commands: int
    wall_ns: int
    cpu_ns: int


class Figure(NamedTuple):
    """Commands per second over some runs: by processor time the median, the slowest and the
    fastest; by the wall clock the median."""

    stream: str
    kernel: str
    commands: int
    runs: int
    ops_s: int
    ops_s_min: int
    ops_s_max: int
    wall_ops_s: int


def figure(stream: str, kernel: str, timings: list[Timing]) -> Figure:
    cpu = [_rate(timing.commands, timing.cpu_ns) for timing in timings]
    wall = [_rate(timing.commands, timing.wall_ns) for timing in timings]
    return Figure(
        stream,
        kernel,
        timings[0].commands,
        len(timings),
        round(statistics.median(cpu)),
        round(min(cpu)),
        round(max(cpu)),
        round(statistics.median(wall)),
    )


def _rate(commands: int, duration_ns: int) -> float:
    return 1e9 * commands / max(duration_ns, 1)


class Subject:
    """One kind of kernel on one stream, or on the first `commands` of it after the fill."""

    def __init__(
        self, kind: str, stream: Stream, kernel_stream: KernelStream, commands: int | None = None
    ) -> None:
        self.kind = kind
        self.stream = stream
        self.kernel_stream = kernel_stream
        self.whole = commands is None or commands >= kernel_stream.command_count
        self.commands = kernel_stream.command_count if commands is None or self.whole else commands
        self.timings: list[Timing] = []
        self.proved_bytes = ""
        self._commands_by_market: list[int] = []

    def prove(self) -> None:
        """Run once, reading every event. BenchmarkError names the first thing that is wrong."""
        stream = self.stream
        reader = EventReader(len(stream.markets), self.kernel_stream.session_order_ids)
        digest = hashlib.sha256()

        def sink(events: bytes) -> None:
            digest.update(events)
            reader.feed(events)

        kernel, _ = self._run(sink)
        results = reader.results()
        check_events(stream, results, whole=self.whole)
        self._commands_by_market = [result.commands for result in results]
        check_state(stream, self.kernel_stream, kernel, self._commands_by_market)
        self.proved_bytes = digest.hexdigest()

    def time(self) -> None:
        """Run once against the clock, and check that it was the proved run again."""
        assert self.proved_bytes, f"{self.kind} was not proved, expected prove() before time()"
        digest = hashlib.sha256()
        kernel, timing = self._run(digest.update)
        if digest.hexdigest() != self.proved_bytes:
            raise BenchmarkError(
                f"{self.stream.name}, {self.kind}: events had SHA-256 {digest.hexdigest()}, "
                f"expected {self.proved_bytes} as in the proved run"
            )
        check_state(self.stream, self.kernel_stream, kernel, self._commands_by_market)
        self.timings.append(timing)

    def figure(self) -> Figure:
        return figure(self.stream.name, self.kind, self.timings)

    def _run(self, sink: Sink) -> tuple[Kernel, Timing]:
        kernel = load_kernel(self.kind)
        _apply(kernel, self.kernel_stream.setup, _START_US, lambda _: None)
        commands = memoryview(self.kernel_stream.commands)
        start = self.kernel_stream.fill_count * RECORD_BYTES
        end = start + self.commands * RECORD_BYTES
        _apply(kernel, commands[:start], _START_US, sink)
        gc.collect()
        gc.disable()
        try:
            wall_ns, cpu_ns = _apply(kernel, commands[start:end], _START_US, sink)
        finally:
            gc.enable()
        return kernel, Timing(self.commands, wall_ns, cpu_ns)


def _apply(
    kernel: Kernel, commands: bytes | memoryview, start_us: int, sink: Sink
) -> tuple[int, int]:
    """Apply in batches; nanoseconds of wall and processor time spent in `apply` alone."""
    wall_ns = cpu_ns = 0
    apply, wall, cpu = kernel.apply, time.perf_counter_ns, time.process_time_ns
    view = memoryview(commands)
    for time_us, offset in enumerate(
        range(0, len(view), BATCH_COMMANDS * RECORD_BYTES), start=max(start_us, kernel.time_us)
    ):
        batch = view[offset : offset + BATCH_COMMANDS * RECORD_BYTES]
        cpu_start = cpu()
        wall_start = wall()
        events = apply(batch, time_us)
        wall_end = wall()
        cpu_end = cpu()
        wall_ns += wall_end - wall_start
        cpu_ns += cpu_end - cpu_start
        sink(events)
    return wall_ns, cpu_ns


def check_golden(kinds: list[str], progress: Progress) -> None:
    """Generator and kernels against every published digest that is quick to reach."""
    golden = load_golden()
    for case in golden["single"]:
        flow = generate(golden_session(case))
        stream = stream_of(f"golden {case['n']}", GOLDEN_SYMBOL, flow)
        mark = flow.marks[-1]
        made = (stream.command_digest, mark.event_digest, mark.l2_digest)
        expected = (case["cmd"], case["ev"], case["l2"])
        if made != expected:
            raise BenchmarkError(f"digests of {case} were {made}")
        kernel_stream = encode(stream)
        for kind in kinds:
            Subject(kind, stream, kernel_stream).prove()
    for config in (EXCHANGE, MARGIN, PEAK):
        check_golden_stream(build(config, GOLDEN_MULTI_TOTAL, progress), GOLDEN_MULTI_TOTAL)


def check_golden_stream(stream: Stream, total: int) -> bool:
    """Compare with the published digests of this configuration; False if there are none."""
    for case in load_golden()["multi"]:
        if stream.name in case["config"].split(" or ") and case["total"] == total:
            made = (stream.fill_count, stream.fill_digest, stream.command_digest)
            expected = (case["fill_n"], case["fill"], case["bench"])
            if made != expected:
                raise BenchmarkError(f"{stream.name}: digests were {made}, expected {expected}")
            return True
    return False


class Options(NamedTuple):
    """How long the streams are. The reference runs the first of the single pair's commands: all of
    them, or a multiple of MARK_COMMANDS."""

    commands: int = 3_000_000
    plain_commands: int = 1_000_000
    reference_commands: int = 300_000
    repeats: int = 5


QUICK: Final = Options(
    commands=300_000, plain_commands=300_000, reference_commands=100_000, repeats=3
)


class Result(NamedTuple):
    figures: dict[str, Figure]
    published: dict[str, bool]  # stream: its commands were compared with a published digest
    problem: str  # what was wrong first, or nothing

    def summary(self) -> dict[str, Any]:
        """The flat form: keys stay stable, a figure that was not reached is 0."""
        figures = self.figures
        rate = {key: value.ops_s for key, value in figures.items()}
        wall = {key: value.wall_ops_s for key, value in figures.items()}
        single, reference = figures.get("single"), figures.get("reference")
        ratio = single.ops_s / reference.ops_s if single and reference else 0.0
        return {
            "l1_single_ops_s": rate.get("single", 0),
            "l1_peak_ops_s": rate.get("peak", 0),
            "l1_plain_ops_s": rate.get("plain", 0),
            "reference_single_ops_s": rate.get("reference", 0),
            "digests_ok": not self.problem,
            "single_to_reference_ratio": round(ratio, 2),
            "l1_single_wall_ops_s": wall.get("single", 0),
            "l1_peak_wall_ops_s": wall.get("peak", 0),
            "l1_plain_wall_ops_s": wall.get("plain", 0),
            "reference_single_wall_ops_s": wall.get("reference", 0),
            "kernel": single.kernel if single else "",
            "commands": single.commands if single else 0,
            "batch_commands": BATCH_COMMANDS,
        }


def run(cache: StreamCache, options: Options, progress: Progress) -> Result:
    """All of the kernel benchmark. A wrong digest ends it, with the figures reached so far."""
    kind = load_kernel("auto").name
    figures: dict[str, Figure] = {}
    published: dict[str, bool] = {}
    try:
        progress("checking the published digests")
        check_golden(sorted({kind, REFERENCE}), progress)
        single = cache.multi(EXCHANGE, options.commands)
        published["single"] = check_golden_stream(single, options.commands)
        figures |= _compare(kind, single, options, progress)
        peak = cache.multi(PEAK, options.commands)
        published["peak"] = check_golden_stream(peak, options.commands)
        figures["peak"] = _measure(kind, peak, options, progress)
        plain = cache.plain(options.plain_commands)
        figures["plain"] = _measure(kind, plain, options, progress)
    except BenchmarkError as error:
        return Result(figures, published, str(error))
    return Result(figures, published, "")


def _compare(kind: str, stream: Stream, options: Options, progress: Progress) -> dict[str, Figure]:
    """The kernel on the whole single pair, the reference on its beginning, in turns."""
    kernel_stream = encode(stream)
    single = Subject(kind, stream, kernel_stream)
    reference = Subject(REFERENCE, stream, kernel_stream, options.reference_commands)
    subjects = [reference] if kind == REFERENCE else [single, reference]
    for subject in subjects:
        progress(f"{stream.name}: proving {subject.kind}")
        subject.prove()
    for repeat in range(options.repeats):
        progress(f"{stream.name}: round {repeat + 1} of {options.repeats}")
        for subject in subjects:
            subject.time()
    return {"single": subjects[0].figure(), "reference": subjects[-1].figure()}


def _measure(kind: str, stream: Stream, options: Options, progress: Progress) -> Figure:
    subject = Subject(kind, stream, encode(stream))
    progress(f"{stream.name}: proving and timing {kind}")
    subject.prove()
    for _ in range(options.repeats if kind != REFERENCE else 1):  # one takes half a minute
        subject.time()
    return subject.figure()
