"""A trader knows what the socket told it, whole, and decides by it."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import httpx
import pytest

from quantatrade.bootstrap.demo_logins import DemoLogin
from quantatrade.demo.feed import Best, Feed
from quantatrade.demo.grid import Grid
from quantatrade.demo.rest import Account, RefusedError, answer_of
from quantatrade.demo.steady import NotNowError, Progress
from quantatrade.demo.trader import OPEN_ORDERS_MAX, Trader, trader_funds

GRID = Grid(
    symbol="BTCUSDT",
    base="BTC",
    quote="USDT",
    tick=Decimal("0.01"),
    lot=Decimal("0.00001"),
    min_lots=1,
    min_notional=Decimal(10),
)
BEST = Best(Decimal("75890.5"), Decimal(1), Decimal("75910.25"), Decimal(2))


@pytest.fixture
def account() -> Account:
    login = DemoLogin(email="ada@demo.example", password="x", role="trader", part="taker")
    return Account(httpx.AsyncClient(), login)


@pytest.fixture
def feed(account: Account) -> Feed:
    return Feed("ws://127.0.0.1:1/ws/", account, ["BTCUSDT"])


def told(feed: Feed, usdt: str = "1000", btc: str = "0.01") -> None:
    """Let the socket tell a whole state."""
    balances = [
        {"asset": "USDT", "available": usdt, "locked": "0"},
        {"asset": "BTC", "available": btc, "locked": "0"},
    ]
    book = {"bids": [["75890.5", "1"], ["75880", "3"]], "asks": [["75910.25", "2"]]}
    messages: list[dict[str, Any]] = [
        {"type": "welcome", "state": "live"},
        {"type": "authenticated"},
        {"type": "snapshot", "channel": "book.BTCUSDT", "seq": 4, **book},
        {"type": "snapshot", "channel": "market.BTCUSDT", "seq": 1, "state": "TRADING"},
        {"type": "snapshot", "channel": "orders", "seq": 1, "orders": []},
        {"type": "snapshot", "channel": "fills", "seq": 1},
    ]
    for message in messages:
        feed.take(message)
        assert not feed.is_whole
    feed.take({"type": "snapshot", "channel": "balances", "seq": 1, "balances": balances})


def test_a_feed_is_whole_when_every_channel_was_heard(feed: Feed) -> None:
    told(feed)
    assert feed.is_whole
    assert feed.best("BTCUSDT") == BEST
    feed.take({"type": "status", "state": "down"})
    assert not feed.is_whole


def test_deltas_change_the_book_and_a_missed_one_is_noticed(feed: Feed) -> None:
    told(feed)
    delta = {
        "type": "delta", "channel": "book.BTCUSDT", "prev_seq": 4, "seq": 5,
        "bids": [["75890.5", "0"]], "asks": [["75900", "0.5"]],
    }  # fmt: skip
    feed.take(delta)
    assert feed.best("BTCUSDT") == Best(Decimal(75880), Decimal(3), Decimal(75900), Decimal("0.5"))
    with pytest.raises(NotNowError, match=r"a message of book\.BTCUSDT was missed"):
        feed.take(delta)


def test_a_halted_market_offers_nothing(feed: Feed) -> None:
    told(feed)
    feed.take({
        "type": "update", "channel": "market.BTCUSDT", "prev_seq": 1, "seq": 2, "state": "HALT",
    })  # fmt: skip
    assert feed.best("BTCUSDT") is None


def test_own_orders_come_and_go(feed: Feed) -> None:
    told(feed)
    order = {"order_id": 7, "symbol": "BTCUSDT", "status": "open"}
    feed.take({"type": "update", "channel": "orders", "prev_seq": 1, "seq": 2, "order": order})
    assert list(feed.orders) == [7]
    order = {**order, "status": "filled"}
    feed.take({"type": "update", "channel": "orders", "prev_seq": 2, "seq": 3, "order": order})
    assert feed.orders == {}


def test_the_end_of_a_login_ends_the_feed(feed: Feed) -> None:
    error = {"code": "token_expired", "message": "…"}
    for kind in ("error", "auth_ended"):
        with pytest.raises(NotNowError, match="the socket said token_expired"):
            feed.take({"type": kind, "error": error})


def decisions(feed: Feed, account: Account, count: int = 300) -> list[dict[str, Any]]:
    trader = Trader(account, feed, [GRID], progress=Progress(), seed="s")
    found = [trader.decide(GRID, BEST) for _ in range(count)]
    return [each for each in found if each is not None]


def test_every_order_is_on_the_grid_affordable_and_worth_enough(
    feed: Feed, account: Account
) -> None:
    told(feed)
    orders = decisions(feed, account)
    assert len(orders) > 250
    kinds = set()
    for order in orders:
        price = Decimal(order.get("price", BEST.ask if order["side"] == "BID" else BEST.bid))
        quantity = Decimal(order["quantity"])
        assert price % GRID.tick == 0
        assert quantity % GRID.lot == 0
        assert 9 < price * quantity < 1000
        if order["side"] == "ASK":
            assert quantity < Decimal("0.01")
        kinds.add((order["type"], order.get("time_in_force")))
    assert kinds == {("MARKET", None), ("LIMIT", "IOC"), ("LIMIT", "GTC")}


def test_who_has_much_of_the_base_sells_and_who_has_none_cannot(
    feed: Feed, account: Account
) -> None:
    told(feed, usdt="100", btc="1")
    rich = [order["side"] for order in decisions(feed, account)]
    assert rich.count("ASK") > 2 * rich.count("BID")
    told_again = Feed("ws://127.0.0.1:1/ws/", account, ["BTCUSDT"])
    told(told_again, usdt="100000", btc="0")
    assert {order["side"] for order in decisions(told_again, account)} == {"BID"}


def test_without_money_nothing_is_ordered(feed: Feed, account: Account) -> None:
    told(feed, usdt="5", btc="0")
    assert decisions(feed, account) == []


def test_with_many_open_orders_it_only_takes(feed: Feed, account: Account) -> None:
    told(feed)
    for number in range(OPEN_ORDERS_MAX):
        order = {"order_id": number, "symbol": "BTCUSDT", "status": "open"}
        feed.take({
            "type": "update", "channel": "orders", "prev_seq": number + 1, "seq": number + 2,
            "order": order,
        })  # fmt: skip
    assert {each.get("time_in_force") for each in decisions(feed, account)} == {None, "IOC"}


def test_funds_of_a_trader_are_of_both_sides_of_its_markets() -> None:
    eth = replace(GRID, symbol="ETHUSDT", base="ETH")
    funds = trader_funds([GRID, eth], {"BTCUSDT": Decimal(60_000), "ETHUSDT": Decimal(3_000)})
    assert funds == {"USDT": Decimal(12_000), "BTC": Decimal("0.1"), "ETH": Decimal(2)}


def error_answer(status: int, code: str, **headers: str) -> httpx.Response:
    body = {"error": {"code": code, "message": "…", "details": {}}, "request_id": "r"}
    return httpx.Response(status, json=body, headers=headers)


def test_answers_are_told_apart_by_what_can_be_done_about_them() -> None:
    assert answer_of(httpx.Response(201, json={"a": 1})) == {"a": 1}
    assert answer_of(httpx.Response(204)) is None
    with pytest.raises(RefusedError) as refused:
        answer_of(error_answer(409, "insufficient_balance"))
    assert refused.value.code == "insufficient_balance"
    for status, code, wait_s in ((429, "rate_limited", 7.0), (503, "unavailable", 0.0)):
        headers = {"Retry-After": "7"} if wait_s else {}
        with pytest.raises(NotNowError) as later:
            answer_of(error_answer(status, code, **headers))
        assert not isinstance(later.value, RefusedError)
        assert later.value.wait_s == wait_s
    with pytest.raises(NotNowError, match="account_pending"):
        answer_of(error_answer(409, "account_pending"))
    with pytest.raises(NotNowError, match="502 not_json"):
        answer_of(httpx.Response(502, text="<html>"))
