"""The canonical bytes of a kernel's whole state, their SHA-256, and the way back from them.

Two kernels that hold the same state give the same bytes, whatever their memory looks like: each
hands over its rows in the order stated here, loose or packed as stated here. A section is a
four-byte tag, the number of its rows as unsigned 64 bits, and the rows. A snapshot is these bytes,
so a field added to a row is in the hash and in the snapshots at once.

Invariant: everything that can influence a later event is in here; a kernel that has loaded the
bytes gives the same bytes again and answers every later command as the one that they came from.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple, Protocol

from engine.proto.records import RECORD_BYTES

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


class TermsRow(NamedTuple):
    """What an open order has beyond its OrderRow, if it has any of this; by order id.

    `wait` says why it is not in the book (see `engine.kernel.codes`), 0 if it is. `sequence` is the
    event that parked it, `extreme_ticks` the best price since a trailing stop began to follow. Of
    an iceberg's `display_lots`, `shown_lots` are left of the tranche that the book shows now.
    """

    order_id: int
    time_in_force: int
    wait: int
    stop_price_ticks: int
    delta_bips: int
    extreme_ticks: int
    sequence: int
    expire_time_us: int
    session_id: int
    list_id: int
    display_lots: int
    shown_lots: int


class ListRow(NamedTuple):
    """An order list with an open leg; by list id, which is the order id of its first leg.

    `is_active`: its working leg was filled; `is_loose`: one leg of its OCO goes on alone.
    """

    list_id: int
    user_id: int
    market_id: int
    list_type: int
    leg_count: int
    leg_1: int
    leg_2: int
    leg_3: int
    is_active: int
    is_loose: int
    text: bytes


class WatchRow(NamedTuple):
    """A user's dead-man switch and session; by user id, only users who have one of them."""

    user_id: int
    timeout_ms: int
    due_time_us: int
    session_id: int
    session_state: int
    grace_ms: int
    session_due_time_us: int


class BusinessRow(NamedTuple):
    """One money command remembered for ever; by request id as bytes."""

    request_id: bytes
    fingerprint: int
    first_event_seq: int


class TradeGroupRow(NamedTuple):
    """A user who is in a trade group; by user id."""

    user_id: int
    group_id: int


class StpRow(NamedTuple):
    """An open order that has a mode of self-trade prevention; by order id."""

    order_id: int
    mode: int


HOLD_IS_OPEN: Final = 1
HOLD_IS_SETTLED: Final = 2
HOLD_IS_RELEASED: Final = 3


class HoldRow(NamedTuple):
    """A hold that was ever made; by request id as bytes. `state` is HOLD_IS_*; `last_event_seq`
    of its end, 0 while it is open."""

    request_id: bytes
    user_id: int
    asset_id: int
    amount_atoms: int
    state: int
    last_event_seq: int
    text: bytes


class KillRow(NamedTuple):
    """A kill switch that is on, of a user or a market (neither: all); by these."""

    user_id: int
    market_id: int


class UserFeesRow(NamedTuple):
    """A user's own fees in a market (0: in every one); by these."""

    user_id: int
    market_id: int
    maker_fee: int
    taker_fee: int


class MarketLimitsRow(NamedTuple):
    """A market with bounds of `records.MarketLimitsSet`; by market id."""

    market_id: int
    market_min_lots: int
    market_max_lots: int
    max_notional_atoms: int
    max_orders: int
    max_algo_orders: int
    max_position_atoms: int
    to_market: int


class DraftRow(NamedTuple):
    """One leg that waits for the command that takes it, as it came."""

    record: bytes


class QuoteRow(NamedTuple):
    """The orders of a user's last QUOTE in a market, 0 for a side without; they may have ended."""

    user_id: int
    market_id: int
    bid_order_id: int
    ask_order_id: int


class BandRow(NamedTuple):
    """A market that has bands, or whose trading is paused until a time; by market id."""

    market_id: int
    reference_price_ticks: int
    bid_lowest_ppm: int
    bid_highest_ppm: int
    ask_lowest_ppm: int
    ask_highest_ppm: int
    slippage_ppm: int
    volatility_ppm: int
    pause_us: int
    pause_until_us: int
    state_before_pause: int


class Section(NamedTuple):
    """`key_fields` leading fields tell two rows of a section apart; 0: only their place does."""

    tag: bytes
    name: str
    row: type[Any]
    layout: struct.Struct
    key_fields: int


_HEAD: Final = struct.Struct("<5q16s")
_COUNT: Final = struct.Struct("<4sQ")
SECTIONS: Final = (
    Section(b"ASST", "assets", AssetRow, struct.Struct("<4qQ5q40s"), 1),
    Section(b"MRKT", "markets", MarketRow, struct.Struct("<18qQ40s"), 1),
    Section(b"USER", "users", UserRow, struct.Struct("<4q"), 1),
    Section(b"WNDW", "requests", WindowRow, struct.Struct("<16sQ3q"), 0),
    Section(b"ACCT", "accounts", AccountRow, struct.Struct("<4q"), 2),
    Section(b"ORDR", "orders", OrderRow, struct.Struct("<16q40s"), 1),
    Section(b"BSNS", "business ids", BusinessRow, struct.Struct("<16sQq"), 1),
    Section(b"TGRP", "trade groups", TradeGroupRow, struct.Struct("<2q"), 1),
    Section(b"STPM", "self-trade prevention modes", StpRow, struct.Struct("<2q"), 1),
    Section(b"QUOT", "quotes", QuoteRow, struct.Struct("<4q"), 2),
    Section(b"DRFT", "legs held back", DraftRow, struct.Struct(f"<{RECORD_BYTES}s"), 0),
    Section(b"PRKD", "parked orders", OrderRow, struct.Struct("<16q40s"), 1),
    Section(b"XTRA", "order terms", TermsRow, struct.Struct("<12q"), 1),
    Section(b"WTCH", "watches", WatchRow, struct.Struct("<7q"), 1),
    Section(b"HOLD", "holds", HoldRow, struct.Struct("<16s5q40s"), 1),
    Section(b"KILL", "kill switches", KillRow, struct.Struct("<2q"), 2),
    Section(b"MLIM", "market limits", MarketLimitsRow, struct.Struct("<8q"), 1),
    Section(b"UFEE", "users' own fees", UserFeesRow, struct.Struct("<4q"), 2),
    Section(b"LIST", "order lists", ListRow, struct.Struct("<10q40s"), 1),
    Section(b"BAND", "bands", BandRow, struct.Struct("<11q"), 1),
)
LAYOUT_HASH: Final = hashlib.sha256(
    repr(
        [(MAGIC, _HEAD.format, HeadRow._fields)]
        + [(each.tag, each.layout.format, each.row._fields) for each in SECTIONS]
    ).encode()
).digest()


class StateError(ValueError):
    """Bytes that are no canonical state, or one that contradicts itself."""


class StateSource(Protocol):
    """What a kernel hands over: each method's rows in the order that the row's class states."""

    def head_row(self) -> HeadRow: ...

    def state_sections(
        self,
    ) -> Iterator[tuple[int, bytes | Iterable[tuple[int | bytes, ...]]]]:
        """Yield (number of rows, rows): assets, markets, users, request windows, accounts (by user
        and asset id, zeros included), orders, business ids, and then as the sections stand in
        SECTIONS. Rows may come packed, as bytes."""


def canonical_chunks(source: StateSource) -> Iterator[bytes]:
    """Yield the canonical bytes in pieces. AssertionError if a section's count was not kept."""
    yield MAGIC + _HEAD.pack(*source.head_row())
    for section, (count, rows) in zip(SECTIONS, source.state_sections(), strict=True):
        yield _COUNT.pack(section.tag, count)
        size = 0
        for chunk in (rows,) if isinstance(rows, bytes) else _packed(section, rows):
            size += len(chunk)
            yield chunk
        if size != count * section.layout.size:
            raise AssertionError(
                f"section {section.tag!r} had {size} bytes, expected {count} rows "
                f"of {section.layout.size}"
            )


def _packed(section: Section, rows: Iterable[tuple[int | bytes, ...]]) -> Iterator[bytes]:
    buffer = bytearray()
    for row in rows:
        buffer += section.layout.pack(*row)
        if len(buffer) >= _JOIN_BYTES:
            yield bytes(buffer)
            buffer.clear()
    yield bytes(buffer)


def canonical_bytes(source: StateSource) -> bytes:
    """Return the whole canonical form."""
    return b"".join(canonical_chunks(source))


def hash_state(source: StateSource) -> bytes:
    """Return the SHA-256 of the canonical form."""
    digest = hashlib.sha256()
    for chunk in canonical_chunks(source):
        digest.update(chunk)
    return digest.digest()


class PackedState:
    """Canonical bytes, split into head and sections. StateError if they are not well-formed."""

    def __init__(self, data: bytes | memoryview) -> None:
        view = memoryview(data)
        at = len(MAGIC) + _HEAD.size
        if len(view) < at or bytes(view[: len(MAGIC)]) != MAGIC:
            raise StateError(f"state of {len(view)} bytes does not begin with {MAGIC!r}")
        self.head = HeadRow._make(_HEAD.unpack_from(view, len(MAGIC)))
        self._packed: dict[bytes, memoryview] = {}
        for section in SECTIONS:
            if len(view) < at + _COUNT.size:
                raise StateError(f"state ends at byte {len(view)}, before {section.name}")
            tag, count = _COUNT.unpack_from(view, at)
            at += _COUNT.size
            end = at + count * section.layout.size
            if tag != section.tag or end > len(view):
                raise StateError(
                    f"at byte {at - _COUNT.size} of {len(view)} were {count} rows of {tag!r}, "
                    f"expected rows of {section.tag!r} that fit"
                )
            self._packed[section.tag] = view[at:end]
            at = end
        if at != len(view):
            raise StateError(f"state was {len(view)} bytes, expected {at}")

    def packed(self, tag: bytes) -> memoryview:
        """The rows of a section as they are."""
        return self._packed[tag]

    def rows(self, tag: bytes) -> Iterator[Any]:
        """The rows of a section, in their class."""
        section = next(each for each in SECTIONS if each.tag == tag)
        return map(section.row._make, section.layout.iter_unpack(self._packed[tag]))
