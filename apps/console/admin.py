"""Pages that several apps answer together, in the place of those of one app."""

from django.contrib import admin

from apps.accounts.models import TradingAccount, User
from apps.console.engine_settings import MarketPage
from apps.console.figure_pages import MarketMinuteAdmin, SampleAdmin
from apps.console.order_pages import OpenOrderPage, OrderHistoryPage
from apps.console.user_pages import TradingAccountPage, UserPage
from apps.markets.models import Market
from apps.trading.models import OpenOrder, OrderHistory

__all__ = ["MarketMinuteAdmin", "SampleAdmin"]

for model, page in (
    (User, UserPage),
    (TradingAccount, TradingAccountPage),
    (Market, MarketPage),
    (OpenOrder, OpenOrderPage),
    (OrderHistory, OrderHistoryPage),
):
    admin.site.unregister(model)
    admin.site.register(model, page)
