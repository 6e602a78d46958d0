"""Snapshots: the canonical state as of one journal record, in a file that proves itself.

    snapshot  header (512 bytes, CRC over all of it) | canonical state (see `engine.kernel.state`)

A snapshot only saves time: the journal alone is the truth. So one that is damaged, of another
layout, of other limits or of another journal is passed over, with a word in the log, for the next
older one and at last for a replay from the first record. Only the snapshot at the end of what an
older version of the rules journaled is more than that: today's rules cannot replay what is before
it, so it is read in the old layout, and kept. Invariants: a file has a snapshot's name only when
all its bytes are durable; a kernel made from one has the very state that the process which wrote it
had, and the record it stands behind is in this journal.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import structlog

from engine.journal.directory import fsync_directory
from engine.journal.errors import JournalError
from engine.journal.faults import reach
from engine.journal.format import SEMANTICS_VERSION
from engine.journal.log import Place
from engine.journal.reader import record_at
from engine.kernel.interface import Kernel
from engine.kernel.limits import DEFAULT_LIMITS, REQUEST_WINDOW, Limits
from engine.kernel.migration import OLD_LAYOUTS, migrate
from engine.kernel.state import LAYOUT_HASH, PackedState, StateError, canonical_chunks

SNAPSHOT_DIR: Final = "snapshots"
LOCK_NAME: Final = "lock"
MAGIC: Final = b"QTSNAP\x01\n"
FORMAT_VERSION: Final = 1
HEADER_BYTES: Final = 512
GENERATIONS: Final = 2

_HEADER: Final = struct.Struct("<8sIIIIQQQQQQQQ32s32s32s")
_CRC: Final = struct.Struct("<I")
_NAME: Final = re.compile(r"(\d{20})\.snap")
log = structlog.get_logger(__name__)


class SnapshotError(JournalError):
    """A snapshot cannot be used, or not be written; the text names the file and says why."""


class SnapshotBusyError(SnapshotError):
    """Another process is writing a snapshot in this directory."""


class SnapshotHeader(NamedTuple):
    """Of which state, behind which record, and under which rules a snapshot was made."""

    epoch: int
    command_seq: int
    event_seq: int
    segment: int
    offset: int
    length: int
    crc: int
    body_bytes: int
    layout_hash: bytes
    limits_hash: bytes
    state_hash: bytes
    semantics: int = SEMANTICS_VERSION

    @property
    def place(self) -> Place:
        """Of the last record whose commands are in the state."""
        return Place(self.segment, self.offset, self.length, self.crc)


def limits_hash(limits: Limits = DEFAULT_LIMITS) -> bytes:
    """The configuration under which a journal must be replayed, as one number."""
    stated = [*limits._asdict().items(), ("request_window", REQUEST_WINDOW)]
    return hashlib.sha256(repr(stated).encode()).digest()


def snapshot_path(data_dir: Path, command_seq: int) -> Path:
    return data_dir / SNAPSHOT_DIR / f"{command_seq:020d}.snap"


def snapshot_paths(data_dir: Path) -> list[Path]:
    """All files with a snapshot's name, newest first."""
    directory = data_dir / SNAPSHOT_DIR
    if not directory.is_dir():
        return []
    return sorted((p for p in directory.iterdir() if _NAME.fullmatch(p.name)), reverse=True)


@contextmanager
def snapshot_lock(data_dir: Path) -> Iterator[None]:
    """Keep two writers of snapshots apart. SnapshotBusyError if there is one already."""
    directory = data_dir / SNAPSHOT_DIR
    directory.mkdir(exist_ok=True)
    with (directory / LOCK_NAME).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SnapshotBusyError(
                f"another process is writing a snapshot in {directory}; let it finish"
            ) from None
        yield


# --- writing ------------------------------------------------------------------------------------


def write_snapshot(
    data_dir: Path, kernel: Kernel, place: Place, epoch: int, limits: Limits = DEFAULT_LIMITS
) -> SnapshotHeader:
    """Write the state of a kernel that has applied the journal up to the record at `place`.

    Call with the lock held. SnapshotError if the disk does not take it: nothing is left then.
    """
    path = snapshot_path(data_dir, kernel.command_seq)
    temporary = path.with_suffix(".tmp")
    try:
        with temporary.open("wb") as file:
            header = _write(file.fileno(), kernel, place, epoch, limits)
        reach("snapshot-synced")
        temporary.rename(path)
        reach("snapshot-renamed")
        fsync_directory(path.parent)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise SnapshotError(f"snapshot {path} cannot be written: {error.strerror}") from error
    return header


def _write(fd: int, kernel: Kernel, place: Place, epoch: int, limits: Limits) -> SnapshotHeader:
    digest, at = hashlib.sha256(), HEADER_BYTES
    for chunk in canonical_chunks(kernel):
        digest.update(chunk)
        view = memoryview(chunk)
        while view:
            written = os.pwrite(fd, view, at)
            at += written
            view = view[written:]
    header = SnapshotHeader(
        epoch,
        kernel.command_seq,
        kernel.event_seq,
        *place,
        at - HEADER_BYTES,
        LAYOUT_HASH,
        limits_hash(limits),
        digest.digest(),
    )
    reach("snapshot-body-written")
    os.pwrite(fd, pack_header(header), 0)
    reach("snapshot-written")
    os.fsync(fd)
    return header


def prune_snapshots(data_dir: Path, keep: set[int]) -> None:
    """Remove all snapshots but those of these command sequences and those of older versions of
    the rules, and what was begun and not finished. Call with the lock held."""
    directory = data_dir / SNAPSHOT_DIR
    for path in (*snapshot_paths(data_dir), *directory.glob("*.tmp")):
        if path.suffix == ".tmp" or (int(path.stem) not in keep and not _is_border(path)):
            path.unlink()
    fsync_directory(directory)


def _is_border(path: Path) -> bool:
    """Whether it was made by an older version: nothing can make it again."""
    try:
        return read_header(path).semantics != SEMANTICS_VERSION
    except SnapshotError:
        return False


# --- reading ------------------------------------------------------------------------------------


def pack_header(header: SnapshotHeader) -> bytes:
    fixed = _HEADER.pack(MAGIC, HEADER_BYTES, FORMAT_VERSION, header.semantics, 0, *header[:11])
    body = fixed.ljust(HEADER_BYTES - _CRC.size, b"\0")
    return body + _CRC.pack(zlib.crc32(body))


def read_header(path: Path) -> SnapshotHeader:
    """The header of a snapshot. SnapshotError says what is wrong with it."""
    try:
        with path.open("rb") as file:
            data = file.read(HEADER_BYTES)
    except OSError as error:
        raise SnapshotError(f"snapshot {path} cannot be read: {error.strerror}") from error
    if len(data) < HEADER_BYTES:
        raise SnapshotError(f"snapshot {path} ends inside its header, at byte {len(data)}")
    body = data[: HEADER_BYTES - _CRC.size]
    (crc,) = _CRC.unpack_from(data, HEADER_BYTES - _CRC.size)
    if crc != zlib.crc32(body):
        raise SnapshotError(
            f"snapshot {path}: header checksum was {crc:08x}, expected {zlib.crc32(body):08x}"
        )
    magic, size, version, semantics, _, *rest = _HEADER.unpack_from(data)
    found, expected = (magic, size, version), (MAGIC, HEADER_BYTES, FORMAT_VERSION)
    if found != expected:
        raise SnapshotError(
            f"snapshot {path}: (magic, header, format) was {found}, expected {expected}"
        )
    if semantics != SEMANTICS_VERSION and semantics not in OLD_LAYOUTS:
        raise SnapshotError(f"snapshot {path} is of version {semantics} of the rules, not known")
    return SnapshotHeader._make([*rest, semantics])


def read_body(path: Path, header: SnapshotHeader) -> bytes:
    """The canonical state in a snapshot, of the size and with the hash that its header states."""
    try:
        with path.open("rb") as file:
            file.seek(HEADER_BYTES)
            body = file.read()
    except OSError as error:
        raise SnapshotError(f"snapshot {path} cannot be read: {error.strerror}") from error
    if len(body) != header.body_bytes:
        raise SnapshotError(
            f"snapshot {path}: state was {len(body)} bytes, expected {header.body_bytes}"
        )
    digest = hashlib.sha256(body).digest()
    if digest != header.state_hash:
        raise SnapshotError(
            f"snapshot {path}: state hash was {digest.hex()}, expected {header.state_hash.hex()}"
        )
    return body


def check_snapshot(
    data_dir: Path, path: Path, limits: Limits = DEFAULT_LIMITS
) -> tuple[SnapshotHeader, bytes]:
    """Header and state of a snapshot that is whole and belongs to this journal, these limits and
    this program. SnapshotError otherwise."""
    header = read_header(path)
    expected_hashes = LAYOUT_HASH, limits_hash(limits)
    if header.semantics != SEMANTICS_VERSION:
        old = OLD_LAYOUTS[header.semantics]
        expected_hashes = old.layout_hash, old.limits_hash
    if header.layout_hash != expected_hashes[0]:
        raise SnapshotError(f"snapshot {path} is of another layout of the state")
    if header.limits_hash != expected_hashes[1]:
        raise SnapshotError(f"snapshot {path} was made under other limits of the kernel")
    try:
        record = record_at(data_dir, header.place)
    except JournalError as error:
        raise SnapshotError(
            f"snapshot {path} does not stand behind a record of this journal: {error}"
        ) from error
    found = (record.last_command_seq, record.last_event_seq, record.epoch)
    expected = (header.command_seq, header.event_seq, header.epoch)
    if found != expected:
        raise SnapshotError(
            f"snapshot {path}: its record ends at (command, event, epoch) {found}, "
            f"expected {expected}"
        )
    return header, read_body(path, header)


class Loaded(NamedTuple):
    """A kernel as a snapshot describes it, and which snapshot that was."""

    kernel: Kernel
    header: SnapshotHeader


def load_newest(
    data_dir: Path,
    make_kernel: Callable[[], Kernel],
    *,
    command_seq_max: int | None = None,
    semantics_max: int = SEMANTICS_VERSION,
    limits: Limits = DEFAULT_LIMITS,
) -> Loaded | None:
    """Load the newest usable snapshot (at or before a command, of such a version of the rules or an
    older one), None if there is none.

    What is passed over is told in the log.
    """
    for path in snapshot_paths(data_dir):
        if command_seq_max is not None and int(path.stem) > command_seq_max:
            continue
        try:
            if read_header(path).semantics > semantics_max:
                continue
            header, body = check_snapshot(data_dir, path, limits)
            return Loaded(_load(path, header, body, make_kernel()), header)
        except SnapshotError as error:
            log.warning("snapshot_passed_over", file=str(path), detail=str(error))
    return None


def _load(path: Path, header: SnapshotHeader, body: bytes, kernel: Kernel) -> Kernel:
    try:
        if header.semantics != SEMANTICS_VERSION:
            body = migrate(header.semantics, body)
        kernel.load_state(PackedState(body))
    except (StateError, OverflowError) as error:
        raise SnapshotError(f"snapshot {path} cannot be loaded: {error}") from error
    found, expected = (
        (kernel.command_seq, kernel.event_seq),
        (header.command_seq, header.event_seq),
    )
    if found != expected:
        raise SnapshotError(
            f"snapshot {path}: the {kernel.name} kernel was at (command, event) {found}, "
            f"expected {expected}"
        )
    at = 0
    for chunk in canonical_chunks(kernel):
        if body[at : at + len(chunk)] != chunk:
            raise SnapshotError(
                f"snapshot {path}: the {kernel.name} kernel holds another state than its bytes "
                f"from byte {at} on"
            )
        at += len(chunk)
    return kernel


def newest_claim(data_dir: Path) -> SnapshotHeader | None:
    """The header, if it is whole, that claims the highest event: nothing else is checked."""
    claims = []
    for path in snapshot_paths(data_dir):
        try:
            claims.append(read_header(path))
        except SnapshotError:
            log.debug("snapshot_header_damaged", file=str(path))
    return max(claims, key=lambda header: header.event_seq, default=None)
