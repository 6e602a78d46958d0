"""The canonical bytes of a kernel's whole state, and their SHA-256.

Two kernels that hold the same state give the same bytes, whatever their memory looks like: each
hands over its rows in the order stated here and this module alone turns them into bytes. A section
is a four-byte tag, the number of its rows as unsigned 64 bits, and the rows.

Invariant: everything that can influence a later event is in here.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple, Protocol

MAGIC: Final = b"QTS1"
_JOIN_BYTES: Final = 1 << 16


class HeadRow(NamedTuple):
    """`digest` and `row_count` are those of the last checkpoint."""

    command_seq: int
    event_seq: int
    time_us: int
    last_order_id: int
    row_count: int
    digest: bytes


class AssetRow(NamedTuple):
    """`touched` is 1 if an account of the asset changed since the last checkpoint."""

    asset_id: int
    decimals: int
    max_total_atoms: int
    first_event_seq: int
    fingerprint: int
    held_atoms: int
    deposited_atoms: int
    withdrawn_atoms: int
    adjusted_atoms: int
    touched: int
    text: bytes


class MarketRow(NamedTuple):
    market_id: int
    base_asset_id: int
    quote_asset_id: int
    tick_atoms: int
    lot_atoms: int
    tick_lot_atoms: int
    maker_fee: int
    taker_fee: int
    fee_flags: int
    state: int
    min_price_ticks: int
    max_price_ticks: int
    min_quantity_lots: int
    max_quantity_lots: int
    min_notional_atoms: int
    last_price_ticks: int
    last_trade_id: int
    first_event_seq: int
    fingerprint: int
    text: bytes


class UserRow(NamedTuple):
    """The house comes first; `window_rows` rows of the request window belong to this user."""

    user_id: int
    status: int
    first_event_seq: int
    window_rows: int


class WindowRow(NamedTuple):
    """One remembered request; users by id, within a user oldest first."""

    request_id: bytes
    fingerprint: int
    order_id: int
    first_event_seq: int
    reason: int


class AccountRow(NamedTuple):
    user_id: int
    asset_id: int
    available_atoms: int
    locked_atoms: int


class OrderRow(NamedTuple):
    """By market, bids best first then asks best first, in queue order."""

    order_id: int
    user_id: int
    market_id: int
    is_bid: int
    order_type: int
    price_ticks: int
    quantity_lots: int
    leaves_lots: int
    reserved_atoms: int
    ceiling_ticks: int
    maker_rate: int
    taker_rate: int
    maker_cumulative: int
    taker_cumulative: int
    maker_charged: int
    taker_charged: int
    text: bytes


class BusinessRow(NamedTuple):
    """One money command remembered for ever; by request id as bytes."""

    request_id: bytes
    fingerprint: int
    first_event_seq: int


_HEAD: Final = struct.Struct("<5q16s")
_SECTIONS: Final = (
    (b"ASST", struct.Struct("<4qQ5q40s")),
    (b"MRKT", struct.Struct("<18qQ40s")),
    (b"USER", struct.Struct("<4q")),
    (b"WNDW", struct.Struct("<16sQ3q")),
    (b"ACCT", struct.Struct("<4q")),
    (b"ORDR", struct.Struct("<16q40s")),
    (b"BSNS", struct.Struct("<16sQq")),
)


class StateSource(Protocol):
    """What a kernel hands over: each method's rows in the order that the row's class states."""

    def head_row(self) -> HeadRow: ...

    def state_sections(
        self,
    ) -> Iterator[tuple[int, Iterable[tuple[int | bytes, ...]]]]:
        """Yield (number of rows, rows): assets, markets, users, request windows, accounts (by user
        and asset id, zeros included), orders, business ids."""


def canonical_chunks(source: StateSource) -> Iterator[bytes]:
    """Yield the canonical bytes in pieces. AssertionError if a section's count was not kept."""
    yield MAGIC + _HEAD.pack(*source.head_row())
    for (tag, row_struct), (count, rows) in zip(_SECTIONS, source.state_sections(), strict=True):
        buffer = bytearray(tag + struct.pack("<Q", count))
        seen = 0
        for row in rows:
            buffer += row_struct.pack(*row)
            seen += 1
            if len(buffer) >= _JOIN_BYTES:
                yield bytes(buffer)
                buffer.clear()
        yield bytes(buffer)
        if seen != count:
            raise AssertionError(f"section {tag!r} had {seen} rows, expected {count}")


def canonical_bytes(source: StateSource) -> bytes:
    """Return the whole canonical form."""
    return b"".join(canonical_chunks(source))


def hash_state(source: StateSource) -> bytes:
    """Return the SHA-256 of the canonical form."""
    digest = hashlib.sha256()
    for chunk in canonical_chunks(source):
        digest.update(chunk)
    return digest.digest()
