"""The digest over all balances, kept from differences, as the engine keeps its own.

Sum mod 2**128 of BLAKE2b-128 over (user, asset, available, locked) of every account that is not
(0, 0). Order-independent, so a changed row costs two hashes and no sorting.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable
from typing import Final, NamedTuple

from apps.ledger.mirror_apply import ChangedBalance

DIGEST_BYTES: Final = 16
_MODULUS: Final = 1 << (8 * DIGEST_BYTES)
_ROW: Final = struct.Struct("<4q")


class BalanceDigest(NamedTuple):
    """`row_count` is the number of accounts that are not (0, 0)."""

    value: int = 0
    row_count: int = 0

    @property
    def packed(self) -> bytes:
        """The value as CHECKPOINT states it."""
        return self.value.to_bytes(DIGEST_BYTES, "little")

    @classmethod
    def unpack(cls, packed: bytes, row_count: int) -> BalanceDigest:
        """Return the digest of which `packed` is the value."""
        return cls(int.from_bytes(packed, "little"), row_count)

    def after(self, changed: Iterable[ChangedBalance]) -> BalanceDigest:
        """Return the digest after these changes."""
        value, count = self
        for row in changed:
            user_id, asset_id, old_available, old_locked, new_available, new_locked = row
            if old_available or old_locked:
                value -= row_hash(user_id, asset_id, old_available, old_locked)
                count -= 1
            if new_available or new_locked:
                value += row_hash(user_id, asset_id, new_available, new_locked)
                count += 1
        return BalanceDigest(value % _MODULUS, count)


def row_hash(user_id: int, asset_id: int, available: int, locked: int) -> int:
    """Return one account's part of the digest. struct.error beyond int64."""
    row = _ROW.pack(user_id, asset_id, available, locked)
    return int.from_bytes(hashlib.blake2b(row, digest_size=DIGEST_BYTES).digest(), "little")
