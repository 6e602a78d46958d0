"""Both kernels do with the published order flow what is published of it, to the bit."""

from __future__ import annotations

import pytest

from engine.bench.encode import encode
from engine.bench.kernel import Subject, Timing, figure
from engine.bench.population import PEAK
from engine.bench.proof import BenchmarkError
from engine.bench.streams import build
from engine.kernel import KernelUnavailableError, load_kernel
from engine.proto.records import COMMAND, RECORD_BYTES, CommandType, unpack_command
from tests.unit.bench import golden

SMALL = 1  # the case of 20,000 commands


@pytest.fixture(params=["reference", "compiled"])
def kind(request: pytest.FixtureRequest) -> str:
    kind: str = request.param
    try:
        load_kernel(kind)
    except KernelUnavailableError as error:
        pytest.skip(str(error))
    return kind


@pytest.mark.parametrize("case", golden.CASES, ids=golden.NAMES)
def test_a_kernel_gives_the_published_events_and_book(case: int, kind: str) -> None:
    stream = golden.stream(case)
    Subject(kind, stream, encode(stream)).prove()


def test_a_kernel_gives_each_of_a_hundred_symbols_its_own_events_and_book(kind: str) -> None:
    stream = build(PEAK, 20_000, lambda _: None)
    Subject(kind, stream, encode(stream)).prove()


def test_both_kernels_give_the_same_bytes() -> None:
    stream = golden.stream(SMALL)
    kernel_stream = encode(stream)
    digests = set()
    for kind in ("reference", load_kernel("auto").name):
        subject = Subject(kind, stream, kernel_stream)
        subject.prove()
        digests.add(subject.proved_bytes)
    assert len(digests) == 1


def test_a_timed_run_is_the_proved_run_again(kind: str) -> None:
    stream = golden.stream(SMALL)
    subject = Subject(kind, stream, encode(stream))
    subject.prove()
    subject.time()
    (timing,) = subject.timings
    assert timing.commands == 20_000
    assert timing.wall_ns > 0
    assert timing.cpu_ns > 0


def test_a_wrong_quantity_in_one_command_is_found_out() -> None:
    stream = golden.stream(SMALL)
    kernel_stream = encode(stream)
    first = unpack_command(bytes(kernel_stream.commands[:RECORD_BYTES]))
    assert first.type == CommandType.PLACE
    COMMAND.pack_into(kernel_stream.commands, 0, *first._replace(quantity=first.quantity + 1))
    with pytest.raises(BenchmarkError, match=r"single_20000 symbol 0: events were .* expected"):
        Subject("reference", stream, kernel_stream).prove()


def test_a_refused_command_is_found_out() -> None:
    stream = golden.stream(SMALL)
    kernel_stream = encode(stream)
    first = unpack_command(bytes(kernel_stream.commands[:RECORD_BYTES]))
    COMMAND.pack_into(kernel_stream.commands, 0, *first._replace(user_id=999))
    with pytest.raises(BenchmarkError, match=r"was REFUSED \(UNKNOWN_USER\)"):
        Subject("reference", stream, kernel_stream).prove()


def test_missing_money_is_found_out() -> None:
    stream = golden.stream(SMALL)
    kernel_stream = encode(stream)
    asset_id = next(iter(kernel_stream.deposited))
    kernel_stream.deposited[asset_id] += 1
    with pytest.raises(BenchmarkError, match="held atoms were"):
        Subject("reference", stream, kernel_stream).prove()


def test_a_cut_that_no_mark_is_of_is_refused() -> None:
    stream = golden.stream(SMALL)
    with pytest.raises(
        BenchmarkError, match=r"events of 10200 commands, expected one of \[20200\]"
    ):
        Subject("reference", stream, encode(stream), 10_000).prove()


def test_a_figure_is_the_median_of_its_runs() -> None:
    milliseconds = ((8, 1), (2, 4), (5, 2))
    timings = [Timing(1_000, wall * 10**6, cpu * 10**6) for wall, cpu in milliseconds]
    made = figure("single", "reference", timings)
    assert (made.ops_s, made.ops_s_min, made.ops_s_max) == (500_000, 250_000, 1_000_000)
    assert made.wall_ops_s == 200_000
    assert made.runs == 3
