"""The API's description: OpenAPI at /api/schema/, a page to read and try it at /api/docs/."""

from __future__ import annotations

from typing import Final

from django.urls import path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

app_name: Final = "api-description"
urlpatterns: Final = [
    path("schema/", SpectacularAPIView.as_view(), name="schema"),
    path(
        "docs/",
        SpectacularSwaggerSplitView.as_view(url_name="api-description:schema"),
        name="docs",
    ),
]
