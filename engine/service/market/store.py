"""The bars on disk, so that a restart need not read the whole journal again.

One file of JSON lines beside the journal: a header that names the event up to which everything is
counted and that event's bytes, a line for each market, and the SHA-256 of it all. It is written
aside and renamed without waiting for the disk: whatever is torn or not of this journal is thrown
away and counted again from the journal. Invariant: bars are taken over only if the journal has that
very event at that sequence.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import structlog

from engine.journal.reader import Follower
from engine.service.market.bars import INTERVALS, Bar, MarketBars

FILE_NAME: Final = "bars"
FORMAT: Final = "QTBARS1"
FILE_BYTES_MAX: Final = 1 << 30
log = structlog.get_logger(__name__)


class Collected:
    """The bars of all markets up to an event. `complete_from_us`: trades before it are missing."""

    def __init__(self) -> None:
        self.event_seq = 0
        self.complete_from_us = 0
        self.markets: dict[int, MarketBars] = {}

    def lines(self) -> Iterator[list[Any]]:
        """The bars, for `save`; made at once, so that what is counted meanwhile is not in them."""
        for market_id, market in self.markets.items():
            series = {name: list(market.series[name]) for name in INTERVALS}
            yield [market_id, market.second, series]


def save(data_dir: Path, event_seq: int, complete_from_us: int, lines: list[list[Any]]) -> None:
    """Write what was counted up to `event_seq`. OSError if the disk does not take it."""
    head = {
        "format": FORMAT,
        "event_seq": event_seq,
        "event": _event(data_dir, event_seq).hex(),
        "complete_from_us": complete_from_us,
    }
    digest = hashlib.sha256()
    temporary = data_dir / f"{FILE_NAME}.tmp"
    with temporary.open("wb") as file:
        for line in (head, *lines):
            data = json.dumps(line, separators=(",", ":")).encode() + b"\n"
            digest.update(data)
            file.write(data)
        file.write(digest.hexdigest().encode() + b"\n")
    temporary.replace(data_dir / FILE_NAME)


def load(data_dir: Path) -> Collected | None:
    """What was saved, if it is whole and of this journal."""
    path = data_dir / FILE_NAME
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise ValueError(f"it is larger than {FILE_BYTES_MAX} bytes")
        return _read(data_dir, path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError, LookupError, TypeError) as error:
        log.warning("bars_passed_over", path=str(path), detail=str(error))
        return None


def _read(data_dir: Path, content: bytes) -> Collected:
    body, _, digest = content.rstrip(b"\n").rpartition(b"\n")
    if hashlib.sha256(body + b"\n").hexdigest().encode() != digest:
        raise ValueError("its checksum does not agree")
    head, *lines = (json.loads(line) for line in body.split(b"\n"))
    if head["format"] != FORMAT:
        raise ValueError(f"its format was {head['format']}, expected {FORMAT}")
    if _event(data_dir, head["event_seq"]).hex() != head["event"]:
        raise ValueError(f"event {head['event_seq']} of this journal is another one")
    collected = Collected()
    collected.event_seq = head["event_seq"]
    collected.complete_from_us = head["complete_from_us"]
    for market_id, second, series in lines:
        market = collected.markets[market_id] = MarketBars()
        market.second = None if second is None else Bar(*second)
        market.series = {name: [Bar(*bar) for bar in series[name]] for name in INTERVALS}
    return collected


def _event(data_dir: Path, event_seq: int) -> bytes:
    """The bytes of one durable event; none where there is no such event."""
    if event_seq < 1:
        return b""
    follower = Follower(data_dir, event_seq)
    try:
        found = follower.read(1)
    finally:
        follower.close()
    return b"" if found is None else found.events
