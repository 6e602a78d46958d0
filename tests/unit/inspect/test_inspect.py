"""The journal as `python -m engine.inspect` shows it, and what it says of damage."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from engine.inspect.__main__ import main
from engine.inspect.verify import find_flipped_bit
from engine.journal import Place, placed_records
from engine.journal.format import segment_path
from engine.journal.writer import Journal
from engine.kernel import load_kernel
from engine.kernel.state import canonical_bytes
from engine.proto.records import RECORD_BYTES
from engine.snapshot import make_snapshot
from tests.property.kernel.flow import Flow
from tests.unit.journal.exchange import flown


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data_dir = tmp_path_factory.mktemp("inspect") / "engine"
    flow = Flow(21)
    flown(data_dir, flow, 10)
    make_snapshot(data_dir, "auto")
    flown(data_dir, flow, 10)
    return data_dir


@pytest.fixture(autouse=True)
def logging_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command sets up logging for a process of its own; others watch that of this one."""
    monkeypatch.setattr("engine.inspect.__main__.configure_logging", lambda _process: None)


@pytest.fixture
def data_dir(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "engine"))


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    """Run the command: exit code, answer (a document, or a list of lines) and errors."""

    def run(command: str, *arguments: object) -> tuple[int, Any, str]:
        code = main([command, *map(str, arguments)])
        captured = capsys.readouterr()
        if command in ("dump", "diff"):
            return code, [json.loads(line) for line in captured.out.splitlines()], captured.err
        return code, json.loads(captured.out) if captured.out else None, captured.err

    return run


def places(data_dir: Path) -> list[Place]:
    return [place for place, _ in placed_records(data_dir)]


def flip(path: Path, offset: int, bit: int) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= 1 << bit
    path.write_bytes(data)


def test_list_tells_what_is_in_every_segment(data_dir: Path, run: Any) -> None:
    code, answer, errors = run("list", data_dir)
    assert (code, errors) == (0, "")
    segments = answer["segments"]
    assert [row["segment"] for row in segments] == list(range(1, len(segments) + 1))
    assert len(segments) >= 3
    following = 1
    for row in segments:
        assert row["first_command_seq"] == following
        assert row["commands"] == row["last_command_seq"] - following + 1
        assert row["events"] == row["last_event_seq"] - row["first_event_seq"] + 1
        following = row["last_command_seq"] + 1
    assert {row["epoch"] for row in segments} == {1, 2} or segments[0]["epoch"] == 1
    assert answer["durable"]["command_seq"] == following - 1
    assert sum(row["records"] for row in segments) == len(places(data_dir))
    (snapshot,) = answer["snapshots"]
    assert snapshot["usable"]


def test_dump_gives_every_command_and_event_by_name(data_dir: Path, run: Any) -> None:
    code, lines, _ = run("dump", data_dir)
    assert code == 0
    kinds = Counter(line["kind"] for line in lines)
    records = [record for _, record in placed_records(data_dir)]
    assert kinds == {
        "command": sum(len(record.commands) for record in records) // RECORD_BYTES,
        "event": sum(len(record.events) for record in records) // RECORD_BYTES,
    }
    events = [line for line in lines if line["kind"] == "event"]
    assert [line["event_seq"] for line in events] == list(range(1, len(events) + 1))
    first, second = lines[:2]
    assert (first["type"], first["command_seq"], first["text"]) == ("ADD_ASSET", 1, "BTC")
    assert (second["type"], second["asset_id"], second["reason"]) == ("ASSET_ADDED", 1, "NONE")
    trade = next(line for line in lines if line["type"] == "TRADE")
    assert {"trade_id", "price_ticks", "maker_user_id", "taker_fee_atoms"} <= trade.keys()
    place = next(line for line in lines if line.get("order_type") == "LIMIT")
    assert (place["type"], place["side"] in ("ASK", "BID")) == ("PLACE", True)


def test_dump_can_be_narrowed_down(data_dir: Path, run: Any) -> None:
    _, lines, _ = run("dump", data_dir, "--from", 30, "--to", 45)
    assert sorted({line["command_seq"] for line in lines}) == list(range(30, 46))
    _, everywhere, _ = run("dump", data_dir, "--type", "trade")
    market = everywhere[0]["market_id"]
    _, trades, _ = run("dump", data_dir, "--type", "trade", "--market", market)
    assert {line["type"] for line in trades} == {"TRADE"}
    assert trades == [line for line in everywhere if line["market_id"] == market]
    user = trades[0]["maker_user_id"]
    _, his, _ = run("dump", data_dir, "--type", "TRADE", "--user", user)
    assert all(user in (line["maker_user_id"], line["taker_user_id"]) for line in his)
    order = trades[0]["taker_order_id"]
    _, life, _ = run("dump", data_dir, "--order", order, "--only", "event")
    beside = ("ORDER_TERMS", "REFUSED", "LEG_TAKEN", "LIST_ACCEPTED")  # may come before its birth
    assert next(line["type"] for line in life if line["type"] not in beside) == "ORDER_ACCEPTED"
    assert "TRADE" in {line["type"] for line in life}
    assert {line["kind"] for line in life} == {"event"}
    _, few, _ = run("dump", data_dir, "--limit", 3)
    assert len(few) == 3


def test_verify_finds_nothing_wrong_with_a_good_journal(data_dir: Path, run: Any) -> None:
    code, answer, errors = run("verify", data_dir, "--replay")
    assert (code, errors) == (0, "")
    live = flown(data_dir, Flow(1), 0)
    assert answer["state_hash"] == live.state_hash().hex()
    assert (answer["commands"], answer["events"]) == (live.command_seq, live.event_seq)
    assert run("verify", data_dir)[1]["state_hash"] is None


def test_one_flipped_bit_is_found_and_named_wherever_it_is(data_dir: Path, run: Any) -> None:
    """Every record, at places that reach all its parts; and the headers of the segments."""
    for number, place in enumerate(places(data_dir)):
        path = segment_path(data_dir, place.segment)
        for step in (0, 2, 4, 7, 9, 20, 33, 50, 70, 200, place.length - 3):
            offset, bit = place.offset + step, (number + step) % 8
            flip(path, offset, bit)
            assert find_flipped_bit(path, place.offset) == (offset, bit), (place, step)
            if number % 9 == 0:
                code, _, errors = run("verify", data_dir)
                assert code == 6
                assert f"{path} at byte {place.offset}" in errors
                assert f"bit {bit} of byte {offset} alone is flipped" in errors
            flip(path, offset, bit)
    path = segment_path(data_dir, 1)
    for offset in (0, 9, 24, 100, 511):
        flip(path, offset, 3)
        code, _, errors = run("verify", data_dir)
        assert code == 6
        assert f"bit 3 of byte {offset} alone is flipped" in errors
        flip(path, offset, 3)
    assert run("verify", data_dir)[0] == 0


def test_more_damage_than_one_bit_is_named_by_its_record(data_dir: Path, run: Any) -> None:
    place = places(data_dir)[4]
    path = segment_path(data_dir, place.segment)
    flip(path, place.offset + 90, 1)
    flip(path, place.offset + 190, 5)
    code, _, errors = run("verify", data_dir)
    assert code == 6
    assert f"{path} at byte {place.offset}" in errors
    assert "alone" not in errors


def test_verify_names_a_missing_segment_and_a_wrong_chain(data_dir: Path, run: Any) -> None:
    segment_path(data_dir, 2).rename(data_dir / "kept")
    code, _, errors = run("verify", data_dir)
    assert code == 6
    assert "the segment is missing" in errors
    (data_dir / "kept").rename(segment_path(data_dir, 2))
    assert run("verify", data_dir)[0] == 0
    assert run("verify", data_dir.parent / "nowhere")[0] == 3
    (data_dir / "durable").unlink()
    code, _, errors = run("verify", data_dir)
    assert code == 3
    assert "publishes no durable position" in errors


def test_verify_with_replay_finds_events_that_the_commands_do_not_give(
    data_dir: Path, run: Any
) -> None:
    kernel = flown(data_dir, Flow(1), 0)
    journal = Journal(data_dir, segment_bytes=64 << 10)
    for _ in journal.recover():
        pass
    commands = Flow(2).records(1)
    events = bytearray(kernel.apply(commands, kernel.time_us))
    events[100] ^= 1
    journal.prepare(1, len(events) // RECORD_BYTES)
    journal.append(commands, bytes(events), kernel.time_us)
    journal.close()
    assert run("verify", data_dir)[0] == 0
    code, _, errors = run("verify", data_dir, "--replay")
    assert code == 7
    assert "replay differs from the journal at event" in errors


def test_a_damaged_snapshot_is_told_and_is_no_damage_of_the_journal(
    data_dir: Path, run: Any
) -> None:
    (snapshot,) = (data_dir / "snapshots").glob("*.snap")
    flip(snapshot, 700, 0)
    code, answer, _ = run("verify", data_dir)
    assert code == 0
    assert not answer["snapshots"][0]["usable"]
    assert "state hash was" in answer["snapshots"][0]["reason"]


@pytest.mark.parametrize("kernel", ["auto", "reference"])
def test_replay_gives_the_state_after_any_command(data_dir: Path, run: Any, kernel: str) -> None:
    model = load_kernel("reference")
    hashes = {}
    for _, record in placed_records(data_dir):
        for at in range(0, len(record.commands), RECORD_BYTES):
            model.apply(record.commands[at : at + RECORD_BYTES], record.time_us)
            hashes[model.command_seq] = model.state_hash().hex()
    last = model.command_seq
    for seq in (1, 2, 29, last // 2, last // 2 + 1, last - 1, last):
        for more in ((), ("--genesis",)):
            code, state, _ = run("replay", data_dir, "--to", seq, "--kernel", kernel, *more)
            assert code == 0
            assert (state["command_seq"], state["state_hash"]) == (seq, hashes[seq])
    assert state["open_orders"] == model.open_order_count
    assert state["balances"] == [each._asdict() for each in model.all_balances()]
    code, state, _ = run("replay", data_dir, "--user", 3, "--market", 1, "--depth", 2)
    assert state["command_seq"] == last
    assert state["balances"] == [each._asdict() for each in model.balances(3)]
    assert state["orders"] == [each._asdict() for each in model.open_orders(3, 1)]
    bids, asks = model.book(1, 2) or ([], [])
    assert state["books"][0]["bids"] == [list(level) for level in bids]
    assert state["books"][0]["asks"] == [list(level) for level in asks]
    code, _, errors = run("replay", data_dir, "--to", last + 1)
    assert code == 3
    assert f"ends at command {last}, expected {last + 1}" in errors


def test_diff_lists_where_two_states_part(data_dir: Path, run: Any) -> None:
    assert run("diff", data_dir, data_dir) == (0, [], "")
    _, lines, _ = run("dump", data_dir, "--type", "FUNDS_DEPOSITED", "--type", "PLACE")
    deposit = next(line for line in lines if line["type"] == "FUNDS_DEPOSITED")
    seq = deposit["command_seq"]
    code, found, _ = run("diff", f"{data_dir}@{seq - 1}", f"{data_dir}@{seq}")
    assert code == 1
    by_section = {line["section"]: line for line in found if line["section"] != "head"}
    assert {"accounts", "business ids"} <= set(by_section)
    account = by_section["accounts"]
    assert account["key"] == [deposit["user_id"], deposit["asset_id"]]
    assert by_section["business ids"]["a"] is None
    assert next(line["field"] for line in found if line["section"] == "head") == "command_seq"
    _, few, _ = run("diff", f"{data_dir}@30", data_dir, "--limit", 4)
    assert len(few) == 4


def test_diff_of_two_directories_finds_the_one_that_went_another_way(
    data_dir: Path, tmp_path: Path, run: Any
) -> None:
    other = Path(shutil.copytree(data_dir, tmp_path / "other"))
    assert run("diff", data_dir, other) == (0, [], "")
    flown(other, Flow(5), 1)
    code, found, _ = run("diff", data_dir, other)
    assert code == 1
    assert found[0]["section"] == "head"


def test_nothing_that_is_inspected_changes(data_dir: Path, run: Any) -> None:
    def contents() -> dict[str, bytes]:
        files = (path for path in data_dir.rglob("*") if path.is_file())
        return {str(path): path.read_bytes() for path in files}

    before = contents()
    for command in ("list", "dump", "verify", "replay"):
        assert run(command, data_dir)[0] == 0
    assert run("diff", f"{data_dir}@3", data_dir)[0] == 1
    assert contents() == before


def test_a_wrong_command_line_is_told(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (
        ["list"],
        ["dump", str(data_dir), "--type", "NOTHING"],
        ["replay", str(data_dir), "--to", "0"],
        ["diff", f"{data_dir}@x", str(data_dir)],
    ):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 2
        assert capsys.readouterr().err


def test_states_of_both_kernels_are_the_same_bytes(data_dir: Path) -> None:
    kernels = [load_kernel(name) for name in ("auto", "reference")]
    for _, record in placed_records(data_dir):
        for kernel in kernels:
            kernel.apply(record.commands, record.time_us)
    assert canonical_bytes(kernels[0]) == canonical_bytes(kernels[1])
