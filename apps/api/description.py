"""The API's description: OpenAPI at /api/schema/, a page to read and try it at /api/docs/.

The page's scripts and styles are our own copies, and its policy is the strict one but for the
icons, which its style sheet holds as data.
"""

from __future__ import annotations

from typing import Final

from csp.decorators import csp_update
from django.urls import path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

_docs: Final = SpectacularSwaggerSplitView.as_view(url_name="api-description:schema")

app_name: Final = "api-description"
urlpatterns: Final = [
    path("schema/", SpectacularAPIView.as_view(), name="schema"),
    path("docs/", csp_update({"img-src": ["data:"]})(_docs), name="docs"),
]
