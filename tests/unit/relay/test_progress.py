"""The relay's note: read back as written, and taken for missing when it is not whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.relay.progress import PROGRESS_FILE, Anchor, load_progress, save_progress

NOTE = Anchor(123_456_789, bytes(range(32)))


def test_a_note_reads_back_as_it_was_written(tmp_path: Path) -> None:
    save_progress(tmp_path, NOTE)
    assert load_progress(tmp_path) == NOTE


def test_a_newer_note_replaces_the_older_and_leaves_no_other_file(tmp_path: Path) -> None:
    save_progress(tmp_path, Anchor(1, bytes(32)))
    save_progress(tmp_path, NOTE)
    assert load_progress(tmp_path) == NOTE
    assert [path.name for path in tmp_path.iterdir()] == [PROGRESS_FILE]


def test_no_note_is_none(tmp_path: Path) -> None:
    assert load_progress(tmp_path) is None


def test_a_flipped_bit_anywhere_makes_the_note_missing(tmp_path: Path) -> None:
    save_progress(tmp_path, NOTE)
    path = tmp_path / PROGRESS_FILE
    whole = path.read_bytes()
    for position in range(len(whole)):
        damaged = bytearray(whole)
        damaged[position] ^= 1
        path.write_bytes(damaged)
        assert load_progress(tmp_path) is None, position


@pytest.mark.parametrize("length", [0, 1, 48, 51])
def test_a_note_cut_short_is_missing(tmp_path: Path, length: int) -> None:
    save_progress(tmp_path, NOTE)
    path = tmp_path / PROGRESS_FILE
    path.write_bytes(path.read_bytes()[:length])
    assert load_progress(tmp_path) is None


def test_a_note_with_more_behind_it_is_missing(tmp_path: Path) -> None:
    save_progress(tmp_path, NOTE)
    path = tmp_path / PROGRESS_FILE
    path.write_bytes(path.read_bytes() + b"\0")
    assert load_progress(tmp_path) is None
