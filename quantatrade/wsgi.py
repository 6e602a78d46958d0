"""WSGI application of the `web` process: console and pages. Loopback only; the edge is in front."""

from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "quantatrade.settings")

application = get_wsgi_application()
