"""The locks of custody, in the order in which they are taken.

1. `transfer_lock`: an advisory lock of the database session on one transfer. It is held from before
   the custodian is asked until what it said is written, so an older answer never overwrites a newer
   one, and a deposit is credited by one worker at a time. It ends with the session of a worker that
   dies.
2. Rows of deposits, by id.
3. `address_lock`: an advisory lock of the transaction, alone.

Invariant: whoever holds one of these never waits for one above it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection


def _key(*parts: str) -> int:
    content = "\x1f".join(parts).encode()
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "big", signed=True)


@contextmanager
def transfer_lock(coin: str, wallet: str, transfer_id: str) -> Iterator[None]:
    """Hold a transfer; waits until it is free, as long as the database lets a statement wait."""
    assert not connection.in_atomic_block, "what is written under this lock must be committed in it"
    key = _key("transfer", coin, wallet, transfer_id)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [key])
    try:
        yield
    finally:
        if connection.is_usable():
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [key])


def address_lock(user_id: int, network_id: int) -> None:
    """Hold the making of one trader's address until the transaction ends."""
    assert connection.in_atomic_block, "the lock ends with a transaction"
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(%s)", [_key("address", str(user_id), str(network_id))]
        )
