"""The log files: bounded by rotation, readable with `logs NAME`.

Processes append to their file themselves, so that logging never waits for the supervisor; a file
that has grown past its limit is copied aside and emptied in place. (A line written in that very
instant can be lost; the journal and the database are the records, logs are not.) Invariant: a
process's logs never take more than `LOG_BYTES_MAX` times one more than `LOGS_KEPT`, plus what it
writes between two looks.
"""

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

LOG_BYTES_MAX = 20 * 1024**2
LOGS_KEPT = 3
FOLLOW_INTERVAL_S = 0.2
_READ_BYTES = 65536


def rotate(log: Path, *, bytes_max: int = LOG_BYTES_MAX, kept: int = LOGS_KEPT) -> bool:
    """Put the log aside as `NAME.log.1` if it is too large, the older ones moving up."""
    if not log.exists() or log.stat().st_size <= bytes_max:
        return False
    for number in range(kept, 1, -1):
        older = log.with_name(f"{log.name}.{number - 1}")
        if older.exists():
            older.replace(log.with_name(f"{log.name}.{number}"))
    shutil.copyfile(log, log.with_name(f"{log.name}.1"))
    os.truncate(log, 0)
    return True


def last_lines(log: Path, count: int) -> bytes:
    """The last `count` lines of the file."""
    with log.open("rb") as file:
        position = file.seek(0, os.SEEK_END)
        text = b""
        while position > 0 and text.count(b"\n") <= count:
            step = min(_READ_BYTES, position)
            position = file.seek(position - step)
            text = file.read(step) + text
    return b"".join(text.splitlines(keepends=True)[-count:]) if count else b""


def follow(log: Path, write: Callable[[bytes], object]) -> None:
    """Pass on what is appended to the file, through rotations, until interrupted."""
    position = log.stat().st_size
    while True:
        size = log.stat().st_size
        if size < position:
            position = 0
        if size > position:
            with log.open("rb") as file:
                file.seek(position)
                text = file.read(_READ_BYTES)
            position += len(text)
            write(text)
        else:
            time.sleep(FOLLOW_INTERVAL_S)
