"""Latencies in buckets of fixed relative width, as HdrHistogram keeps them.

A value below 128 has a bucket of its own; above, each power of two is cut into 128 buckets, so any
value is known to within 0.8 %. Recording is one addition, however many values there are.

Invariant: `percentile` never states less than what was recorded (the upper end of its bucket, and
never more than the largest value).
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from typing import Final

SUB_BUCKETS: Final = 128
_SUB_BITS: Final = 8
_BITS_MAX: Final = 63
PERCENTILES: Final = (50.0, 90.0, 99.0, 99.9)


class Histogram:
    """Counts of integers from 0 to 2**63 - 1; the unit is the caller's."""

    def __init__(self) -> None:
        self._counts = array("Q", bytes(8 * SUB_BUCKETS * (_BITS_MAX - _SUB_BITS + 3)))
        self.count = 0
        self.max = 0

    def record(self, value: int) -> None:
        """Count one value; a negative one counts as 0."""
        value = max(value, 0)
        shift = max(value.bit_length() - _SUB_BITS, 0)
        self._counts[shift * SUB_BUCKETS + (value >> shift)] += 1
        self.count += 1
        if value > self.max:
            self.max = value

    def record_all(self, values: Iterable[int]) -> None:
        for value in values:
            self.record(value)

    def percentile(self, percent: float) -> int:
        """The value that so many percent of all recorded ones do not exceed; 0 of none."""
        if not 0 <= percent <= 100:
            raise ValueError(f"percentile was {percent}, expected 0 to 100")
        wanted = max(1, -(-self.count * round(percent * 10**6) // 10**8))
        seen = 0
        for index, count in enumerate(self._counts):
            seen += count
            if seen >= wanted:
                return min(_upper_end(index), self.max)
        return 0

    def curve(self) -> list[tuple[float, int]]:
        """(percent, value) of every bucket that holds something, rising."""
        points: list[tuple[float, int]] = []
        seen = 0
        for index, count in enumerate(self._counts):
            if count:
                seen += count
                points.append((100 * seen / self.count, min(_upper_end(index), self.max)))
        return points


def _upper_end(index: int) -> int:
    """The largest value that falls into a bucket."""
    if index < 2 * SUB_BUCKETS:
        return index
    shift = index // SUB_BUCKETS - 1
    return ((index - shift * SUB_BUCKETS + 1) << shift) - 1
