"""How balances and asset totals change through postings and reservations. Pure: no database.

Invariant: totals change by legs alone, and `locked` by reservations and by legs of holds alone, so
a balance is what its legs and the open orders say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from apps.ledger.types import BALANCE_ACCOUNTS, HOLD_ACCOUNTS, Posting, TransactionKind

AccountKey = tuple[int, int]  # user id, asset id
_BALANCE_ACCOUNTS: Final = frozenset(BALANCE_ACCOUNTS)
_HOLD_ACCOUNTS: Final = frozenset(HOLD_ACCOUNTS)


@dataclass(slots=True)
class BalanceChange:
    """Differences in atoms, and the newest event that caused one."""

    total: int = 0
    locked: int = 0
    last_event_seq: int = 0


class AssetFlow(NamedTuple):
    """What came in and went out of one asset, in atoms."""

    deposited: int = 0
    withdrawn: int = 0
    adjusted: int = 0


class BalanceChanges:
    """Sums the changes of a run of events."""

    def __init__(self) -> None:
        self.accounts: dict[AccountKey, BalanceChange] = {}
        self.flows: dict[int, AssetFlow] = {}

    def post(self, posting: Posting) -> None:
        """Take in the legs of a posting."""
        for account, user_id, asset_id, atoms in posting.legs:
            if user_id is None:
                self._flow(posting.kind, asset_id, atoms)
            elif account in _BALANCE_ACCOUNTS:
                change = self._change(user_id, asset_id)
                change.total -= atoms
                if account in _HOLD_ACCOUNTS:
                    change.locked -= atoms
                change.last_event_seq = posting.event_seq

    def reserve(self, user_id: int, asset_id: int, atoms: int, event_seq: int) -> None:
        """Take in that an order's reservation grew by `atoms` (shrank if negative)."""
        if atoms:
            change = self._change(user_id, asset_id)
            change.locked += atoms
            change.last_event_seq = event_seq

    def _change(self, user_id: int, asset_id: int) -> BalanceChange:
        change = self.accounts.get((user_id, asset_id))
        if change is None:
            change = self.accounts[user_id, asset_id] = BalanceChange()
        return change

    def _flow(self, kind: TransactionKind, asset_id: int, atoms: int) -> None:
        flow = self.flows.get(asset_id, AssetFlow())
        if kind is TransactionKind.DEPOSIT:
            flow = flow._replace(deposited=flow.deposited + atoms)
        elif kind is TransactionKind.WITHDRAWAL:
            flow = flow._replace(withdrawn=flow.withdrawn - atoms)
        else:
            flow = flow._replace(adjusted=flow.adjusted + atoms)
        self.flows[asset_id] = flow


class Held(NamedTuple):
    """A balance in atoms."""

    total: int = 0
    locked: int = 0
    last_event_seq: int = 0

    @property
    def available(self) -> int:
        """What is not locked."""
        return self.total - self.locked


def brought_forward(
    balances: Mapping[AccountKey, Held], changes: BalanceChanges
) -> dict[AccountKey, Held]:
    """Return `balances` after `changes`."""
    after = dict(balances)
    for key, change in changes.accounts.items():
        held = after.get(key, Held())
        after[key] = Held(
            held.total + change.total, held.locked + change.locked, change.last_event_seq
        )
    return after
