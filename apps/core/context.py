"""What every page may say about the exchange as a whole."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest


def demo(request: HttpRequest) -> dict[str, Any]:
    """Tell templates whether all money is play money."""
    del request
    return {"is_demo": settings.QT_DEMO}
