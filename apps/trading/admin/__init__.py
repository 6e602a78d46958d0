"""Console pages of orders, trades and imported candles."""

from apps.trading.admin.imported import ImportedCandleAdmin
from apps.trading.admin.orders import OpenOrderAdmin, OrderHistoryAdmin
from apps.trading.admin.trades import TradeAdmin

__all__ = ["ImportedCandleAdmin", "OpenOrderAdmin", "OrderHistoryAdmin", "TradeAdmin"]
