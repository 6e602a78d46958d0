"""Console pages of orders and trades."""

from apps.trading.admin.orders import OpenOrderAdmin, OrderHistoryAdmin
from apps.trading.admin.trades import TradeAdmin

__all__ = ["OpenOrderAdmin", "OrderHistoryAdmin", "TradeAdmin"]
