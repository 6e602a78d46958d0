"""The hash chain over all events, for any sequence, without hashing from the beginning each time.

Heads at the borders of segments are remembered, in a small file if asked to: a cache, which can be
deleted and whose entries carry a CRC. Invariant: the head returned for n is that of the events 1..n
in this journal.
"""

from __future__ import annotations

import struct
import threading
import zlib
from bisect import bisect_right, insort
from pathlib import Path
from typing import Final

from engine.journal.reader import Follower
from engine.journal.segments import segment_headers
from engine.proto.stream import CHAIN_GENESIS, chain_extend

CACHE_NAME: Final = "chain"
READ_EVENTS: Final = 4096

_ENTRY: Final = struct.Struct("<Q32sI")


class ChainIndex:
    """Chain heads of one journal directory. Thread-safe; slow calls belong off the event loop."""

    def __init__(self, data_dir: Path, *, keep_cache: bool = False) -> None:
        self._data_dir = data_dir
        self._cache = data_dir / CACHE_NAME if keep_cache else None
        self._lock = threading.Lock()
        self._heads: list[tuple[int, bytes]] = [(0, CHAIN_GENESIS)]
        self._last = (0, CHAIN_GENESIS)
        self._load()

    def head(self, event_seq: int) -> bytes:
        """The chain head after `event_seq`, which must be durable (ValueError otherwise)."""
        with self._lock:
            return self._head(event_seq)

    def _head(self, event_seq: int) -> bytes:
        at = bisect_right(self._heads, event_seq, key=lambda entry: entry[0]) - 1
        seq, head = self._heads[at]
        if seq < self._last[0] <= event_seq:
            seq, head = self._last
        if seq == event_seq:
            return head
        borders = [
            header.first_event_seq - 1
            for header in segment_headers(self._data_dir)
            if seq < header.first_event_seq - 1 <= event_seq
        ]
        follower = Follower(self._data_dir, seq + 1)
        try:
            for stop in (*borders, event_seq):
                head = self._extend(follower, head, stop)
                if stop in borders:
                    self._remember(stop, head)
        finally:
            follower.close()
        self._last = (event_seq, head)
        return head

    @staticmethod
    def _extend(follower: Follower, head: bytes, stop: int) -> bytes:
        while follower.next_event_seq <= stop:
            events = follower.read(min(READ_EVENTS, stop - follower.next_event_seq + 1))
            if events is None:
                raise ValueError(f"event {stop} is not durable in this journal")
            head = chain_extend(head, events.events)
        return head

    def _remember(self, seq: int, head: bytes) -> None:
        insort(self._heads, (seq, head))
        if self._cache is not None:
            body = struct.pack("<Q32s", seq, head)
            with self._cache.open("ab") as file:
                file.write(body + struct.pack("<I", zlib.crc32(body)))

    def _load(self) -> None:
        """Take the entries of the cache that are whole; what is not is computed again."""
        if self._cache is None or not self._cache.exists():
            return
        data = self._cache.read_bytes()
        whole = len(data) - len(data) % _ENTRY.size
        for seq, head, crc in _ENTRY.iter_unpack(data[:whole]):
            if crc == zlib.crc32(struct.pack("<Q32s", seq, head)):
                self._heads.append((seq, head))
        self._heads = sorted(set(self._heads))
        if whole != len(data):
            with self._cache.open("r+b") as file:
                file.truncate(whole)
