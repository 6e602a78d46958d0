"""Stores postings and the balances that follow from them.

All legs of a posting enter in one COPY, as the database demands. Invariant: what is stored of a
balance before and after a change comes back from the statement that changed it, so the digest over
all balances is kept from the database's own rows and not from what we believe them to be.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from psycopg import Cursor

from apps.core.amounts import decimal_atoms
from apps.core.copy_rows import NULL, copy_rows, day, instant, numeric
from apps.ledger import sql
from apps.ledger.balances import AssetFlow, BalanceChanges
from apps.ledger.types import LEG_NUMBERS_MAX, Posting
from apps.markets.types import AssetTerms
from engine.proto.records import ASSET_ID_MAX

Assets = Mapping[int, AssetTerms]


class ChangedBalance(NamedTuple):
    """A balance before and after, in atoms, as stored. A new row was (0, 0)."""

    user_id: int
    asset_id: int
    old_available: int
    old_locked: int
    new_available: int
    new_locked: int


def header_row(posting: Posting, number: int) -> tuple[str, ...]:
    """Return the header's columns (`sql.HEADER_COLUMNS`); `number` is its id."""
    return (
        str(number),
        posting.transaction_id,
        posting.kind.name,
        str(posting.event_seq),
        str(len(posting.legs)),
        day(posting.time_us),
        instant(posting.time_us),
        NULL,
    )


def leg_rows(posting: Posting, number: int, assets: Assets) -> list[tuple[str, ...]]:
    """Return the columns of each leg (`sql.LEG_COLUMNS`)."""
    header, date = str(number), day(posting.time_us)
    return [
        (
            str(number * LEG_NUMBERS_MAX + leg_number),
            header,
            str(leg_number),
            leg.account,
            NULL if leg.user_id is None else str(leg.user_id),
            str(leg.asset_id),
            numeric(leg.atoms, assets[leg.asset_id].decimals),
            date,
        )
        for leg_number, leg in enumerate(posting.legs, start=1)
    ]


def postings_store(
    cursor: Cursor, postings: Sequence[Posting], last_number: int, assets: Assets
) -> None:
    """Write postings under the ids after `last_number`."""
    numbered = list(enumerate(postings, start=last_number + 1))
    copy_rows(cursor, sql.ADD_HEADERS, (header_row(each, number) for number, each in numbered))
    copy_rows(
        cursor,
        sql.ADD_LEGS,
        (row for number, each in numbered for row in leg_rows(each, number, assets)),
    )


def account_id(user_id: int, asset_id: int) -> int:
    """Return the id of a balance."""
    return user_id * (ASSET_ID_MAX + 1) + asset_id


def balances_store(cursor: Cursor, changes: BalanceChanges, assets: Assets) -> list[ChangedBalance]:
    """Change balances and asset totals; return the balances as stored before and after."""
    rows = [
        (
            account_id(user_id, asset_id),
            user_id,
            asset_id,
            numeric(change.total, assets[asset_id].decimals),
            numeric(change.locked, assets[asset_id].decimals),
            change.last_event_seq,
        )
        for (user_id, asset_id), change in sorted(changes.accounts.items())
    ]
    if not rows:
        return []
    cursor.execute(sql.CHANGE_BALANCES, [list(column) for column in zip(*rows, strict=True)])
    changed = [_changed(row, assets) for row in cursor.fetchall()]
    if len(changed) != len(rows):
        raise RuntimeError(f"{len(changed)} balances were changed, expected {len(rows)}")
    _totals_store(cursor, changed, changes.flows, assets)
    return changed


def _changed(
    row: tuple[int, int, Decimal, Decimal, Decimal, Decimal], assets: Assets
) -> ChangedBalance:
    user_id, asset_id, *amounts = row
    decimals = assets[asset_id].decimals
    return ChangedBalance(
        user_id,
        asset_id,
        *(0 if amount is None else decimal_atoms(amount, decimals) for amount in amounts),
    )


def _totals_store(
    cursor: Cursor,
    changed: Sequence[ChangedBalance],
    flows: Mapping[int, AssetFlow],
    assets: Assets,
) -> None:
    held: defaultdict[int, int] = defaultdict(int)
    for row in changed:
        held[row.asset_id] += (
            row.new_available + row.new_locked - row.old_available - row.old_locked
        )
    rows = []
    for asset_id in sorted(held.keys() | flows.keys()):
        flow = flows.get(asset_id, AssetFlow())
        if asset_id in flows or held[asset_id]:
            amounts = (held[asset_id], *flow)
            decimals = assets[asset_id].decimals
            rows.append((asset_id, *(numeric(amount, decimals) for amount in amounts)))
    if rows:
        cursor.execute(sql.CHANGE_TOTALS, [list(column) for column in zip(*rows, strict=True)])


class AssetTotals(NamedTuple):
    """Conservation of one asset, in atoms, as stored."""

    asset_id: int
    held: int
    deposited: int
    withdrawn: int
    adjusted: int


def totals_load(cursor: Cursor, asset_ids: Sequence[int], assets: Assets) -> list[AssetTotals]:
    """Return the stored totals of these assets; zeros where there is no row yet."""
    stored = {
        asset_id: AssetTotals(
            asset_id, *(decimal_atoms(each, assets[asset_id].decimals) for each in amounts)
        )
        for asset_id, *amounts in cursor.execute(sql.LOAD_TOTALS, [list(asset_ids)])
    }
    return [stored.get(each, AssetTotals(each, 0, 0, 0, 0)) for each in asset_ids]
