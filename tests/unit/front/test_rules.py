"""What the page says before an order is sent; each case is one that the engine refuses."""

from __future__ import annotations

from typing import Any

import pytest

from apps.api.errors import ErrorCode
from engine.proto.records import Reason
from tests.unit.front.conftest import Modules
from tests.unit.front.markets import listed

REASONS = (  # with which the engine refuses orders of traders
    Reason.PRICE_FILTER, Reason.LOT_SIZE, Reason.NOTIONAL, Reason.OVERFLOW, Reason.WOULD_TAKE,
    Reason.INSUFFICIENT_BALANCE, Reason.MARKET_NOT_TRADING, Reason.USER_SUSPENDED, Reason.CAPACITY,
    Reason.DUPLICATE_CLIENT_ORDER_ID, Reason.UNKNOWN_ORDER, Reason.INVALID_PRICE,
    Reason.INVALID_QUANTITY, Reason.TIME_IN_FORCE,
)  # fmt: skip
MARKET = listed(
    min_price="500", max_price="2000", min_quantity="0.001", max_quantity="5", min_notional="10"
)
FORM = {"side": "BID", "type": "LIMIT", "timeInForce": "GTC", "price": "990", "quantity": "0.1"}
CHECK = """(m, { market, form, state, bids, asks, available }) => {
    const terms = { ...m.termsOf(market), state };
    const book = new m.OrderBook(terms);
    book.apply({ type: "snapshot", seq: 1, event_seq: 1, bids, asks });
    const { order, problems } = m.readOrder(terms, form);
    if (order) {
        const funds = available === null ? null : BigInt(available);
        problems.push(...m.orderProblems(terms, order, book, funds));
    }
    return problems.map(({ field, text }) => `${field}: ${text}`);
}"""


def problems(modules: Modules, available: int | None = 10**12, **changes: Any) -> list[str]:
    given = {
        "market": MARKET,
        "form": FORM,
        "state": "TRADING",
        "bids": [["995", "1"]],
        "asks": [["1005", "1"]],
        "available": None if available is None else str(available),
    }
    for name, value in changes.items():
        if name in given:
            given[name] = value
        else:
            given["form"] = {**given["form"], name: value}  # type: ignore[dict-item]
    found = modules.run("terms book rules", CHECK, given)
    assert isinstance(found, list)
    return found


def test_an_order_that_fits_has_no_problem(modules: Modules) -> None:
    assert problems(modules) == []
    assert problems(modules, type="MARKET", price="") == []
    assert problems(modules, side="ASK", price="1010", available=10_000_000) == []
    assert problems(modules, available=None) == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"price": "990.5"}, "price: The price goes in steps of 1."),
        ({"quantity": "0.10005"}, "quantity: The quantity goes in steps of 0.0001."),
        ({"quantity": "0"}, "quantity: The quantity must be above 0."),
        ({"price": "1e3"}, "price: The price is not a number. Use digits and a point: 0.25"),
        ({"price": "499"}, "price: The lowest price here is 500 USD."),
        ({"side": "ASK", "price": "2001"}, "price: The highest price here is 2000 USD."),
        (
            {"quantity": "0.0009", "type": "MARKET"},
            "quantity: The smallest order here is 0.001 BTC.",
        ),
        ({"quantity": "5.0001"}, "quantity: The largest order here is 5 BTC."),
        ({"quantity": "0.01"}, "total: The order is worth 9.9 USD; the least is 10 USD."),
        ({"available": 98_999_999}, "funds: This needs 99 USD; you have 98.999999 USD available."),
        (
            {"side": "ASK", "price": "1010", "available": 9_999_999},
            "funds: This needs 0.1 BTC; you have 0.09999999 BTC available.",
        ),
        (
            {"type": "LIMIT_MAKER", "price": "1005"},
            "price: A post-only order must not trade at once: choose a price below 1005.",
        ),
        (
            {"type": "LIMIT_MAKER", "side": "ASK", "price": "995"},
            "price: A post-only order must not trade at once: choose a price above 995.",
        ),
        (
            {"timeInForce": "FOK", "price": "1005", "quantity": "1.5", "available": 10**13},
            "quantity: Fill-or-kill needs all of it at once; the book has 1 BTC.",
        ),
        (
            {"type": "MARKET", "asks": []},
            "quantity: Nobody sells here now, so a market order would do nothing.",
        ),
        (
            {"state": "HALT"},
            (
                "state: This market is halted by the exchange: nothing trades and new orders"
                " are refused."
            ),
        ),
        (
            {"state": "POST_ONLY"},
            "state: This market takes post-only orders and cancels: nothing trades yet.",
        ),
        (
            {"state": "LIMIT_ONLY", "type": "MARKET", "price": ""},
            "state: This market takes limit orders only, no market orders.",
        ),
        (
            {"state": "AUCTION", "timeInForce": "IOC"},
            (
                "state: This market is in an auction: limit orders are collected and meet when"
                " it ends."
            ),
        ),
        (
            {"state": "DELISTED"},
            "state: This market has been taken off the exchange.",
        ),
        (
            {"state": "CANCEL_ONLY"},
            (
                "state: This market takes cancels only: open orders can be canceled, new ones"
                " are refused."
            ),
        ),
    ],
)  # fmt: skip
def test_what_is_against_an_order_is_said_in_words(
    modules: Modules, changes: dict[str, Any], expected: str
) -> None:
    assert problems(modules, **changes) == [expected]


def test_a_market_that_takes_some_orders_takes_those(modules: Modules) -> None:
    assert problems(modules, state="AUCTION") == []
    assert problems(modules, state="LIMIT_ONLY") == []
    assert problems(modules, state="POST_ONLY", type="LIMIT_MAKER", price="990") == []


def test_the_codes_that_a_trader_meets_have_plain_words(modules: Modules) -> None:
    engine = {Reason(each).name.lower() for each in REASONS}
    told = set(modules.run("words", "(m) => Object.keys(m.WORDS)"))
    assert engine - told == set()
    assert told - {str(code) for code in ErrorCode} == {"network"}  # no words for what is no code
    assert (
        modules.run("words", "(m) => m.inWords({ code: 'x', message: 'As told.' })") == "As told."
    )


def test_fields_and_reasons_of_an_answer_are_told_too(modules: Modules) -> None:
    body = """(m, errors) => errors.map((error) => m.inWords(error))"""
    errors = [
        {"code": "password_refused", "details": {"reasons": ["It is too common."]}},
        {"code": "invalid_price", "details": {"fields": {"price": ["was 1, expected 2"]}}},
    ]
    assert modules.run("words", body, errors) == [
        "This password is too weak. It is too common.",
        "This price does not fit the market's steps. price: was 1, expected 2",
    ]
