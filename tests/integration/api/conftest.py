"""A caller of the API."""

from __future__ import annotations

import pytest
from rest_framework.test import APIClient

from tests.fixtures_database import DatabaseHandle
from tests.integration.trading.exchange import exchange

__all__ = ["api", "exchange"]


@pytest.fixture
def api(platform: DatabaseHandle) -> APIClient:
    """A client without a token."""
    del platform
    return APIClient()
