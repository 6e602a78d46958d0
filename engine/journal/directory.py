"""Who may write to a journal directory, and how often it has been opened for writing.

Invariant: at most one process holds the lock, and the epoch rises, durably, under the lock before
that process writes anything else. So whoever sees a higher epoch knows the older writer is gone.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Final

from engine.journal.errors import DirectoryInUseError, JournalError

LOCK_NAME: Final = "lock"
EPOCH_NAME: Final = "epoch"
JOURNAL_DIR: Final = "journal"
EPOCH_CHARS_MAX: Final = 20


def fsync_directory(path: Path) -> None:
    """Make creations, renames and removals in a directory durable."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_durably(path: Path, content: bytes) -> None:
    """Replace a small file so that after a crash it is the old one or the new one, whole."""
    temporary = path.with_name(path.name + ".tmp")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(fd, view) :]
        os.fsync(fd)
    finally:
        os.close(fd)
    temporary.replace(path)
    fsync_directory(path.parent)


def prepare_directory(data_dir: Path) -> None:
    """Make the directory if it is not there. JournalError says why it cannot be used."""
    try:
        (data_dir / JOURNAL_DIR).mkdir(parents=True, exist_ok=True)
        fsync_directory(data_dir)
    except OSError as error:
        raise JournalError(
            f"data directory {data_dir} cannot be used: {error.strerror}; "
            "choose a directory that this user may write to"
        ) from error


class DirectoryLock:
    """An exclusive flock on `lock`, which also names the holder's process id."""

    def __init__(self, data_dir: Path) -> None:
        path = data_dir / LOCK_NAME
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise JournalError(f"lock file {path} cannot be opened: {error.strerror}") from error
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._fd, EPOCH_CHARS_MAX, 0).decode("ascii", "replace").strip()
            os.close(self._fd)
            raise DirectoryInUseError(
                f"data directory {data_dir} is in use by another engine (process "
                f"{holder or 'unknown'}); stop that one first or choose another --data"
            ) from None
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        os.close(self._fd)


def raise_epoch(data_dir: Path) -> int:
    """Raise the epoch by one, durably, and return it. Call with the lock held."""
    path = data_dir / EPOCH_NAME
    try:
        text = path.read_text("ascii").strip()
    except FileNotFoundError:
        text = "0"
    if not text.isascii() or not text.isdigit() or len(text) > EPOCH_CHARS_MAX:
        raise JournalError(f"epoch file {path} was {text[:EPOCH_CHARS_MAX]!r}, expected a number")
    epoch = int(text) + 1
    write_durably(path, f"{epoch}\n".encode())
    return epoch
