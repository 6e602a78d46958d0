"""The words of the books: the chart of accounts, kinds of transactions, transactions and legs.

Sign: a debit is positive and a credit negative, so the legs of a transaction sum to zero per asset,
and what an account owes its customer is the negated sum of its legs.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple

LEG_NUMBERS_MAX: Final = 64
LEG_NUMBER_MAX: Final = LEG_NUMBERS_MAX - 1  # so that header id * 64 + leg number names a leg


class NormalSide(Enum):
    """The side on which an account grows."""

    DEBIT = 1
    CREDIT = -1


class AccountClass(Enum):
    """What an account is."""

    ASSET = 1
    EXPENSE = 2
    LIABILITY = 3
    INCOME = 4
    EQUITY = 5

    @property
    def normal_side(self) -> NormalSide:
        """Assets and expenses grow by debits, all else by credits."""
        if self in (AccountClass.ASSET, AccountClass.EXPENSE):
            return NormalSide.DEBIT
        return NormalSide.CREDIT


class AccountCode(Enum):
    """The chart of accounts. The value is what legs carry."""

    CUSTOMER_FUNDS = "customer_funds"
    WITHDRAWAL_HOLD = "withdrawal_hold"
    HOUSE_FUNDS = "house_funds"
    FEE_REVENUE = "fee_revenue"
    REBATES = "rebates"
    CUSTODY = "custody"
    IN_TRANSIT = "in_transit"
    CUSTODY_DUST = "custody_dust"
    SUSPENSE = "suspense"
    ADJUSTMENTS = "adjustments"


ACCOUNT_CODES: Final = tuple(code.value for code in AccountCode)
# Legs of these accounts name an engine account, whose balance is the negated sum of them.
TRADER_ACCOUNTS: Final = (AccountCode.CUSTOMER_FUNDS.value,)
HOUSE_ACCOUNTS: Final = (
    AccountCode.HOUSE_FUNDS.value,
    AccountCode.FEE_REVENUE.value,
    AccountCode.REBATES.value,
)
HOLD_ACCOUNTS: Final = (AccountCode.WITHDRAWAL_HOLD.value,)  # of a trader or of the house
BALANCE_ACCOUNTS: Final = (*TRADER_ACCOUNTS, *HOUSE_ACCOUNTS, *HOLD_ACCOUNTS)

CHART: Final[dict[AccountCode, tuple[str, AccountClass]]] = {
    AccountCode.CUSTOMER_FUNDS: ("Customer funds", AccountClass.LIABILITY),
    AccountCode.WITHDRAWAL_HOLD: ("Withdrawals on hold", AccountClass.LIABILITY),
    AccountCode.HOUSE_FUNDS: ("House funds", AccountClass.EQUITY),
    AccountCode.FEE_REVENUE: ("Trading fees", AccountClass.INCOME),
    AccountCode.REBATES: ("Rebates", AccountClass.EXPENSE),
    AccountCode.CUSTODY: ("Custody wallets", AccountClass.ASSET),
    AccountCode.IN_TRANSIT: ("In transit", AccountClass.ASSET),
    AccountCode.CUSTODY_DUST: ("Custody dust below one atom", AccountClass.ASSET),
    AccountCode.SUSPENSE: ("Suspense", AccountClass.LIABILITY),
    AccountCode.ADJUSTMENTS: ("Adjustments", AccountClass.EXPENSE),
}


class TransactionKind(Enum):
    """Why a transaction is in the books."""

    DEPOSIT = 1
    WITHDRAWAL = 2
    ADJUSTMENT = 3
    TRADE = 4
    TRANSFER = 5
    WITHDRAWAL_HOLD = 6
    HOLD_RELEASE = 7


class Leg(NamedTuple):
    """One line of a transaction. `user_id` is None where the account is nobody's in particular."""

    account: str
    user_id: int | None
    asset_id: int
    atoms: int


class Posting(NamedTuple):
    """A transaction as an event calls for it; legs are numbered from 1 in their order."""

    transaction_id: str
    kind: TransactionKind
    event_seq: int
    time_us: int
    legs: tuple[Leg, ...]
