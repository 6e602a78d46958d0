"""An exchange of the test's own."""

from tests.integration.trading.exchange import exchange

__all__ = ["exchange"]
