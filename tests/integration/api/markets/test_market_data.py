"""Market data for everybody: exact, bounded, and without a word about who traded."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from engine.proto.records import MarketState
from tests.integration.trading.exchange import MARKET, SYMBOL, Exchange

PUBLIC_TRADE = {
    "trade_id", "price", "quantity", "quote_quantity", "taker_side", "executed_at",
}  # fmt: skip
PRIVATE_WORDS = ("user", "maker", "order_id", "client", "fee", "email", "event_seq")


def get(path: str, **query: Any) -> Any:
    return Client().get(f"/api/v1/{path}", query)


def items(path: str, **query: Any) -> list[dict[str, Any]]:
    answer = get(path, **query)
    assert answer.status_code == 200, answer.content
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


def problem(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def test_markets_state_their_grid_bounds_fees_and_state(exchange: Exchange) -> None:
    exchange.set_state(MarketState.CANCEL_ONLY)
    exchange.catch_up()
    expected = {
        "symbol": "BTCUSDT", "base_asset": "BTC", "quote_asset": "USDT", "base_decimals": 8,
        "quote_decimals": 8, "state": "CANCEL_ONLY", "tick": "0.01", "lot": "0.0001",
        "min_price": None, "max_price": None, "min_quantity": None, "max_quantity": None,
        "min_notional": "5", "maker_fee": "0.001", "taker_fee": "0.0015",
        "fee_basis": "RECEIVED_ASSET",
    }  # fmt: skip
    assert items("markets") == [expected]
    assert get(f"markets/{SYMBOL}").json() == expected


def test_the_book_is_the_engines_at_this_moment(exchange: Exchange) -> None:
    trader = exchange.trader()
    for price in ("99", "98.5", "98.5"):
        trader.place("BID", price, "0.25")
    newest = trader.place("ASK", "101", "1")["event_seq"]
    book = get(f"markets/{SYMBOL}/book").json()
    assert book.pop("event_seq") >= newest
    assert book == {
        "market": SYMBOL,
        "bids": [
            {"price": "99", "quantity": "0.25", "orders": 1},
            {"price": "98.5", "quantity": "0.5", "orders": 2},
        ],
        "asks": [{"price": "101", "quantity": "1", "orders": 1}],
    }
    assert len(get(f"markets/{SYMBOL}/book", depth=1).json()["bids"]) == 1
    for depth in ("0", "501", "x", "-1"):
        assert problem(get(f"markets/{SYMBOL}/book", depth=depth)) == (400, "invalid_request")


def test_public_trades_name_nobody(exchange: Exchange) -> None:
    """Trap 9: private fields leaked into the public trade stream."""
    maker, taker = exchange.trader(), exchange.trader()
    for n in range(3):
        maker.place("ASK", f"{100 + n}", "0.1", client_order_id=f"secret-{n}")
        taker.place("BID", f"{100 + n}", "0.1")
    exchange.catch_up()
    trades = items(f"markets/{SYMBOL}/trades")
    assert [set(trade) for trade in trades] == [PUBLIC_TRADE] * 3
    assert [(trade["trade_id"], trade["price"], trade["taker_side"]) for trade in trades] == [
        (3, "102", "BID"), (2, "101", "BID"), (1, "100", "BID"),
    ]  # fmt: skip
    public = ("trades", "ticker", "klines?interval=1m", "book")
    text = "".join(get(f"markets/{SYMBOL}/{path}").content.decode() for path in public[:3])
    assert [word for word in PRIVATE_WORDS if word in text] == []
    assert "secret" not in text + get(f"markets/{SYMBOL}/book").content.decode()
    first = get(f"markets/{SYMBOL}/trades", limit=2).json()
    rest = get(f"markets/{SYMBOL}/trades", limit=2, cursor=first["next_cursor"]).json()
    assert [trade["trade_id"] for trade in first["items"] + rest["items"]] == [3, 2, 1]
    assert rest["next_cursor"] is None


def test_an_unknown_market_is_the_same_everywhere(exchange: Exchange) -> None:
    del exchange
    for path in ("", "/ticker", "/book", "/trades", "/klines?interval=1m"):
        assert problem(get(f"markets/NOSUCH{path}")) == (404, "unknown_market")


def test_the_ticker_sums_up_the_day(exchange: Exchange) -> None:
    from apps.trading import tickers

    silent = get(f"markets/{SYMBOL}/ticker").json()
    assert (silent["last_price"], silent["price_change"], silent["trades"]) == (None, None, 0)
    maker, taker = exchange.trader(), exchange.trader()
    for price, quantity in (("100", "0.1"), ("98", "0.2"), ("103.5", "0.3"), ("99", "0.4")):
        maker.place("ASK", price, quantity)
        taker.place("BID", price, quantity)
    exchange.catch_up()
    tickers._windows.clear()
    (ticker,) = items("tickers")
    assert ticker == get(f"markets/{SYMBOL}/ticker").json()
    del ticker["window_start"]
    assert ticker == {
        "market": SYMBOL, "last_price": "99", "open_price": "100", "high_price": "103.5",
        "low_price": "98", "price_change": "-1", "volume": "1", "quote_volume": "100.25",
        "trades": 4,
    }  # fmt: skip


def test_candles_are_contiguous_and_flat_where_nothing_traded(exchange: Exchange) -> None:
    assert items(f"markets/{SYMBOL}/klines", interval="1m") == []
    maker, taker = exchange.trader(), exchange.trader()
    for price in ("100", "97", "102", "101"):
        maker.place("ASK", price, "0.1")
        taker.place("BID", price, "0.1")
    exchange.catch_up()
    (daily,) = items(f"markets/{SYMBOL}/klines", interval="1d", limit=1)
    figures = ("open", "high", "low", "close", "volume", "quote_volume", "trades")
    assert [daily[name] for name in figures] == ["100", "102", "97", "101", "0.4", "40", 4]
    later = datetime.now(UTC) + timedelta(days=1)
    assert items(f"markets/{SYMBOL}/klines", interval="1m", start=later.isoformat()) == []
    recent = items(f"markets/{SYMBOL}/klines", interval="1m", limit=5)
    assert 1 <= len(recent) <= 2  # none before the first trade; the minute may just have ended


def test_candles_refuse_what_has_no_bound(exchange: Exchange) -> None:
    del exchange
    wrong: list[dict[str, Any]] = [
        {}, {"interval": "2m"}, {"interval": "1m", "limit": 1001}, {"interval": "1m", "limit": 0},
        {"interval": "1m", "start": "yesterday"}, {"interval": "1m", "end": "2026-01-01T00:00:00"},
        {"interval": "1m", "start": "9" * 30},
    ]  # fmt: skip
    for query in wrong:
        answer = get(f"markets/{SYMBOL}/klines", **query)
        assert problem(answer) == (400, "invalid_request"), query


def test_lists_cost_the_same_queries_for_few_rows_and_for_many(exchange: Exchange) -> None:
    trader = exchange.trader()

    def costs() -> list[int]:
        exchange.catch_up()
        found = []
        for path in ("markets", f"markets/{SYMBOL}/trades", f"markets/{SYMBOL}/klines?interval=1m"):
            with CaptureQueriesContext(connection) as queries:
                assert get(path).status_code == 200
            found.append(len(queries))
        return found

    trader.place("ASK", "100", "0.1")
    trader.place("BID", "100", "0.1")
    few = costs()
    for _ in range(20):
        trader.place("ASK", "100", "0.1")
        trader.place("BID", "100", "0.1")
    exchange.open_market("ETHUSDT", MARKET + 1)
    assert costs() == few == [1, 2, 4]
    assert [market["symbol"] for market in items("markets")] == [SYMBOL, "ETHUSDT"]
