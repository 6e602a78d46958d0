"""Every address of the REST API below /api/v1/, one list for all areas.

Each area has a package: `apps/api/<area>/views.py`.
"""

from __future__ import annotations

from typing import Final

from django.urls import URLPattern, URLResolver, path

from apps.api.auth import keys
from apps.api.auth import views as auth
from apps.api.custody.routes import CUSTODY
from apps.api.exchange import ExchangeView
from apps.api.markets.routes import MARKETS
from apps.api.trading.routes import TRADING

AUTH: Final = [
    path("auth/register", auth.RegisterView.as_view(), name="register"),
    path("auth/login", auth.LoginView.as_view(), name="login"),
    path("auth/refresh", auth.RefreshView.as_view(), name="refresh"),
    path("auth/logout", auth.LogoutView.as_view(), name="logout"),
    path("me", auth.MeView.as_view(), name="me"),
    path("keys", keys.KeysView.as_view(), name="keys"),
    path("keys/<str:key_id>", keys.KeyView.as_view(), name="key"),
]

app_name = "api"
urlpatterns: list[URLPattern | URLResolver] = [
    path("exchange", ExchangeView.as_view(), name="exchange"),
    *AUTH,
    *MARKETS,
    *TRADING,
    *CUSTODY,
]
