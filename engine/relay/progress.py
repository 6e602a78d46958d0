"""The relay's note of how far the chain has been computed, so that a restart need not begin anew.

It is a cache and never evidence: the stream's end decides where publishing continues, and a note
that is missing, damaged or ahead of the journal only costs recomputing the chain from the first
event. That is why it is replaced atomically but not forced to disk.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Final, NamedTuple

from engine.proto.stream import CHAIN_GENESIS

PROGRESS_FILE: Final = "relay.progress"
_MAGIC: Final = b"QTRP"
_BODY: Final = struct.Struct("<4sIQ32s")
_CRC: Final = struct.Struct("<I")
_VERSION: Final = 1


class Anchor(NamedTuple):
    """A place in the chain: `chain` is its head after `event_seq`."""

    event_seq: int
    chain: bytes


GENESIS: Final = Anchor(0, CHAIN_GENESIS)


def load_progress(directory: Path) -> Anchor | None:
    """Return the note, or None if there is none or it is damaged."""
    try:
        content = (directory / PROGRESS_FILE).read_bytes()
    except FileNotFoundError:
        return None
    if len(content) != _BODY.size + _CRC.size:
        return None
    magic, version, event_seq, chain = _BODY.unpack_from(content)
    (crc,) = _CRC.unpack_from(content, _BODY.size)
    if (magic, version) != (_MAGIC, _VERSION) or crc != zlib.crc32(content[: _BODY.size]):
        return None
    return Anchor(event_seq, chain)


def save_progress(directory: Path, anchor: Anchor) -> None:
    """Replace the note; a reader sees the old one or the new one."""
    body = _BODY.pack(_MAGIC, _VERSION, anchor.event_seq, anchor.chain)
    temporary = directory / f"{PROGRESS_FILE}.tmp"
    temporary.write_bytes(body + _CRC.pack(zlib.crc32(body)))
    temporary.replace(directory / PROGRESS_FILE)
