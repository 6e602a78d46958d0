"""Generated streams are kept on disk, and believed only if they are what was written."""

from __future__ import annotations

from pathlib import Path

from engine.bench.population import MARGIN
from engine.bench.streams import StreamCache
from engine.bench.workload import CANCEL, PLACE, RECORD

COMMANDS = 1_000


def cache(directory: Path, said: list[str] | None = None) -> StreamCache:
    return StreamCache(directory, said.append if said is not None else lambda _: None)


def test_a_cached_stream_is_the_generated_one(tmp_path: Path) -> None:
    said: list[str] = []
    made = cache(tmp_path).multi(MARGIN, COMMANDS)
    assert cache(tmp_path, said).multi(MARGIN, COMMANDS) == made
    assert len(said) == 1
    assert "2000 commands from" in said[0]


def test_a_damaged_cached_stream_is_made_anew(tmp_path: Path) -> None:
    made = cache(tmp_path).multi(MARGIN, COMMANDS)
    (path,) = tmp_path.glob("*.records")
    damaged = bytearray(path.read_bytes())
    damaged[777] ^= 1
    path.write_bytes(damaged)
    assert cache(tmp_path).multi(MARGIN, COMMANDS) == made
    assert path.read_bytes() == made.records


def test_a_description_cut_short_is_made_anew(tmp_path: Path) -> None:
    made = cache(tmp_path).multi(MARGIN, COMMANDS)
    (path,) = tmp_path.glob("*.json")
    path.write_text("{", encoding="utf-8")
    assert cache(tmp_path).multi(MARGIN, COMMANDS) == made


def test_streams_of_an_older_generator_are_removed(tmp_path: Path) -> None:
    stale = tmp_path / f"margin-{COMMANDS}-0123456789abcdef.records"
    stale.write_bytes(b"old")
    other = tmp_path / "margin-7-0123456789abcdef.records"
    other.write_bytes(b"of another length")
    cache(tmp_path).multi(MARGIN, COMMANDS)
    assert not stale.exists()
    assert other.exists()


def test_the_plain_stream_adds_cancels_and_sweeps_and_never_moves(tmp_path: Path) -> None:
    stream = cache(tmp_path).plain(10_000)
    rest = stream.records[stream.fill_count * RECORD.size :]
    kinds = [(fields[0], fields[2]) for fields in RECORD.iter_unpack(rest)]
    assert {kind for kind, _ in kinds} == {PLACE, CANCEL}
    assert 0.42 < kinds.count((PLACE, 0)) / len(kinds) < 0.55
    assert 0.32 < kinds.count((CANCEL, 0)) / len(kinds) < 0.45
    assert cache(tmp_path).plain(10_000) == stream
