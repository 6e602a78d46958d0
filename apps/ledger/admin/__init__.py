"""Console pages of the books."""

from apps.ledger.admin.balances import AccountAdmin, AssetTotalAdmin, BalanceAdmin
from apps.ledger.admin.transactions import LegAdmin, TransactionAdmin

__all__ = ["AccountAdmin", "AssetTotalAdmin", "BalanceAdmin", "LegAdmin", "TransactionAdmin"]
