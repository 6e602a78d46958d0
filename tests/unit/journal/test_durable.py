"""The published position survives a kill in the middle of its own writing."""

from __future__ import annotations

from pathlib import Path

from engine.journal.durable import SLOT_BYTES, DurableFile, DurablePosition, read_position

FIRST = DurablePosition(1, 2, 3, 4, 5)
SECOND = DurablePosition(1, 20, 30, 4, 50)


def published(data_dir: Path, *positions: DurablePosition) -> None:
    file = DurableFile(data_dir)
    for position in positions:
        file.publish(position)
    file.close()


def test_without_a_file_or_a_position_there_is_none(tmp_path: Path) -> None:
    assert read_position(tmp_path) is None
    published(tmp_path)
    assert read_position(tmp_path) is None


def test_the_newest_position_is_read_and_found_again_after_a_restart(tmp_path: Path) -> None:
    published(tmp_path, FIRST, SECOND)
    assert read_position(tmp_path) == SECOND
    file = DurableFile(tmp_path)
    assert file.found == SECOND
    file.publish(FIRST)
    assert read_position(tmp_path) == FIRST
    file.close()


def test_a_slot_torn_at_any_byte_leaves_the_position_before_it(tmp_path: Path) -> None:
    published(tmp_path, FIRST, SECOND)
    path = tmp_path / "durable"
    whole = path.read_bytes()
    newest_slot = 0  # the second position has an even number
    for at in range(newest_slot, newest_slot + 60):
        torn = bytearray(whole)
        torn[at] ^= 0x5A
        path.write_bytes(torn)
        assert read_position(tmp_path) == FIRST, at
    assert SLOT_BYTES >= 60
