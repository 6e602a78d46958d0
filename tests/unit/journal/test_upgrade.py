"""The upgrade drill: a directory that the first version wrote, taken over by today's engine.

`tests/data/engine_v1.tar.xz` is a data directory of an engine whose rules were version 1: 14 small
segments of three epochs with every type of command and event of that version, its refusals, and
commands that later versions may accept (GTD, self-trade prevention, stops, lists, transfers, holds,
ticks, further market states), all of them journaled as refused; and two snapshots, the newer at its
end. It was written by that version's own program and is never made anew.
"""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from engine.inspect.verify import verify
from engine.journal import journal_records, placed_records
from engine.journal.chain import ChainIndex
from engine.journal.errors import JournalCorruptError, JournalVersionError
from engine.journal.format import (
    SEMANTICS_VERSION,
    SegmentHeader,
    pack_segment_header,
    segment_path,
)
from engine.journal.segments import segment_headers
from engine.journal.snapshots import read_header, snapshot_path, snapshot_paths
from engine.kernel import load_kernel, migration
from engine.kernel.interface import Kernel
from engine.kernel.state import SECTIONS, Section, StateError
from engine.proto.records import (
    Command,
    CommandType,
    EventType,
    OrderType,
    Side,
    TimeInForce,
    pack_command,
    unpack_command,
    unpack_event,
)
from engine.replay import main as replay
from engine.snapshot import make_snapshot
from engine.upgrade import main as upgrade
from tests.property.kernel.flow import Flow
from tests.unit.journal.exchange import CHECKPOINT, Exchange
from tests.unit.journal.support import SEGMENT_BYTES

ARCHIVE = Path(__file__).resolve().parents[2] / "data" / "engine_v1.tar.xz"
COMMANDS, EVENTS, SEGMENTS, OPEN_ORDERS = 2095, 2576, 14, 129
OLD_CHAIN = "c2429ca178040fccef6a77bdb0320dcd0a92ea037645388109210ef8b2590888"
KERNELS = ("auto", "reference")


@pytest.fixture(autouse=True)
def logging_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands set up logging for a process of their own; others watch that of this one."""
    for command in ("engine.upgrade", "engine.inspect.__main__"):
        monkeypatch.setattr(f"{command}.configure_logging", lambda _process: None)


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("version-1")
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(directory, filter="data")
    return directory


@pytest.fixture
def data_dir(unpacked: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(unpacked, tmp_path / "engine"))


def place(order_id: int) -> bytes:
    """An order that today's rules take, in a market that was trading."""
    return pack_command(
        Command(
            CommandType.PLACE,
            side=Side.BID,
            order_type=OrderType.LIMIT,
            time_in_force=TimeInForce.GTC,
            market_id=2,
            user_id=3,
            order_id=order_id,
            price=60,
            quantity=3,
        )
    )


def types(events: bytes) -> list[int]:
    return [unpack_event(events, at)[0].type for at in range(0, len(events), 128)]


@pytest.mark.parametrize("kernel", KERNELS)
def test_an_old_journal_is_taken_over_and_gone_on_from(data_dir: Path, kernel: str) -> None:
    before = [path.read_bytes() for path in sorted((data_dir / "journal").iterdir())]
    exchange = Exchange(data_dir, kernel)
    assert exchange.recovered == 0
    assert (exchange.kernel.command_seq, exchange.kernel.event_seq) == (COMMANDS, EVENTS)
    assert exchange.kernel.open_order_count == OPEN_ORDERS
    order_id = exchange.kernel.last_order_id + 1
    events = exchange.apply(place(order_id) + CHECKPOINT)
    assert EventType.ORDER_ACCEPTED in types(events)
    exchange.close()
    headers = list(segment_headers(data_dir))
    assert [header.semantics for header in headers] == [1] * SEGMENTS + [SEMANTICS_VERSION]
    assert headers[-1].first_command_seq == COMMANDS + 1
    after = [path.read_bytes() for path in sorted((data_dir / "journal").iterdir())]
    assert after[:SEGMENTS] == before
    again = Exchange(data_dir, kernel)
    again.close()
    assert again.recovered == 2
    assert again.kernel.state_hash() == exchange.kernel.state_hash()


def test_both_kernels_take_over_the_same_state(data_dir: Path) -> None:
    hashes = set()
    for kernel in KERNELS:
        exchange = Exchange(data_dir, kernel)
        exchange.close()
        hashes.add(exchange.kernel.state_hash())
    assert len(hashes) == 1


def test_what_the_old_rules_refused_stays_refused(data_dir: Path) -> None:
    """The old journal holds orders till a date, stops and others that version 1 called malformed,
    and today's rules may accept: none of them has come to rest."""
    later_types = range(OrderType.FOK_BUDGET + 1, OrderType.FOK_BUDGET + 5)
    later = [
        command
        for record in journal_records(data_dir)
        for command in map(
            unpack_command,
            (record.commands[at : at + 128] for at in range(0, len(record.commands), 128)),
        )
        if command.type == CommandType.PLACE
        and (command.time_in_force == 4 or command.stp or command.order_type in later_types)
    ]
    assert len(later) >= 20
    exchange = Exchange(data_dir)
    exchange.close()
    resting = {(order.order_id, order.price_ticks) for order in exchange.kernel.open_orders()}
    assert resting.isdisjoint((command.order_id, command.price) for command in later)


def test_the_hash_chain_goes_on_over_the_border(data_dir: Path) -> None:
    exchange = Exchange(data_dir)
    exchange.apply(place(exchange.kernel.last_order_id + 1))
    exchange.close()
    assert ChainIndex(data_dir).head(EVENTS).hex() == OLD_CHAIN
    facts = verify(data_dir, lambda: load_kernel("auto"))
    assert facts["chain"] == ChainIndex(data_dir).head(EVENTS + 1).hex()
    assert facts["replayed_from"] == COMMANDS + 1
    assert facts["state_hash"] == exchange.kernel.state_hash().hex()


def test_a_snapshot_of_today_follows_and_the_one_at_the_border_is_kept(data_dir: Path) -> None:
    flow = Flow(3)
    for _ in range(4):
        exchange = Exchange(data_dir, "auto")
        exchange.apply(flow.records(30) + CHECKPOINT)
        exchange.close()
        header = make_snapshot(data_dir, "auto")
        assert header is not None
        assert header.semantics == SEMANTICS_VERSION
    versions = [read_header(path).semantics for path in snapshot_paths(data_dir)]
    assert versions[:2] == [SEMANTICS_VERSION] * 2
    assert snapshot_path(data_dir, COMMANDS).exists()
    assert versions.count(SEMANTICS_VERSION) == 2
    for path in snapshot_paths(data_dir)[:2]:
        path.unlink()
    alone = Exchange(data_dir, "reference")
    alone.close()
    assert alone.recovered == 4 * 31
    assert alone.kernel.state_hash() == exchange.kernel.state_hash()


def test_replay_from_the_beginning_begins_at_the_border(
    data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exchange = Exchange(data_dir, "auto")
    exchange.apply(place(exchange.kernel.last_order_id + 1))
    exchange.close()
    assert replay(["--data", str(data_dir)]) == 0
    assert json.loads(capsys.readouterr().out)["state_hash"] == (exchange.kernel.state_hash().hex())
    assert replay(["--data", str(data_dir), "--until-command-seq", str(COMMANDS)]) == 0
    assert json.loads(capsys.readouterr().out)["command_seq"] == COMMANDS


# --- refusals -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kept", ["none", "the middle one", "a damaged one"])
def test_without_a_snapshot_at_its_end_an_old_journal_is_refused(data_dir: Path, kept: str) -> None:
    newest, middle = snapshot_paths(data_dir)
    if kept == "a damaged one":
        newest.write_bytes(newest.read_bytes()[:-1] + b"\xff")
    else:
        newest.unlink()
    if kept == "none":
        middle.unlink()
    files = sorted(path.name for path in (data_dir / "journal").iterdir())
    with capture_logs(), pytest.raises(JournalVersionError, match="version 1 of the rules"):
        Exchange(data_dir)
    assert sorted(path.name for path in (data_dir / "journal").iterdir()) == files
    with capture_logs():
        assert upgrade(["--data", str(data_dir)]) == 14


def test_a_real_engine_says_so_and_ends_with_its_own_exit_code(data_dir: Path) -> None:
    snapshot_paths(data_dir)[0].unlink()
    process = subprocess.run(
        [
            *(sys.executable, "-m", "engine", "--data", str(data_dir)),
            *("--listen", "127.0.0.1:0", "--segment-bytes", str(SEGMENT_BYTES)),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert process.returncode == 14
    assert "this program replays version 2 only" in process.stderr


def test_a_journal_of_a_newer_program_is_refused(data_dir: Path) -> None:
    path = segment_path(data_dir, 1)
    header = next(segment_headers(data_dir))._replace(semantics=SEMANTICS_VERSION + 1)
    path.write_bytes(pack_segment_header(header) + path.read_bytes()[512:])
    with pytest.raises(JournalVersionError, match="use the program that wrote it"):
        Exchange(data_dir)


def test_rules_never_go_back_to_an_older_version(data_dir: Path) -> None:
    """A segment of version 1 behind one of today's is no journal that an engine writes."""
    exchange = Exchange(data_dir)
    exchange.apply(place(exchange.kernel.last_order_id + 1))
    event_seq, epoch = exchange.kernel.event_seq, exchange.journal.epoch
    exchange.close()
    header = SegmentHeader(SEGMENTS + 2, epoch, COMMANDS + 2, event_seq + 1, SEGMENT_BYTES, 1)
    data = pack_segment_header(header).ljust(SEGMENT_BYTES, b"\0")
    segment_path(data_dir, header.number).write_bytes(data)
    with pytest.raises(JournalCorruptError, match="version of the rules was 1, expected at least"):
        Exchange(data_dir)


# --- python -m engine.upgrade -------------------------------------------------------------------


def test_upgrade_proves_the_state_and_changes_nothing(
    data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.read_bytes() for path in data_dir.rglob("*") if path.is_file()}
    assert upgrade(["--data", str(data_dir)]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["ready"] is facts["upgrade"] is True
    assert facts["commands"] == {"1": COMMANDS}
    assert facts["chain"] == OLD_CHAIN
    assert (facts["users"], facts["accounts"], facts["open_orders"]) == (10, 24, OPEN_ORDERS)
    assert {path: path.read_bytes() for path in data_dir.rglob("*") if path.is_file()} == before
    exchange = Exchange(data_dir)
    assert exchange.kernel.state_hash().hex() == facts["state_hash"]
    exchange.apply(place(exchange.kernel.last_order_id + 1))
    exchange.close()
    assert upgrade(["--data", str(data_dir)]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["commands"] == {"1": COMMANDS, str(SEMANTICS_VERSION): 1}


def test_upgrade_names_damage_in_the_old_part(
    data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place_, _ = list(placed_records(data_dir))[7]
    path = segment_path(data_dir, place_.segment)
    data = bytearray(path.read_bytes())
    data[place_.offset + 100] ^= 1
    path.write_bytes(data)
    assert upgrade(["--data", str(data_dir)]) == 6
    assert f"at byte {place_.offset}" in capsys.readouterr().err


def test_upgrade_of_nothing_is_refused(tmp_path: Path) -> None:
    assert upgrade(["--data", str(tmp_path / "nowhere")]) == 3


def test_a_new_journal_needs_no_upgrade(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    exchange = Exchange(tmp_path / "engine")
    exchange.apply(pack_command(Command(CommandType.ADD_USER, user_id=1)))
    exchange.close()
    assert upgrade(["--data", str(tmp_path / "engine")]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["ready"], facts["upgrade"]) == (True, False)


# --- layouts ------------------------------------------------------------------------------------


def test_the_old_layout_is_the_one_that_the_old_snapshots_state(unpacked: Path) -> None:
    old = migration.OLD_LAYOUTS[1]
    for path in snapshot_paths(unpacked):
        header = read_header(path)
        assert (header.semantics, header.layout_hash, header.limits_hash) == (
            1,
            old.layout_hash,
            old.limits_hash,
        )


def loaded(unpacked: Path) -> Kernel:
    exchange = Exchange(unpacked)
    exchange.close()
    return exchange.kernel


def test_every_field_of_the_old_rows_is_found_again(data_dir: Path) -> None:
    """Row by row: today's rows hold the old values under the old names."""
    header = read_header(snapshot_path(data_dir, COMMANDS))
    body = snapshot_path(data_dir, COMMANDS).read_bytes()[512:]
    old = migration._Migrated(header.semantics, body)
    kernel = loaded(data_dir)
    sections = dict(zip((each.tag for each in SECTIONS), kernel.state_sections(), strict=True))
    for section in SECTIONS:
        count, rows = sections[section.tag]
        if section.tag not in old._old.sections:
            assert count == 0
            continue
        layout, fields = old._old.sections[section.tag]
        packed = (
            rows if isinstance(rows, bytes) else b"".join(section.layout.pack(*row) for row in rows)
        )
        now = [section.row._make(values) for values in section.layout.iter_unpack(packed)]
        before = list(layout.iter_unpack(old._packed[section.tag]))
        assert [tuple(getattr(row, name) for name in fields) for row in now] == before


def test_a_field_that_a_row_has_gained_is_zero_and_a_lost_one_is_refused() -> None:
    accounts = next(section for section in SECTIONS if section.tag == b"ACCT")
    old = dict(zip(migration.OLD_LAYOUTS[1].sections[b"ACCT"].fields, (7, 1, 5, 6), strict=True))
    assert migration.changed_row(1, accounts, old)[:4] == (7, 1, 5, 6)
    wider = Section(
        b"BSNS",
        "business ids",
        next(section for section in SECTIONS if section.tag == b"BSNS").row,
        struct.Struct("<16sQq"),
        1,
    )
    assert migration.changed_row(1, wider, {"fingerprint": 3}) == (bytes(16), 3, 0)
    with pytest.raises(StateError, match="colour, which have no place"):
        migration.changed_row(1, wider, {"fingerprint": 3, "colour": 1})


@pytest.mark.parametrize("cut", [0, 3, 60, 200, 3_000, -1])
def test_an_old_state_that_is_cut_short_is_refused(unpacked: Path, cut: int) -> None:
    body = snapshot_path(unpacked, COMMANDS).read_bytes()[512:]
    with pytest.raises(StateError):
        migration.migrate(1, body[:cut])
    with pytest.raises(StateError):
        migration.migrate(1, body + b"\0")


def test_records_of_two_versions_are_told_apart(data_dir: Path) -> None:
    exchange = Exchange(data_dir)
    exchange.apply(place(exchange.kernel.last_order_id + 1))
    exchange.close()
    versions = [record.semantics for record in journal_records(data_dir)]
    assert versions[-2:] == [1, SEMANTICS_VERSION]
    assert set(versions) == {1, SEMANTICS_VERSION}
