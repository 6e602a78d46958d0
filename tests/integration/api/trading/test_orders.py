"""Orders over HTTP: what is answered is what the engine made durable, to the last atom."""

from __future__ import annotations

import time
from typing import Any

from django.db import connection, connections
from django.test.utils import CaptureQueriesContext

from engine.proto.records import MarketState
from tests.integration.trading.exchange import SYMBOL, USDT, Exchange, Trader

KEY = "place-once-0000001"


def body(**changes: Any) -> dict[str, Any]:
    """A LIMIT bid of one coin; None takes a field away."""
    whole = {
        "market": SYMBOL, "side": "BID", "type": "LIMIT", "price": "100", "quantity": "1",
        **changes,
    }  # fmt: skip
    return {name: value for name, value in whole.items() if value is not None}


def problem(answer: Any) -> tuple[int, str]:
    """Status and code of an error."""
    return answer.status_code, answer.json()["error"]["code"]


def test_an_order_that_fills_states_fills_and_fees_at_once(exchange: Exchange) -> None:
    maker, taker = exchange.trader(), exchange.trader()
    resting = maker.place("ASK", "60000.01", "0.5")
    assert resting["order"]["status"] == "OPEN"
    assert resting["order"]["leaves_quantity"] == "0.5"
    assert resting["is_replayed"] is False
    placed = taker.place("BID", "60001", "0.75", client_order_id="mine/1")
    order = placed["order"]
    assert order["fills"] == [
        {
            "trade_id": 1, "role": "TAKER", "price": "60000.01", "quantity": "0.5",
            "quote_quantity": "30000.005", "fee": "0.00075", "fee_asset": "BTC",
            "executed_at": order["fills"][0]["executed_at"],
        }
    ]  # fmt: skip
    assert (order["status"], order["executed_quantity"], order["leaves_quantity"]) == (
        "OPEN", "0.5", "0.25",
    )  # fmt: skip
    assert (order["fee"], order["fee_asset"], order["executed_quote"]) == (
        "0.00075", "BTC", "30000.005",
    )  # fmt: skip
    exchange.catch_up()
    assert taker.get(f"orders/{order['order_id']}").json() == order
    assert maker.get("trades").json()["items"] == [
        {
            "trade_id": 1, "role": "MAKER", "price": "60000.01", "quantity": "0.5",
            "quote_quantity": "30000.005", "fee": "30.000005", "fee_asset": "USDT",
            "executed_at": order["fills"][0]["executed_at"], "market": SYMBOL,
            "order_id": resting["order"]["order_id"], "side": "ASK",
        }
    ]  # fmt: skip


def test_balances_are_the_engines_at_once(exchange: Exchange) -> None:
    trader = exchange.trader(btc=0, usdt=1_000)
    placed = trader.place("BID", "100.5", "2")
    answer = trader.get("balances")
    assert answer.json()["balances"] == [
        {"asset": "BTC", "available": "0", "locked": "0", "total": "0"},  # it has a bid for it
        {"asset": "USDT", "available": "799", "locked": "201", "total": "1000"},
    ]
    assert answer.json()["event_seq"] >= placed["event_seq"]


def test_placing_and_canceling_do_not_touch_sql(exchange: Exchange) -> None:
    trader = exchange.trader()
    trader.place("BID", "100", "1")
    with CaptureQueriesContext(connection) as queries:
        order_id = trader.place("BID", "101", "1")["order"]["order_id"]
        answer = trader.delete(f"orders/{order_id}?market={SYMBOL}", Prefer="return=minimal")
    assert answer.status_code == 200
    assert [query["sql"] for query in queries] == []


def test_orders_are_placed_while_the_database_is_gone(exchange: Exchange) -> None:
    trader = exchange.trader()
    before = connections.settings["default"]
    broken = {**before, "PORT": "1"}
    connections.close_all()
    connections.settings["default"] = broken
    connections["default"] = connections.create_connection("default")
    try:
        order_id = trader.place("BID", "100", "1")["order"]["order_id"]
        assert problem(trader.get("orders")) == (503, "unavailable")
        canceled = trader.delete(f"orders/{order_id}")
    finally:
        connections.settings["default"] = before
        connections["default"] = connections.create_connection("default")
    assert (canceled.status_code, canceled.json()["removed_quantity"]) == (200, "1")
    assert canceled.json()["order"] is None


def test_a_killed_engine_means_503_and_nothing_placed(exchange: Exchange) -> None:
    """Trap 10: no check lets an order pass while what it depends on is down."""
    trader = exchange.trader()
    trader.place("BID", "100", "1")
    exchange.process.kill()
    started = time.monotonic()
    for answer in (
        trader.post("orders", body(), Idempotency_Key=KEY),
        trader.get("balances"),
        trader.get(f"markets/{SYMBOL}/book"),
    ):
        assert problem(answer) == (503, "engine_unavailable")
        assert answer["Retry-After"] == "1"
    assert time.monotonic() - started < 15


def test_a_retry_with_the_same_key_places_nothing_twice(exchange: Exchange) -> None:
    maker, taker = exchange.trader(), exchange.trader()
    maker.place("ASK", "100", "0.4")
    first = taker.post("orders", body(), Idempotency_Key=KEY)
    again = taker.post("orders", body(), Idempotency_Key=KEY)
    assert again.json() == {**first.json(), "is_replayed": True}
    assert (first.status_code, again.status_code) == (201, 201)
    assert (first.get("Idempotency-Replayed"), again["Idempotency-Replayed"]) == (None, "true")
    other = taker.post("orders", body(quantity="2"), Idempotency_Key=KEY)
    assert problem(other) == (409, "idempotency_key_reused")
    assert maker.post("orders", body(), Idempotency_Key=KEY).json()["is_replayed"] is False
    assert len(exchange.engine.list_open_orders(user_id=taker.user_id).orders) == 1


def test_a_key_of_another_shape_is_refused(exchange: Exchange) -> None:
    trader = exchange.trader()
    for key in ("short", "x" * 65, "with spaces in it 01"):
        answer = trader.post("orders", body(), Idempotency_Key=key)
        assert problem(answer) == (400, "idempotency_key_invalid")
    assert exchange.engine.get_status().open_orders == 0


IMPOSSIBLE: tuple[tuple[dict[str, Any], str, str], ...] = (
    ({"price": "100.001"}, "invalid_price", "price"),
    ({"price": "0"}, "invalid_price", "price"),
    ({"price": "0.000000001"}, "invalid_price", "price"),
    ({"price": "99999999999999999999999999999999999999"}, "invalid_price", "price"),
    ({"price": None}, "invalid_price", "price"),
    ({"quantity": "0.00001"}, "invalid_quantity", "quantity"),
    ({"quantity": "0"}, "invalid_quantity", "quantity"),
    ({"price": "-1"}, "invalid_request", "price"),
    ({"price": "1e3"}, "invalid_request", "price"),
    ({"price": "NaN"}, "invalid_request", "price"),
    ({"price": 100}, "invalid_request", "price"),
    ({"price": 100.5}, "invalid_request", "price"),
    ({"price": True}, "invalid_request", "price"),
    ({"quantity": ["1"]}, "invalid_request", "quantity"),
    ({"quantity": None}, "invalid_request", "quantity"),
    ({"side": "BUY"}, "invalid_request", "side"),
    ({"type": "FOK_BUDGET"}, "invalid_request", "type"),
    ({"type": "MARKET"}, "invalid_price", "price"),
    ({"type": "LIMIT_MAKER", "time_in_force": "GTC"}, "invalid_request", "time_in_force"),
    ({"time_in_force": "DAY"}, "invalid_request", "time_in_force"),
    ({"client_order_id": "a b"}, "invalid_request", "client_order_id"),
    ({"client_order_id": "x" * 37}, "invalid_request", "client_order_id"),
    ({"market": "x" * 31}, "invalid_request", "market"),
)


def test_terms_that_cannot_be_name_their_field_and_change_nothing(exchange: Exchange) -> None:
    trader = exchange.trader()
    before = exchange.history()
    for changes, code, field in IMPOSSIBLE:
        answer = trader.post("orders", body(**changes))
        assert problem(answer) == (400, code), changes
        assert list(answer.json()["error"]["details"]["fields"]) == [field], changes
    assert exchange.history() == before


def test_a_body_that_is_not_an_order_is_refused(exchange: Exchange) -> None:
    trader = exchange.trader()
    for text in ("", "[]", "not json", '{"price": NaN}', "null"):
        answer = trader.post("orders", text)
        assert problem(answer) == (400, "invalid_request"), text


def test_the_engines_refusals_have_stable_codes(exchange: Exchange) -> None:
    trader = exchange.trader(btc=0, usdt=1_000)
    trader.place("BID", "100", "1", client_order_id="twin")
    refused = {
        (409, "insufficient_balance"): body(quantity="100"),
        (400, "notional"): body(price="1"),
        (409, "duplicate_client_order_id"): body(client_order_id="twin"),
        (404, "unknown_market"): body(market="NOSUCH"),
    }
    for expected, asked in refused.items():
        assert problem(trader.post("orders", asked)) == expected
    seller = exchange.trader()
    post_only = body(side="ASK", type="LIMIT_MAKER")
    assert problem(seller.post("orders", post_only)) == (409, "would_take")
    exchange.set_state(MarketState.HALT)
    assert problem(trader.post("orders", body())) == (409, "market_not_trading")


def test_a_login_that_the_engine_does_not_know_yet_is_told_to_wait(exchange: Exchange) -> None:
    stranger = exchange.stranger()
    answer = stranger.post("orders", body())
    assert problem(answer) == (409, "account_pending")
    assert stranger.get("balances").json()["balances"] == []


def test_staff_and_nobody_have_no_orders(exchange: Exchange) -> None:
    from django.test import Client

    for role in ("support", "operator"):
        staff = exchange.stranger(role)
        assert problem(staff.post("orders", body())) == (403, "forbidden")
        assert problem(staff.get("orders")) == (403, "forbidden")
    for path in ("orders", "orders/1", "trades", "balances"):
        assert problem(Client().get(f"/api/v1/{path}")) == (401, "not_authenticated")


def test_unknown_orders_and_somebody_elses_are_the_same(exchange: Exchange) -> None:
    owner, other = exchange.trader(), exchange.trader()
    theirs = owner.place("BID", "100", "1")["order"]["order_id"]
    newest = other.place("BID", "100", "1")["order"]["order_id"]
    exchange.catch_up()
    assert newest > theirs
    missing = [other.get("orders/999999"), other.get(f"orders/{2**63 - 1}"), other.get("orders/0")]
    for answer in (
        *missing,
        other.get(f"orders/{theirs}"),
        other.get(f"orders/{10**30}"),
        other.delete(f"orders/{theirs}"),
        other.delete(f"orders/{theirs}?market={SYMBOL}"),
        other.delete("orders/999999"),
        other.delete(f"orders/{10**30}"),
        other.delete("orders/0"),
    ):
        assert problem(answer) == (404, "unknown_order")
        assert answer.json()["error"]["details"] == {}
    assert exchange.engine.get_order(market_id=1, order_id=theirs) is not None


def test_a_cancel_is_durable_and_tells_the_whole_order(exchange: Exchange) -> None:
    maker, taker = exchange.trader(), exchange.trader()
    order_id = maker.place("ASK", "100", "1")["order"]["order_id"]
    taker.place("BID", "100", "0.25")
    brief = maker.delete(f"orders/{order_id}?market={SYMBOL}", Prefer="return=minimal").json()
    assert (brief["order_id"], brief["market"], brief["status"], brief["removed_quantity"]) == (
        order_id, SYMBOL, "CANCELED", "0.75",
    )  # fmt: skip
    assert brief["order"] is None
    assert exchange.engine.get_order(market_id=1, order_id=order_id) is None
    exchange.catch_up()
    order = maker.get(f"orders/{order_id}").json()
    assert (order["status"], order["executed_quantity"], order["removed_quantity"]) == (
        "CANCELED", "0.25", "0.75",
    )  # fmt: skip
    assert (order["fee"], order["fee_asset"], len(order["fills"])) == ("0.025", "USDT", 1)
    assert order["closed_at"] == brief["canceled_at"]
    assert problem(maker.delete(f"orders/{order_id}")) == (404, "unknown_order")
    assert problem(maker.delete(f"orders/{order_id}?market=NOSUCH")) == (404, "unknown_market")


def test_a_cancel_without_books_says_so_in_time(exchange: Exchange) -> None:
    trader = exchange.trader()
    order_id = trader.place("BID", "100", "1")["order"]["order_id"]
    started = time.monotonic()
    answer = trader.delete(f"orders/{order_id}")
    assert answer.json()["order"] is None
    assert 0.9 < time.monotonic() - started < 3


def test_cancels_work_in_a_halted_market(exchange: Exchange) -> None:
    trader = exchange.trader()
    order_id = trader.place("BID", "100", "1")["order"]["order_id"]
    exchange.set_state(MarketState.HALT)
    assert trader.delete(f"orders/{order_id}", Prefer="return=minimal").status_code == 200
    held = exchange.engine.get_balances(trader.user_id).balances
    assert {balance.asset_id: balance.locked_atoms for balance in held}[USDT] == 0


def pages(trader: Trader, path: str, **query: Any) -> list[list[Any]]:
    """All pages of a list."""
    found, cursor = [], None
    while True:
        more: dict[str, str] = {} if cursor is None else {"cursor": cursor}
        answer = trader.get(path, **query, **more).json()
        found.append(answer["items"])
        cursor = answer["next_cursor"]
        if cursor is None:
            return found


def test_lists_hold_ones_own_newest_first_page_by_page(exchange: Exchange) -> None:
    trader, other = exchange.trader(), exchange.trader()
    placed = [trader.place("BID", f"{100 + n}", "0.1")["order"]["order_id"] for n in range(5)]
    other.place("ASK", "103", "0.15")
    trader.delete(f"orders/{placed[0]}?market={SYMBOL}", Prefer="return=minimal")
    exchange.catch_up()
    ids = [[order["order_id"] for order in page] for page in pages(trader, "orders", limit=2)]
    assert ids == [placed[:2:-1], placed[2:0:-1], placed[:1]]
    by_status = {
        status: [order["order_id"] for order in trader.get("orders", status=status).json()["items"]]
        for status in ("OPEN", "CLOSED", "FILLED", "CANCELED", "EXPIRED")
    }
    assert by_status == {
        "OPEN": [placed[3], placed[2], placed[1]],
        "CLOSED": [placed[4], placed[0]],
        "FILLED": [placed[4]],
        "CANCELED": [placed[0]],
        "EXPIRED": [],
    }
    assert trader.get("orders").json()["items"][0]["fills"] is None
    assert len(trader.get("orders", market=SYMBOL).json()["items"]) == 5
    assert problem(trader.get("orders", market="NOSUCH")) == (404, "unknown_market")
    trades = pages(trader, "trades", limit=1)
    assert [[trade["quantity"] for trade in page] for page in trades] == [["0.05"], ["0.1"]]
    assert [page[0]["order_id"] for page in trades] == [placed[3], placed[4]]
    assert len(trader.get("trades", order_id=placed[3]).json()["items"]) == 1


def test_a_trade_with_oneself_is_two_fills_and_no_page_loses_one(exchange: Exchange) -> None:
    trader = exchange.trader()
    for _ in range(2):
        trader.place("ASK", "100", "0.1")
        trader.place("BID", "100", "0.1")
    exchange.catch_up()
    trades = [trade for page in pages(trader, "trades", limit=1) for trade in page]
    assert [(trade["trade_id"], trade["role"], trade["side"]) for trade in trades] == [
        (2, "TAKER", "BID"), (2, "MAKER", "ASK"), (1, "TAKER", "BID"), (1, "MAKER", "ASK"),
    ]  # fmt: skip


def test_limits_and_cursors_are_checked(exchange: Exchange) -> None:
    trader = exchange.trader()
    wrong: list[dict[str, Any]] = [
        {"limit": 0}, {"limit": 501}, {"limit": "x"}, {"cursor": "%%%"}, {"status": "DONE"},
    ]  # fmt: skip
    for query in wrong:
        assert problem(trader.get("orders", **query)) == (400, "invalid_request"), query
    assert problem(trader.get("trades", order_id="x")) == (400, "invalid_request")


def test_lists_cost_the_same_queries_for_few_rows_and_for_many(exchange: Exchange) -> None:
    trader = exchange.trader()

    def costs() -> list[int]:
        exchange.catch_up()
        found = []
        for path in ("orders", "orders?status=OPEN", "trades", f"orders?market={SYMBOL}"):
            with CaptureQueriesContext(connection) as queries:
                assert trader.get(path).status_code == 200
            found.append(len(queries))
        return found

    trader.place("ASK", "100", "0.1")
    trader.place("BID", "100", "0.1")
    few = costs()
    for _ in range(20):
        trader.place("ASK", "100", "0.1")
        trader.place("BID", "100", "0.1")
        trader.place("BID", "90", "0.1")
    assert costs() == few == [2, 1, 2, 3]


def test_an_order_newer_than_the_books_is_waited_for(exchange: Exchange) -> None:
    from threading import Timer

    trader = exchange.trader()
    order_id = trader.place("BID", "100", "1")["order"]["order_id"]
    assert problem(trader.get(f"orders/{order_id}")) == (404, "unknown_order")
    later = Timer(0.3, exchange.catch_up)
    later.start()
    assert trader.get(f"orders/{order_id}").json()["status"] == "OPEN"
    later.join()
