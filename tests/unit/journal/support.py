"""Journals with known content, and the state a crash leaves behind."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from engine.journal.format import segment_path
from engine.journal.writer import Journal

SEGMENT_BYTES = 64 << 10


class Written(NamedTuple):
    """What was appended."""

    commands: bytes
    events: bytes
    time_us: int


def content(number: int, command_count: int = 1, event_count: int = 1) -> Written:
    """The n-th batch: bytes that look random, with no zero byte, and are always the same."""

    def filled(name: str, count: int) -> bytes:
        raw = hashlib.shake_128(f"{name} {number}".encode()).digest(count * 128)
        return raw.replace(b"\0", b"\x01")

    return Written(filled("commands", command_count), filled("events", event_count), number)


def append(journal: Journal, batch: Written) -> None:
    journal.prepare(len(batch.commands) // 128, len(batch.events) // 128)
    journal.append(*batch)


@contextmanager
def opened(data_dir: Path, *, accept_loss: bool = False) -> Iterator[tuple[Journal, list[Written]]]:
    """An open journal and what it recovered."""
    journal = Journal(data_dir, segment_bytes=SEGMENT_BYTES, accept_loss=accept_loss)
    try:
        yield (
            journal,
            [
                Written(bytes(record.commands), bytes(record.events), record.time_us)
                for record in journal.recover()
            ],
        )
    finally:
        journal.close()


def written(data_dir: Path, batches: Iterable[Written]) -> list[Written]:
    """Append batches and close."""
    batches = list(batches)
    with opened(data_dir) as (journal, _):
        for batch in batches:
            append(journal, batch)
    return batches


class Crash(NamedTuple):
    """A journal whose last record was on its way when the machine stopped."""

    data_dir: Path
    before: list[Written]
    last: Written
    last_at: int
    last_end: int

    @property
    def segment(self) -> Path:
        return segment_path(self.data_dir, 1)


def crashed(data_dir: Path, before: list[Written], last: Written) -> Crash:
    """Write all; then put back the durable position from before the last record."""
    with opened(data_dir) as (journal, _):
        for batch in before:
            append(journal, batch)
        last_at = journal.position().offset
        published = (data_dir / "durable").read_bytes()
        append(journal, last)
        last_end = journal.position().offset
    (data_dir / "durable").write_bytes(published)
    return Crash(data_dir, before, last, last_at, last_end)


def copy_of(crash: Crash, to: Path) -> Crash:
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(crash.data_dir, to)
    return crash._replace(data_dir=to)
