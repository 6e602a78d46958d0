"""The layers that need no other process: books alone (L0), the kernel (L1), the journal (L2).

All run on the same streams in one process on one core, taking turns where they are compared. L0 and
L1 are measured in processor time and by the wall clock; L2 waits for the disk, so there only the
wall clock counts. Invariant: each run's final books and, but for L0, which has none, its holdings
are those that the generator's own book and the deposits say; the events of each L1 and L2 run are
the bytes of a run that was read event by event.
"""

from __future__ import annotations

import gc
import hashlib
import importlib
import shutil
import statistics
import time
from array import array
from pathlib import Path
from typing import Any, Final, NamedTuple

from engine.bench.deep import DeepStream, check_deep
from engine.bench.encode import TICK_LOT_ATOMS, KernelStream, market_id_of
from engine.bench.histogram import Histogram
from engine.bench.kernel import BATCH_COMMANDS, Subject, Timing, figure
from engine.bench.proof import BenchmarkError, check_state
from engine.bench.streams import Stream
from engine.bench.workload import l2_digest
from engine.journal import placed_records
from engine.journal.writer import Journal
from engine.kernel import load_kernel
from engine.kernel.interface import Kernel
from engine.proto.records import RECORD_BYTES

START_US: Final = 1_700_000_000_000_000
BATCH_BYTES: Final = BATCH_COMMANDS * RECORD_BYTES


class Rate(NamedTuple):
    """Commands per second: by processor time and by the wall clock, medians of the runs."""

    ops_s: int
    wall_ops_s: int


def rate(timings: list[Timing]) -> Rate:
    both = [
        statistics.median(1e9 * each.commands / max(ns, 1) for each, ns in pairs)
        for pairs in (
            [(each, each.cpu_ns) for each in timings],
            [(each, each.wall_ns) for each in timings],
        )
    ]
    return Rate(round(both[0]), round(both[1]))


def is_compiled() -> bool:
    return load_kernel("auto").name == "compiled"


def _compiled() -> Any:
    return importlib.import_module("engine.kernel._compiled")


# --- L0 -----------------------------------------------------------------------------------------


def time_books(stream: Stream, kernel_stream: KernelStream) -> Timing:
    """One run of the stream on the kernel's books alone; the books are then compared."""
    books = _compiled().CompiledBook(len(stream.markets), TICK_LOT_ATOMS)
    commands = memoryview(kernel_stream.commands)
    fill_bytes = kernel_stream.fill_count * RECORD_BYTES
    books.apply(commands[:fill_bytes])
    apply = books.apply
    gc.collect()
    gc.disable()
    try:
        cpu_ns, wall_ns = time.process_time_ns(), time.perf_counter_ns()
        for offset in range(fill_bytes, len(commands), BATCH_BYTES):
            apply(commands[offset : offset + BATCH_BYTES])
        wall_ns, cpu_ns = time.perf_counter_ns() - wall_ns, time.process_time_ns() - cpu_ns
    finally:
        gc.enable()
    for index, market in enumerate(stream.markets):
        bids, asks = books.book(market_id_of(index))
        digest = l2_digest(([tuple(level) for level in asks], [tuple(level) for level in bids]))
        expected = market.marks[-1].l2_digest
        if digest != expected:
            raise BenchmarkError(
                f"{stream.name} symbol {market.symbol.symbol_id}, books alone: book was {digest}, "
                f"expected {expected}"
            )
    return Timing(kernel_stream.command_count, wall_ns, cpu_ns)


# --- L1 -----------------------------------------------------------------------------------------


def time_kernel(stream: Stream, kernel_stream: KernelStream, repeats: int) -> Rate:
    """The kernel alone, proved once and then timed."""
    subject = Subject(load_kernel("auto").name, stream, kernel_stream)
    subject.prove()
    for _ in range(repeats):
        subject.time()
    done = figure(stream.name, subject.kind, subject.timings)
    return Rate(done.ops_s, done.wall_ops_s)


def time_each_command(kernel_stream: KernelStream, commands: int) -> Histogram:
    """Nanoseconds of each command inside the compiled kernel, one command a slice."""
    kernel = load_kernel("compiled")
    kernel.apply(kernel_stream.setup, START_US)
    fill_bytes = kernel_stream.fill_count * RECORD_BYTES
    kernel.apply(memoryview(kernel_stream.commands)[:fill_bytes], START_US)
    end = fill_bytes + commands * RECORD_BYTES
    histogram = Histogram()
    taken = array("q")
    taken.frombytes(
        _compiled().apply_timed(kernel, bytes(kernel_stream.commands[fill_bytes:end]), START_US + 1)
    )
    histogram.record_all(taken)
    return histogram


def time_deep(stream: DeepStream) -> Rate:
    kernel = load_kernel("auto")
    kernel.apply(stream.setup, START_US)
    kernel.apply(stream.fill, START_US)
    traffic = memoryview(stream.traffic)
    gc.collect()
    gc.disable()
    try:
        cpu_ns, wall_ns = time.process_time_ns(), time.perf_counter_ns()
        for offset in range(0, len(traffic), BATCH_BYTES):
            kernel.apply(traffic[offset : offset + BATCH_BYTES], START_US)
        wall_ns, cpu_ns = time.perf_counter_ns() - wall_ns, time.process_time_ns() - cpu_ns
    finally:
        gc.enable()
    check_deep(stream, kernel)
    return rate([Timing(len(traffic) // RECORD_BYTES, wall_ns, cpu_ns)])


# --- L2 -----------------------------------------------------------------------------------------


class Durable(NamedTuple):
    """`histogram` is of one batch, from handing it in to its being durable, in nanoseconds."""

    ops_s: int
    histogram: Histogram


def time_durable(
    stream: Stream, kernel_stream: KernelStream, commands: int, directory: Path
) -> Durable:
    """Apply and journal in batches, each durable before the next is begun.

    The journal is then read back: it must hold these commands and these events.
    """
    shutil.rmtree(directory, ignore_errors=True)
    kernel, journal = load_kernel("auto"), Journal(directory)
    fill_bytes = kernel_stream.fill_count * RECORD_BYTES
    end = fill_bytes + commands * RECORD_BYTES
    digest, histogram = hashlib.sha256(), Histogram()
    try:
        for _ in journal.recover():
            raise BenchmarkError(f"{directory} was not empty")
        _write(journal, kernel, kernel_stream.setup, histogram, digest)
        _write(journal, kernel, kernel_stream.commands[:fill_bytes], histogram, digest)
        histogram = Histogram()
        started = time.perf_counter_ns()
        view = memoryview(kernel_stream.commands)[fill_bytes:end]
        _write(journal, kernel, view, histogram, digest)
        taken_ns = time.perf_counter_ns() - started
    finally:
        journal.close()
    read = hashlib.sha256()
    for _, record in placed_records(directory):
        read.update(record.commands)
        read.update(record.events)
    if read.digest() != digest.digest():
        raise BenchmarkError(f"the journal in {directory} holds something else than was written")
    check_part(stream, kernel_stream, kernel, commands)
    shutil.rmtree(directory)
    return Durable(round(1e9 * commands / taken_ns), histogram)


def _write(
    journal: Journal,
    kernel: Kernel,
    commands: bytes | bytearray | memoryview,
    histogram: Histogram,
    digest: Any,
) -> None:
    view = memoryview(commands)
    for offset in range(0, len(view), BATCH_BYTES):
        batch = view[offset : offset + BATCH_BYTES]
        started = time.perf_counter_ns()
        count = len(batch) // RECORD_BYTES
        journal.prepare(count, 4 * count + kernel.open_order_count)
        events = kernel.apply(batch, START_US)
        journal.append(batch, events, START_US)
        histogram.record(time.perf_counter_ns() - started)
        digest.update(batch)
        digest.update(events)


def check_part(stream: Stream, kernel_stream: KernelStream, kernel: Kernel, commands: int) -> None:
    """Compare book and holdings after the fill and so many commands of a stream of one symbol."""
    done = kernel_stream.fill_count + commands
    if done not in {mark.commands for mark in stream.markets[0].marks}:
        raise BenchmarkError(f"{done} commands are no mark of {stream.name}")
    check_state(stream, kernel_stream, kernel, [done])
