"""Addresses of custody."""

from __future__ import annotations

from typing import Final

from django.urls import URLPattern, path

from apps.api.custody import views

CUSTODY: Final[list[URLPattern]] = [
    path("deposit-networks", views.NetworksView.as_view(), name="deposit-networks"),
    path("deposit-address", views.AddressView.as_view(), name="deposit-address"),
    path("deposits", views.DepositsView.as_view(), name="deposits"),
]
