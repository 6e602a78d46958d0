"""`manage.py bench engine`: every layer runs, is proved, and a wrong book is found out."""

from __future__ import annotations

import json
import random
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from engine.bench.__main__ import main
from engine.bench.deep import BASE, build_deep, check_deep
from engine.bench.encode import TICK_LOT_ATOMS, encode
from engine.bench.engine import KEYS, TINY_ENGINE, EngineResult, engine_table, run_engine
from engine.bench.histogram import Histogram
from engine.bench.layers import time_books, time_deep, time_durable, time_each_command
from engine.bench.plot import latency_svg
from engine.bench.population import PEAK
from engine.bench.processes import Cores, choose_cores, nats_binary
from engine.bench.proof import BenchmarkError
from engine.bench.served import without_order_ids
from engine.bench.streams import StreamCache, build
from engine.kernel import KernelUnavailableError, load_kernel
from engine.proto.records import COMMAND, RECORD_BYTES, CommandType, unpack_command
from tests.unit.bench import golden

SMALL = 1  # the case of 20,000 commands


@pytest.fixture(autouse=True)
def compiled() -> None:
    try:
        load_kernel("compiled")
    except KernelUnavailableError as error:
        pytest.skip(str(error))


@pytest.mark.slow
def test_every_layer_is_measured_and_proved(tmp_path: Path) -> None:
    said: list[str] = []
    cache = StreamCache(tmp_path / "streams", said.append)
    result = run_engine(cache, TINY_ENGINE, said.append, tmp_path / "bench")
    assert result.problem == ""
    summary = json.loads(json.dumps(result.summary()))
    assert summary.keys() >= {*KEYS, "digests_ok"}
    assert summary["digests_ok"] is True
    assert summary["relay_on"] is (nats_binary() is not None)
    assert [key for key in KEYS if not summary[key]] == ["restart_1m_orders_s"]
    assert summary["restart_items"] == TINY_ENGINE.items
    assert summary["l3_coalesced256_p50_ms"] <= summary["l3_coalesced256_p99_ms"]
    assert all(isinstance(value, bool | int | float | str) for value in summary.values())
    assert (tmp_path / "bench" / "engine.svg").exists()
    assert sorted(path.name for path in (tmp_path / "bench").iterdir()) == ["engine.svg"]


def test_an_unproved_figure_is_zero_and_the_table_says_what_was_wrong(tmp_path: Path) -> None:
    result = EngineResult({"l1_single_ops_s": 5}, {}, "book was a, expected b")
    assert result.summary()["digests_ok"] is False
    assert result.summary()["l2_batch256_ops_s"] == 0
    assert "Wrong: book was a, expected b\n" in engine_table(result, tmp_path)


def test_the_command_line_knows_the_engine(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["engine", "--repeats", "0"])
    assert "expected 1 to" in capsys.readouterr().err


# --- books alone --------------------------------------------------------------------------------


@pytest.mark.parametrize("case", golden.CASES, ids=golden.NAMES)
def test_the_books_alone_end_as_the_published_ones(case: int) -> None:
    stream = golden.stream(case)
    timing = time_books(stream, encode(stream))
    assert timing.commands == stream.command_count - stream.fill_count


def test_the_books_of_a_hundred_symbols_are_kept_apart() -> None:
    stream = build(PEAK, 20_000, lambda _: None)
    time_books(stream, encode(stream))


def test_a_wrong_quantity_in_the_books_alone_is_found_out() -> None:
    stream = golden.stream(SMALL)
    encoded = encode(stream)
    first = unpack_command(bytes(encoded.commands[:RECORD_BYTES]))
    COMMAND.pack_into(encoded.commands, 0, *first._replace(quantity=first.quantity + 1))
    with pytest.raises(BenchmarkError, match="books alone: book was"):
        time_books(stream, encoded)


def test_books_alone_trade_as_often_as_a_kernel() -> None:
    from engine.kernel._compiled import CompiledBook  # type: ignore[import-not-found]

    stream = golden.stream(SMALL)
    encoded = encode(stream)
    books = CompiledBook(1, TICK_LOT_ATOMS)
    books.apply(encoded.commands)
    kernel = load_kernel("compiled")
    kernel.apply(encoded.setup, 1)
    kernel.apply(encoded.commands, 1)
    assert books.trade_count == kernel.markets()[0].last_trade_id
    assert books.open_order_count == kernel.open_order_count
    with pytest.raises(ValueError, match="cut or askew"):
        books.apply(encoded.commands[:100])


# --- the other layers ---------------------------------------------------------------------------


def test_each_command_is_timed_and_has_its_effect() -> None:
    stream = golden.stream(SMALL)
    histogram = time_each_command(encode(stream), 5_000)
    assert histogram.count == 5_000
    assert 0 < histogram.percentile(50) <= histogram.percentile(99) <= histogram.max


def test_the_durable_layer_reads_its_journal_again(tmp_path: Path) -> None:
    stream = golden.stream(SMALL)
    encoded = encode(stream)
    done = time_durable(stream, encoded, encoded.command_count, tmp_path / "durable")
    assert done.histogram.count == -(-encoded.command_count // 256)
    assert not (tmp_path / "durable").exists()
    with pytest.raises(BenchmarkError, match="no mark"):
        time_durable(stream, encoded, 77, tmp_path / "durable")


def test_a_deep_book_ends_as_its_oracle_says() -> None:
    stream = build_deep(300, 3_000)
    assert time_deep(stream).ops_s > 0
    assert [len(side) > 200 for side in stream.book] == [True, True]
    reference = load_kernel("reference")
    reference.apply(stream.setup + stream.fill + stream.traffic, 1)
    check_deep(stream, reference)
    assert reference.markets()[0].last_trade_id > 100
    kinds = {stream.traffic[at] for at in range(0, len(stream.traffic), RECORD_BYTES)}
    assert kinds == {CommandType.PLACE, CommandType.CANCEL, CommandType.MOVE}


def test_a_deep_book_that_differs_in_one_lot_is_found_out() -> None:
    stream = build_deep(20, 50)
    level = stream.book[0][0]
    stream.book[0][0] = level._replace(quantity_lots=level.quantity_lots + 1)
    with pytest.raises(BenchmarkError, match="is not the expected one"):
        time_deep(stream)


def test_what_a_client_sends_has_no_order_ids_but_names_orders() -> None:
    encoded = encode(golden.stream(SMALL))
    sent = without_order_ids(encoded.commands)
    for at in range(0, 2_000 * RECORD_BYTES, RECORD_BYTES):
        before, after = (
            unpack_command(bytes(each[at : at + 128])) for each in (encoded.commands, sent)
        )
        order_id = 0 if before.type == CommandType.PLACE else before.order_id
        assert after == before._replace(order_id=order_id)


def test_the_engine_gets_a_core_of_its_own_where_there_are_two(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {3, 5, 7})
    assert choose_cores() == Cores(7, 3)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {3})
    assert choose_cores() == Cores(None, None)


# --- histograms and their picture ---------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_percentiles_are_those_of_the_sorted_values_to_within_a_bucket(seed: int) -> None:
    rng = random.Random(seed)
    values = [int(10 ** rng.uniform(0, 10)) for _ in range(5_000)]
    histogram = Histogram()
    histogram.record_all(values)
    values.sort()
    for percent in (0, 1, 50, 90, 99, 99.9, 100):
        exact = values[max(0, -(-len(values) * round(percent * 1000) // 100_000) - 1)]
        assert exact <= histogram.percentile(percent) <= exact * (1 + 1 / 128)
    assert histogram.max == values[-1]
    assert histogram.percentile(100) == values[-1]


@pytest.mark.parametrize("value", [0, 1, 127, 128, 255, 256, 257, 2**40, 2**63 - 1])
def test_one_value_is_every_percentile(value: int) -> None:
    histogram = Histogram()
    histogram.record(value)
    assert {histogram.percentile(percent) for percent in (0, 50, 100)} == {value}
    assert histogram.curve() == [(100.0, value)]


def test_an_empty_histogram_and_a_wrong_percentile() -> None:
    assert Histogram().percentile(99) == 0
    with pytest.raises(ValueError, match=r"was 101, expected 0 to 100"):
        Histogram().percentile(101)


def test_the_picture_is_an_svg_with_a_line_for_each_histogram() -> None:
    one, other = Histogram(), Histogram()
    one.record_all(range(1, 1_000))
    other.record_all(range(10_000, 90_000, 7))
    root = ET.fromstring(  # noqa: S314 - our own text
        latency_svg("A < B", {"one & two": one, "other": other, "none": Histogram()})
    )
    lines = root.findall("{http://www.w3.org/2000/svg}polyline")
    texts = [text.text for text in root.findall("{http://www.w3.org/2000/svg}text")]
    assert len(lines) == 2
    assert {"A < B", "one & two", "other", "99.9 %"} <= set(texts)


def test_the_deep_setup_funds_everybody() -> None:
    stream = build_deep(5, 5)
    kernel = load_kernel("reference")
    kernel.apply(stream.setup, 1)
    assert {total.asset_id for total in kernel.totals()} == {BASE, BASE + 1}
