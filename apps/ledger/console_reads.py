"""What console pages of the books, and of apps above them, ask of the books.

Invariant: each answer reads a bounded number of rows through an index.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from apps.core.amounts import EXACT
from apps.ledger.models import Balance, Leg, Transaction
from apps.markets.expressions import asset_code

BALANCES_MAX: Final = 1_000  # more assets than anybody holds


@dataclass(frozen=True, slots=True)
class LegLine:
    """One leg as a page shows it: debit positive, credit negative."""

    leg_number: int
    account: str
    account_name: str
    user_id: int | None
    asset_id: int
    asset_code: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class HeldInBooks:
    """What the books say that an account holds of an asset, and by which event."""

    asset_code: str
    total: Decimal
    available: Decimal
    locked: Decimal
    last_event_seq: int


def held_by(user_id: int) -> list[HeldInBooks]:
    """Return what the books say that a user holds, by asset."""
    rows = Balance.objects.filter(user_id=user_id).annotate(code=asset_code("asset_id"))
    return [
        HeldInBooks(
            row.code or f"asset {row.asset_id}",
            row.total,
            row.available,
            row.locked,
            row.last_event_seq,
        )
        for row in rows.order_by("asset_id")[:BALANCES_MAX]
    ]


def transaction_of_event(event_seq: int) -> tuple[int, str] | None:
    """Return (id, business id) of the transaction that the event made; None if it made none."""
    rows = Transaction.objects.filter(event_seq=event_seq).values_list("id", "transaction_id")
    return rows.first()


def transaction_of_business_id(transaction_id: str) -> tuple[int, str] | None:
    """Return (id, business id) of a transaction; None if there is none."""
    rows = Transaction.objects.filter(transaction_id=transaction_id)
    return rows.values_list("id", "transaction_id").first()


def legs_of_transaction(header_id: int) -> list[LegLine]:
    """Return the legs in the order of their numbers."""
    legs = Leg.objects.filter(header_id=header_id).annotate(code=asset_code("asset_id"))
    return [
        LegLine(
            leg.leg_number,
            leg.account,
            leg.get_account_display(),
            leg.user_id,
            leg.asset_id,
            leg.code or f"asset {leg.asset_id}",
            leg.amount,
        )
        for leg in legs.order_by("id")
    ]


def sums_per_asset(legs: list[LegLine]) -> dict[str, tuple[Decimal, Decimal]]:
    """Return (debits, credits) of each asset, both positive. In books that balance, they agree."""
    sums: dict[str, tuple[Decimal, Decimal]] = {}
    for leg in legs:
        debits, credits_ = sums.get(leg.asset_code, (Decimal(0), Decimal(0)))
        sums[leg.asset_code] = (
            EXACT.add(debits, max(leg.amount, Decimal(0))),
            EXACT.add(credits_, max(-leg.amount, Decimal(0))),
        )
    return sums
