"""The addresses of market data."""

from __future__ import annotations

from typing import Final

from django.urls import path

from apps.api.markets import views

MARKETS: Final = [
    path("markets", views.MarketsView.as_view(), name="markets"),
    path("tickers", views.TickersView.as_view(), name="tickers"),
    path("markets/<str:symbol>", views.MarketView.as_view(), name="market"),
    path("markets/<str:symbol>/ticker", views.TickerView.as_view(), name="ticker"),
    path("markets/<str:symbol>/book", views.BookView.as_view(), name="book"),
    path("markets/<str:symbol>/trades", views.TradesView.as_view(), name="market-trades"),
    path("markets/<str:symbol>/klines", views.CandlesView.as_view(), name="klines"),
]
