"""Derives trading accounts from the engine's events and stores them.

Invariant: `added_event_seq` is that of USER_ADDED; a later change of status leaves it.
"""

from __future__ import annotations

from typing import NamedTuple

from psycopg import Cursor

from apps.accounts import sql
from engine.proto.records import EventHeader, UserSet, UserStatus


class AccountChange(NamedTuple):
    """What one event says of a trading account."""

    user_id: int
    status: str
    event_seq: int


def account_change(header: EventHeader, body: UserSet) -> AccountChange:
    """Return the change that USER_ADDED or USER_STATUS_SET states."""
    return AccountChange(body.user_id, UserStatus(body.status).name, header.event_seq)


def accounts_store(cursor: Cursor, changes: list[AccountChange]) -> None:
    """Write the newest status of each account that `changes` name, in their order."""
    newest: dict[int, AccountChange] = {}
    for change in changes:
        first = newest.get(change.user_id, change)
        newest[change.user_id] = first._replace(status=change.status)
    cursor.execute(
        sql.STORE_ACCOUNTS, [list(column) for column in zip(*newest.values(), strict=True)]
    )
