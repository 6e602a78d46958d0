"""The random numbers of `java.util.Random`, bit for bit, and the Pareto law drawn from them.

The benchmark workload was born on the JVM: its commands can be reproduced, and its published
digests compared, only with the very same generator. Not for secrets: 48 bits of linear state.

Invariant: same seed, same calls, same numbers as on any JVM (the algorithm is normative in the
documentation of `java.util.Random`).
"""

from __future__ import annotations

from typing import Final

_MULTIPLIER: Final = 0x5DEECE66D
_INCREMENT: Final = 0xB
_MASK: Final = (1 << 48) - 1
_INT_RANGE: Final = 1 << 31
_DOUBLE_UNIT: Final = 1.0 / (1 << 53)


def to_signed(value: int, bits: int) -> int:
    """Wrap `value` to a two's complement integer of `bits` bits, as the JVM's arithmetic does."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


class JavaRandom:
    """One generator. Methods are named after the JVM's."""

    __slots__ = ("_state",)

    def __init__(self, seed: int) -> None:
        self._state = (seed ^ _MULTIPLIER) & _MASK

    def _next(self, bits: int) -> int:
        """The top `bits` bits of the next state, unsigned."""
        self._state = state = (self._state * _MULTIPLIER + _INCREMENT) & _MASK
        return state >> (48 - bits)

    def next_int(self, bound: int) -> int:
        """A number in 0 … bound - 1, each equally likely; 1 <= bound < 2**31."""
        self._state = state = (self._state * _MULTIPLIER + _INCREMENT) & _MASK
        drawn = state >> 17
        if not bound & (bound - 1):
            return (bound * drawn) >> 31
        value = drawn % bound
        # Draws from the incomplete last stretch of the range would favour small values. The loop
        # ends with probability above 1/2 at each turn, as the JVM's does.
        while drawn - value + bound > _INT_RANGE:
            drawn = self._next(31)
            value = drawn % bound
        return value

    def next_long(self) -> int:
        """A signed 64-bit number."""
        high = to_signed(self._next(32), 32)
        return to_signed((high << 32) + to_signed(self._next(32), 32), 64)

    def next_double(self) -> float:
        """A number in [0, 1) with 53 bits."""
        high = self._next(26)
        return ((high << 27) + self._next(27)) * _DOUBLE_UNIT

    def next_boolean(self) -> bool:
        return self._next(1) != 0

    def pareto(self, scale: float, shape: float) -> float:
        """A sample of the Pareto law by inversion, from one `next_double`."""
        return float(scale / self.next_double() ** (1.0 / shape))
