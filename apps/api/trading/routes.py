"""The addresses of orders, trades and balances."""

from __future__ import annotations

from typing import Final

from django.urls import path

from apps.api.trading import views

TRADING: Final = [
    path("orders", views.OrdersView.as_view(), name="orders"),
    path("orders/<int:order_id>", views.OrderView.as_view(), name="order"),
    path("trades", views.OwnTradesView.as_view(), name="trades"),
    path("balances", views.BalancesView.as_view(), name="balances"),
]
