"""A market as REST lists it, for the page's modules."""

from typing import Any

LISTED: dict[str, Any] = {
    "symbol": "BTCUSD",
    "base_asset": "BTC",
    "quote_asset": "USD",
    "base_decimals": 8,
    "quote_decimals": 6,
    "state": "TRADING",
    "tick": "1",
    "lot": "0.0001",
    "min_price": None,
    "max_price": None,
    "min_quantity": None,
    "max_quantity": None,
    "min_notional": None,
    "maker_fee": "0.0008",
    "taker_fee": "0.001",
    "fee_basis": "RECEIVED_ASSET",
}


def listed(**changes: Any) -> dict[str, Any]:
    """The market with other terms."""
    return {**LISTED, **changes}
