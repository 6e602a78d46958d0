"""Which addresses are this machine's own."""

from __future__ import annotations

import pytest

from apps.core.addresses import is_loopback


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1"])
def test_loopback_addresses_are_known(address: str) -> None:
    assert is_loopback(address)


@pytest.mark.parametrize(
    "address", ["", "localhost", "10.0.0.1", "::ffff:10.0.0.1", "8.8.8.8", "127.0.0.1, 8.8.8.8"]
)
def test_nothing_else_is_loopback(address: str) -> None:
    assert not is_loopback(address)
