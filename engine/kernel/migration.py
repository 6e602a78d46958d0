"""States of older versions of the rules, turned into today's.

An engine that knows new rules must not decide old commands again: what the old version refused, it
might accept. So it begins at the state that the old version ended in. Here that state gets today's
layout: sections that the old version did not have are empty, sections of the same layout are taken
over as they are, and of a changed row each field is taken over by its name.

Invariant: what a state holds means the same before and after. A field that was added to a row must
therefore mean by 0 what the old version meant by not having it, or `ROW_CHANGES` says otherwise.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, NamedTuple

from engine.kernel.state import (
    SECTIONS,
    HeadRow,
    Section,
    StateError,
    canonical_chunks,
)

_COUNT: Final = struct.Struct("<4sQ")
_ACCOUNT_FIELDS: Final = ("user_id", "asset_id", "available_atoms", "locked_atoms")
_ASSET_FIELDS: Final = (
    *("asset_id", "decimals", "max_total_atoms", "first_event_seq", "fingerprint", "held_atoms"),
    *("deposited_atoms", "withdrawn_atoms", "adjusted_atoms", "touched", "text"),
)
_MARKET_FIELDS: Final = (
    *("market_id", "base_asset_id", "quote_asset_id", "tick_atoms", "lot_atoms", "tick_lot_atoms"),
    *("maker_fee", "taker_fee", "fee_flags", "state", "min_price_ticks", "max_price_ticks"),
    *("min_quantity_lots", "max_quantity_lots", "min_notional_atoms", "last_price_ticks"),
    *("last_trade_id", "first_event_seq", "fingerprint", "text"),
)
_ORDER_FIELDS: Final = (
    *("order_id", "user_id", "market_id", "is_bid", "order_type", "price_ticks", "quantity_lots"),
    *("leaves_lots", "reserved_atoms", "ceiling_ticks", "maker_rate", "taker_rate"),
    *("maker_cumulative", "taker_cumulative", "maker_charged", "taker_charged", "text"),
)


class Rows(NamedTuple):
    """How the rows of a section were packed."""

    layout: struct.Struct
    fields: tuple[str, ...]


class OldLayout(NamedTuple):
    """The canonical form of one older version, and the limits that its engines ran under."""

    magic: bytes
    head: Rows
    sections: dict[bytes, Rows]
    limits: tuple[tuple[str, int], ...]

    @property
    def layout_hash(self) -> bytes:
        """As that version stated it in its snapshots."""
        stated: list[tuple[Any, ...]] = [(self.magic, self.head.layout.format, self.head.fields)]
        for tag, rows in self.sections.items():
            stated.append((tag, rows.layout.format, rows.fields))
        return hashlib.sha256(repr(stated).encode()).digest()

    @property
    def limits_hash(self) -> bytes:
        """As that version stated it in its snapshots."""
        return hashlib.sha256(repr(list(self.limits)).encode()).digest()


OLD_LAYOUTS: Final[dict[int, OldLayout]] = {
    1: OldLayout(
        b"QTS1",
        Rows(
            struct.Struct("<5q16s"),
            ("command_seq", "event_seq", "time_us", "last_order_id", "row_count", "digest"),
        ),
        {
            b"ASST": Rows(struct.Struct("<4qQ5q40s"), _ASSET_FIELDS),
            b"MRKT": Rows(struct.Struct("<18qQ40s"), _MARKET_FIELDS),
            b"USER": Rows(
                struct.Struct("<4q"), ("user_id", "status", "first_event_seq", "window_rows")
            ),
            b"WNDW": Rows(
                struct.Struct("<16sQ3q"),
                ("request_id", "fingerprint", "order_id", "first_event_seq", "reason"),
            ),
            b"ACCT": Rows(struct.Struct("<4q"), _ACCOUNT_FIELDS),
            b"ORDR": Rows(struct.Struct("<16q40s"), _ORDER_FIELDS),
            b"BSNS": Rows(
                struct.Struct("<16sQq"), ("request_id", "fingerprint", "first_event_seq")
            ),
        },
        (
            ("open_orders_max", 2**25),
            ("accounts_max", 2**26),
            ("users_max", 2**25),
            ("business_ids_max", 2**27),
            ("request_window", 64),
        ),
    ),
}

Row = dict[str, Any]
# (version, tag of a section, or "head"): what a row of that version becomes, before fields that it
# does not have are filled with 0.
ROW_CHANGES: Final[dict[tuple[int, bytes | str], Callable[[Row], Row]]] = {}


def migrate(semantics: int, state: bytes) -> bytes:
    """The canonical bytes today of a state of an older version. StateError: it is not one."""
    return b"".join(canonical_chunks(_Migrated(semantics, state)))


def empty_value(field: str, rows: Section) -> int | bytes:
    """What a field holds that an older version did not have."""
    kinds = rows.layout.unpack(bytes(rows.layout.size))
    value: int | bytes = kinds[rows.row._fields.index(field)]
    return value


def changed_row(semantics: int, section: Section, old: Row) -> tuple[int | bytes, ...]:
    """Today's row for one of an older version. StateError if a field would be lost."""
    change = ROW_CHANGES.get((semantics, section.tag))
    row = change(old) if change is not None else old
    lost = row.keys() - set(section.row._fields)
    if lost:
        raise StateError(
            f"{section.name} of version {semantics} had {', '.join(sorted(lost))}, which have no "
            "place in today's state"
        )
    return tuple(
        row[field] if field in row else empty_value(field, section) for field in section.row._fields
    )


class _Migrated:
    """An old state as a source of today's rows."""

    def __init__(self, semantics: int, state: bytes) -> None:
        self._semantics = semantics
        self._old = OLD_LAYOUTS[semantics]
        self._packed: dict[bytes, memoryview] = {}
        view, old = memoryview(state), self._old
        at = len(old.magic) + old.head.layout.size
        if len(view) < at or bytes(view[: len(old.magic)]) != old.magic:
            raise StateError(f"state of {len(view)} bytes does not begin with {old.magic!r}")
        self._head: Row = dict(
            zip(old.head.fields, old.head.layout.unpack_from(view, len(old.magic)), strict=True)
        )
        for tag, rows in old.sections.items():
            if len(view) < at + _COUNT.size:
                raise StateError(f"state ends at byte {len(view)}, before section {tag!r}")
            found, count = _COUNT.unpack_from(view, at)
            start, at = at + _COUNT.size, at + _COUNT.size + count * rows.layout.size
            if found != tag or at > len(view):
                raise StateError(
                    f"at byte {start} of {len(view)} were {count} rows of {found!r}, expected "
                    f"rows of {tag!r} that fit"
                )
            self._packed[tag] = view[start:at]
        if at != len(view):
            raise StateError(f"state was {len(view)} bytes, expected {at}")

    def head_row(self) -> HeadRow:
        change = ROW_CHANGES.get((self._semantics, "head"))
        row = change(self._head) if change is not None else self._head
        return HeadRow(**{field: row.get(field, 0) for field in HeadRow._fields})

    def state_sections(
        self,
    ) -> Iterator[tuple[int, bytes | Iterable[tuple[int | bytes, ...]]]]:
        for section in SECTIONS:
            rows = self._old.sections.get(section.tag)
            if rows is None:
                yield 0, b""
                continue
            packed = self._packed[section.tag]
            count = len(packed) // rows.layout.size
            same = (section.layout.format, section.row._fields) == (rows.layout.format, rows.fields)
            if same and (self._semantics, section.tag) not in ROW_CHANGES:
                yield count, bytes(packed)
            else:
                yield count, self._changed(section, rows, packed)

    def _changed(
        self, section: Section, rows: Rows, packed: memoryview
    ) -> Iterator[tuple[int | bytes, ...]]:
        for values in rows.layout.iter_unpack(packed):
            old = dict(zip(rows.fields, values, strict=True))
            yield changed_row(self._semantics, section, old)
