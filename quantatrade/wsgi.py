"""WSGI application of the `web` process: console and pages. Loopback only; the edge is in front."""

from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "quantatrade.settings")

application = get_wsgi_application()
_ = get_resolver().url_patterns  # import every view now, not in somebody's first request
