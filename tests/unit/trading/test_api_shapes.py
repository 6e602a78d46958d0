"""What the description of the API states is what its answers hold: the same fields, in order."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator

from apps.api.markets import serializers as of_markets
from apps.api.trading import serializers as of_trading
from apps.trading import statements
from apps.trading.candles import Candle
from apps.trading.engine_reads import BalancesStatement
from apps.trading.tickers import Ticker

SHAPES: list[tuple[Any, Any]] = [
    (statements.OrderStatement, of_trading.OrderBody),
    (statements.OrderFill, of_trading.OrderFillBody),
    (statements.PlacedOrder, of_trading.PlacedOrderBody),
    (statements.CanceledOrder, of_trading.CanceledOrderBody),
    (statements.BalanceStatement, of_trading.BalanceBody),
    (BalancesStatement, of_trading.BalancesBody),
    (statements.BookStatement, of_markets.BookBody),
    (statements.BookLevel, of_markets.BookLevelBody),
    (statements.PublicTrade, of_markets.PublicTradeBody),
    (Ticker, of_markets.TickerBody),
    (Candle, of_markets.CandleBody),
]


@pytest.mark.parametrize(("statement", "body"), SHAPES)
def test_a_body_has_the_fields_of_its_statement(statement: Any, body: Any) -> None:
    assert list(body().fields) == [field.name for field in fields(statement)]


@pytest.mark.parametrize("statement", [statements.PublicTrade, Ticker, Candle])
def test_a_public_statement_has_no_private_field(statement: Any) -> None:
    """Trap 9: the public trade stream leaked private fields."""
    private = ("user", "order", "maker", "client", "fee", "event_seq", "key")
    names = [field.name for field in fields(statement)]
    assert [name for name in names if any(word in name for word in private)] == []


def test_the_description_names_every_address_without_a_warning() -> None:
    GENERATOR_STATS.reset()
    generator: Any = SchemaGenerator
    schema = generator().get_schema(request=None, public=True)
    assert not GENERATOR_STATS._error_cache
    assert not GENERATOR_STATS._warn_cache
    addresses = {
        (path, method)
        for path, methods in schema["paths"].items()
        for method in methods
        if method in ("get", "post", "delete")
    }
    assert {
        ("/api/v1/markets", "get"),
        ("/api/v1/tickers", "get"),
        ("/api/v1/markets/{symbol}", "get"),
        ("/api/v1/markets/{symbol}/ticker", "get"),
        ("/api/v1/markets/{symbol}/book", "get"),
        ("/api/v1/markets/{symbol}/trades", "get"),
        ("/api/v1/markets/{symbol}/klines", "get"),
        ("/api/v1/orders", "post"),
        ("/api/v1/orders", "get"),
        ("/api/v1/orders/{order_id}", "get"),
        ("/api/v1/orders/{order_id}", "delete"),
        ("/api/v1/trades", "get"),
        ("/api/v1/balances", "get"),
    } <= addresses
