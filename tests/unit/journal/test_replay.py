"""Replaying a journal gives the identical state, or refuses and names the event."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.journal import journal_records
from engine.journal.replay import ReplayMismatchError, ReplayStoppedError, replay
from engine.journal.writer import Journal
from engine.kernel import load_kernel
from engine.kernel.interface import Kernel
from engine.proto.records import Command, CommandType, pack_command
from tests.unit.journal.support import SEGMENT_BYTES

SETUP = (
    Command(CommandType.ADD_ASSET, asset_id=1, quantity=8, amount=10**18, text=b"BTC"),
    Command(CommandType.ADD_USER, user_id=7),
)


def deposit(number: int) -> Command:
    return Command(
        CommandType.DEPOSIT,
        user_id=7,
        asset_id=1,
        amount=number,
        request_id=number.to_bytes(16, "big"),
    )


def start(data_dir: Path) -> tuple[Journal, Kernel]:
    journal, kernel = Journal(data_dir, segment_bytes=SEGMENT_BYTES), load_kernel("reference")
    try:
        replay(journal, kernel)
    except Exception:
        journal.close()
        raise
    return journal, kernel


def apply(journal: Journal, kernel: Kernel, *commands: Command) -> None:
    packed = b"".join(map(pack_command, commands))
    journal.prepare(len(commands), 8)
    events = kernel.apply(packed, kernel.time_us + 1)
    journal.append(packed, events, kernel.time_us)


def test_restarting_twice_gives_the_identical_state(tmp_path: Path) -> None:
    journal, kernel = start(tmp_path)
    apply(journal, kernel, *SETUP)
    for number in range(1, 50):
        apply(journal, kernel, deposit(number))
    expected = (kernel.state_hash(), kernel.command_seq, kernel.event_seq, kernel.time_us)
    journal.close()
    for _ in range(2):
        journal, kernel = start(tmp_path)
        found = (kernel.state_hash(), kernel.command_seq, kernel.event_seq, kernel.time_us)
        journal.close()
        assert found == expected


def test_events_that_the_kernel_does_not_give_again_refuse_and_are_named(tmp_path: Path) -> None:
    journal, kernel = start(tmp_path)
    apply(journal, kernel, *SETUP)
    packed = pack_command(deposit(1))
    events = bytearray(kernel.apply(packed, kernel.time_us))
    events[60] ^= 1
    journal.prepare(1, 8)
    journal.append(packed, bytes(events), kernel.time_us)
    journal.close()
    with pytest.raises(ReplayMismatchError, match="differs from the journal at event 3"):
        start(tmp_path)
    assert len(list(journal_records(tmp_path))) == 2


def test_a_replay_can_be_stopped(tmp_path: Path) -> None:
    journal, kernel = start(tmp_path)
    apply(journal, kernel, *SETUP)
    journal.close()
    journal = Journal(tmp_path, segment_bytes=SEGMENT_BYTES)
    with pytest.raises(ReplayStoppedError):
        replay(journal, load_kernel("reference"), lambda: True)
    journal.close()
