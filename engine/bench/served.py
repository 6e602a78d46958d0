"""L3: the same stream through a real engine over gRPC, with its relay publishing meanwhile.

The engine has one core; client, NATS and relay share the other. Packed batches keep a fixed number
of messages in flight. Coalesced orders come from 256 callers, each of which awaits one order at a
time: first as fast as they can, then at a fixed rate, where a command's latency counts from the
moment it was planned for, so that a stall is charged to all who had to wait behind it. At last
single calls, each in a message of its own.

Invariant: all of it is one stream in one order, so that the book at its end is the generator's; it
is compared in the state that the journal gives again, event by event, after the engine has stopped.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from itertools import count
from pathlib import Path
from typing import Final, NamedTuple

from engine.bench.encode import KernelStream
from engine.bench.histogram import Histogram
from engine.bench.kernel import BATCH_COMMANDS
from engine.bench.layers import START_US, check_part
from engine.bench.processes import NO_ACCESS, Cores, engine, metric, relay
from engine.bench.proof import BenchmarkError
from engine.bench.streams import Stream
from engine.client import EngineClient
from engine.client.channel import open_channel
from engine.client.submitter import Submitter
from engine.journal.writer import Journal
from engine.kernel import load_kernel
from engine.proto import engine_pb2 as pb
from engine.proto import engine_pb2_grpc as pb_grpc
from engine.proto.records import RECORD_BYTES, CommandType, OrderType, Side, TimeInForce
from engine.replay import replay_until

CALLERS: Final = 256
MESSAGES_IN_FLIGHT: Final = 8
UNARY_CALLERS: Final = 16
UNARY_USER_ID: Final = 1
PLANNED_SHARE: Final = 0.8  # of what the callers reach by themselves
PLANNED_OPS_S_MAX: Final = 150_000
PACE_S: Final = 0.0002
TIMEOUT_S: Final = 60.0
RELAY_CATCH_UP_S: Final = 60.0
_ORDER_ID_WORD: Final = 3
_WORDS: Final = RECORD_BYTES // 8
_PLACE: Final = int(CommandType.PLACE)


class ServedOptions(NamedTuple):
    """Commands of each part; their sums must be marks of the stream."""

    packed: int
    coalesced: int
    planned: int
    unary: int


class Served(NamedTuple):
    """Commands per second by the wall clock, latencies in nanoseconds."""

    packed_ops_s: int
    packed: Histogram
    coalesced_ops_s: int
    coalesced: Histogram
    planned_ops_s: int
    planned_rate: int
    planned: Histogram
    unary_ops_s: int
    unary: Histogram
    relay_on: bool


def without_order_ids(commands: bytes | bytearray | memoryview) -> bytearray:
    """The same commands as a client sends them: the engine numbers the new orders."""
    copy = bytearray(commands)
    with memoryview(copy) as raw, raw.cast("q") as words:
        for position, kind in enumerate(raw[::RECORD_BYTES].tobytes()):
            if kind == _PLACE:
                words[position * _WORDS + _ORDER_ID_WORD] = 0
    return copy


def prepare(kernel_stream: KernelStream, data_dir: Path) -> None:
    """An engine's directory in which everything exists and the fill rests."""
    kernel, journal = load_kernel("auto"), Journal(data_dir)
    try:
        for _ in journal.recover():
            raise BenchmarkError(f"{data_dir} was not empty")
        fill_bytes = kernel_stream.fill_count * RECORD_BYTES
        for part in (kernel_stream.setup, bytes(kernel_stream.commands[:fill_bytes])):
            step = 4096 * RECORD_BYTES
            for offset in range(0, len(part), step):
                batch = part[offset : offset + step]
                journal.prepare(len(batch) // RECORD_BYTES, 4 * len(batch) // RECORD_BYTES)
                journal.append(batch, kernel.apply(batch, START_US), START_US)
    finally:
        journal.close()


def run_served(
    stream: Stream,
    kernel_stream: KernelStream,
    options: ServedOptions,
    cores: Cores,
    directory: Path,
) -> Served:
    """All parts, one after the other, against one engine; then the proof."""
    data_dir = directory / "engine"
    prepare(kernel_stream, data_dir)
    start = kernel_stream.fill_count * RECORD_BYTES
    total = options.packed + options.coalesced + options.planned
    commands = without_order_ids(
        memoryview(kernel_stream.commands)[start : start + total * RECORD_BYTES]
    )
    with (
        engine(data_dir, cores.engine, directory / "engine.log") as (address, telemetry),
        relay(data_dir, address, cores.others, directory / "nats") as relay_port,
    ):
        served = asyncio.run(_run(address, bytes(commands), options, relay_port is not None))
        events = metric(telemetry, "engine_event_seq")
        if relay_port is not None:
            _wait_for_relay(relay_port, events)
    kernel = replay_until(data_dir, lambda: load_kernel("auto"), None)
    check_part(stream, kernel_stream, kernel, total)
    return served


def _wait_for_relay(port: int, events: float) -> None:
    """The relay was on: it has everything a moment later."""
    deadline = time.monotonic() + RELAY_CATCH_UP_S
    while metric(port, "relay_published_event_seq") < events:
        if time.monotonic() > deadline:
            published = metric(port, "relay_published_event_seq")
            raise BenchmarkError(f"the relay was at event {published:.0f}, expected {events:.0f}")
        time.sleep(0.1)


async def _run(address: str, commands: bytes, options: ServedOptions, relay_on: bool) -> Served:
    ends = [options.packed, options.packed + options.coalesced]
    parts = [
        commands[: ends[0] * RECORD_BYTES],
        commands[ends[0] * RECORD_BYTES : ends[1] * RECORD_BYTES],
        commands[ends[1] * RECORD_BYTES :],
    ]
    async with EngineClient(address, timeout_s=TIMEOUT_S, access=NO_ACCESS) as client:
        await client.wait_ready(TIMEOUT_S)
    packed_ops_s, packed = await _packed(address, parts[0])
    coalesced_ops_s, coalesced = await _coalesced(address, parts[1], None)
    wanted = min(PLANNED_OPS_S_MAX, round(PLANNED_SHARE * coalesced_ops_s))
    planned_ops_s, planned = await _coalesced(address, parts[2], wanted)
    unary_ops_s, unary = await _unary(address, options.unary)
    return Served(
        packed_ops_s,
        packed,
        coalesced_ops_s,
        coalesced,
        planned_ops_s,
        wanted,
        planned,
        unary_ops_s,
        unary,
        relay_on,
    )


def _per_second(commands: int, taken_ns: int) -> int:
    return round(1e9 * commands / max(taken_ns, 1))


# --- packed -------------------------------------------------------------------------------------


async def _packed(address: str, commands: bytes) -> tuple[int, Histogram]:
    """Batches of 256 on one stream; latency is a batch's, from being written to its answer."""
    channel = open_channel(address, NO_ACCESS)
    histogram, sent_ns = Histogram(), dict[int, int]()
    slots = asyncio.Semaphore(MESSAGES_IN_FLIGHT)
    step = BATCH_COMMANDS * RECORD_BYTES

    async def messages() -> AsyncIterator[pb.PackedCommands]:
        for tag, offset in enumerate(range(0, len(commands), step), start=1):
            await slots.acquire()
            sent_ns[tag] = time.perf_counter_ns()
            yield pb.PackedCommands(tag=tag, commands=commands[offset : offset + step])

    started = time.perf_counter_ns()
    async for result in pb_grpc.OrderServiceStub(channel).SubmitPacked(messages()):
        histogram.record(time.perf_counter_ns() - sent_ns.pop(result.tag))
        slots.release()
    taken_ns = time.perf_counter_ns() - started
    await channel.close(None)
    if sent_ns:
        raise BenchmarkError(f"{len(sent_ns)} packed messages were not answered")
    return _per_second(len(commands) // RECORD_BYTES, taken_ns), histogram


# --- coalesced ----------------------------------------------------------------------------------


async def _coalesced(address: str, commands: bytes, rate: int | None) -> tuple[int, Histogram]:
    """256 callers over the client's shared stream; `rate` per second, or as fast as they can.

    Latency counts from the moment planned for a command; without a plan from its being handed in.
    """
    channel = open_channel(address, NO_ACCESS)
    submitter = Submitter(channel, NO_ACCESS)
    histogram = Histogram()
    total = len(commands) // RECORD_BYTES
    numbers: Iterator[int] = count()
    interval_ns = 1e9 / rate if rate else 0.0
    started = time.perf_counter_ns()

    due: asyncio.Queue[int] = asyncio.Queue()

    async def pace() -> None:
        """Hand out the numbers whose moment has come."""
        number = 0
        while number < total:
            now = (time.perf_counter_ns() - started) / interval_ns
            while number < total and number <= now:
                due.put_nowait(number)
                number += 1
            await asyncio.sleep(PACE_S)
        for _ in range(CALLERS):
            due.put_nowait(total)

    async def caller() -> None:
        while (number := await due.get() if rate else next(numbers)) < total:
            # No other caller runs between the choice of a number and its being handed in.
            record = commands[number * RECORD_BYTES : (number + 1) * RECORD_BYTES]
            begun_ns = started + round(number * interval_ns) if rate else time.perf_counter_ns()
            await submitter.submit(record, TIMEOUT_S, retry=False)
            histogram.record(time.perf_counter_ns() - begun_ns)

    pacer = asyncio.create_task(pace()) if rate else None
    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    taken_ns = time.perf_counter_ns() - started
    if pacer is not None:
        await pacer
    await submitter.close()
    await channel.close(None)
    return _per_second(total, taken_ns), histogram


# --- unary --------------------------------------------------------------------------------------


async def _unary(address: str, calls: int) -> tuple[int, Histogram]:
    """New orders that rest far away from all others, and their cancels, a call each.

    The book is left as it was found.
    """
    channel = open_channel(address, NO_ACCESS)
    stub = pb_grpc.OrderServiceStub(channel)
    histogram = Histogram()
    numbers: Iterator[int] = count()

    async def caller() -> None:
        while next(numbers) < calls // 2:
            begun = time.perf_counter_ns()
            placed = await stub.Place(
                pb.PlaceRequest(
                    user_id=UNARY_USER_ID,
                    market_id=1,
                    side=Side.BID,
                    order_type=OrderType.LIMIT,
                    time_in_force=TimeInForce.GTC,
                    price_ticks=1,
                    quantity_lots=1,
                )
            )
            middle = time.perf_counter_ns()
            done = await stub.Cancel(
                pb.CancelRequest(user_id=UNARY_USER_ID, market_id=1, order_id=placed.order_id)
            )
            histogram.record(middle - begun)
            histogram.record(time.perf_counter_ns() - middle)
            if placed.reason or done.reason:
                raise BenchmarkError(f"a unary call was refused: {placed.reason} {done.reason}")

    started = time.perf_counter_ns()
    await asyncio.gather(*(caller() for _ in range(UNARY_CALLERS)))
    taken_ns = time.perf_counter_ns() - started
    await channel.close(None)
    return _per_second(calls // 2 * 2, taken_ns), histogram
