"""Operators' actions on markets and orders: they reach the engine, with a reason and a record."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from engine.client import EngineUnavailable
from engine.proto.records import MarketState
from tests.integration.trading.exchange import MARKET, SYMBOL, USDT, Exchange

REASON = "Odd prints on the feed"
Run = Callable[..., object]


@pytest.fixture
def run(exchange: Exchange) -> Run:
    """Run an action as a member of staff."""
    from apps.accounts.models import User
    from apps.audit.actions import OperatorAction, action_run

    exchange.catch_up()

    def run_as(action: OperatorAction, role: str = "operator", reason: str = REASON) -> object:
        user, _ = User.objects.get_or_create(
            username=role, defaults={"email": f"{role}@x.test", "role": role, "is_staff": True}
        )
        return action_run(
            action, actor=user, reason=reason, request_id="req-00000001", address="127.0.0.1"
        )

    return run_as


def market_state(exchange: Exchange) -> MarketState:
    (market,) = exchange.engine.list_markets()
    return MarketState(market.state)


def records() -> list[tuple[str, str]]:
    """(action, outcome) of all records that wait for the log, oldest first."""
    import json

    from apps.audit.models import OutboxRow

    contents = [json.loads(row.content) for row in OutboxRow.objects.order_by("pk")]
    return [(content["action"], content["outcome"]) for content in contents]


def test_a_market_is_halted_made_cancel_only_and_resumed(exchange: Exchange, run: Run) -> None:
    from apps.audit.actions import ActionRefusedError
    from apps.audit.types import ActionResult
    from apps.markets.actions import MarketCancelOnly, MarketHalt, MarketResume

    result = run(MarketHalt(symbol=SYMBOL))
    assert isinstance(result, ActionResult)
    assert (result.before, result.after) == ({"state": "TRADING"}, {"state": "HALT"})
    assert result.engine_event_seq == exchange.history()[-1][2]
    assert market_state(exchange) is MarketState.HALT
    run(MarketCancelOnly(symbol=SYMBOL))
    assert market_state(exchange) is MarketState.CANCEL_ONLY
    run(MarketResume(symbol=SYMBOL))
    assert market_state(exchange) is MarketState.TRADING
    with pytest.raises(ActionRefusedError, match="is TRADING already"):
        run(MarketResume(symbol=SYMBOL))
    with pytest.raises(ActionRefusedError, match="no market NOSUCH"):
        run(MarketHalt(symbol="NOSUCH"))
    assert records() == [
        ("market.halt", "done"),
        ("market.cancel_only", "done"),
        ("market.resume", "done"),
        ("market.resume", "refused"),
        ("market.halt", "refused"),
    ]


def test_support_and_people_without_a_reason_change_nothing(exchange: Exchange, run: Run) -> None:
    from apps.audit.actions import ActionRefusedError
    from apps.markets.actions import MarketHalt, MarketSetFees
    from apps.trading.actions import OrderForceCancel

    order_id = exchange.trader().place("BID", "100", "1")["order"]["order_id"]
    before = exchange.history()
    for action in (
        MarketHalt(symbol=SYMBOL),
        MarketSetFees(symbol=SYMBOL, maker_fee=0, taker_fee=0),
        OrderForceCancel(symbol=SYMBOL, order_id=order_id),
    ):
        for role, reason in (("support", REASON), ("operator", "")):
            with pytest.raises(ActionRefusedError) as refused:
                run(action, role, reason)
            assert refused.value.code == (
                "permission_denied" if role == "support" else "reason_required"
            )
    assert exchange.history() == before
    assert {outcome for _, outcome in records()} == {"refused"}
    assert len(records()) == 6


def test_new_fees_hold_for_orders_from_then_on(exchange: Exchange, run: Run) -> None:
    from apps.audit.actions import ActionRefusedError
    from apps.markets.actions import MarketSetFees

    maker, taker = exchange.trader(), exchange.trader()
    maker.place("ASK", "100", "1")
    run(MarketSetFees(symbol=SYMBOL, maker_fee=0, taker_fee=2_500))
    order = taker.place("BID", "100", "1")["order"]
    assert (order["fee"], order["fee_asset"]) == ("0.0025", "BTC")
    with pytest.raises(ActionRefusedError, match="expected 0 to 1000000"):
        run(MarketSetFees(symbol=SYMBOL, maker_fee=-1, taker_fee=0))


def test_a_forced_cancel_frees_the_funds_and_says_by_whom(exchange: Exchange, run: Run) -> None:
    from apps.audit.actions import ActionRefusedError
    from apps.audit.types import ActionResult
    from apps.trading.actions import OrderForceCancel

    trader = exchange.trader()
    order_id = trader.place("BID", "100", "1")["order"]["order_id"]
    result = run(OrderForceCancel(symbol=SYMBOL, order_id=order_id))
    assert isinstance(result, ActionResult)
    assert result.before == {
        "user_id": trader.user_id, "side": "BID", "price": "100", "leaves_quantity": "1",
    }  # fmt: skip
    assert exchange.engine.get_order(market_id=MARKET, order_id=order_id) is None
    held = {held.asset_id: held for held in exchange.engine.get_balances(trader.user_id).balances}
    assert held[USDT].locked_atoms == 0
    exchange.catch_up()
    order = trader.get(f"orders/{order_id}").json()
    assert (order["status"], order["by_operator"]) == ("CANCELED", True)
    for again in (order_id, 0, 10**30):
        with pytest.raises(ActionRefusedError, match="is not open"):
            run(OrderForceCancel(symbol=SYMBOL, order_id=again))


def test_an_action_without_an_engine_fails_and_is_on_record(exchange: Exchange, run: Run) -> None:
    from apps.trading.actions import OrderForceCancel

    order_id = exchange.trader().place("BID", "100", "1")["order"]["order_id"]
    exchange.process.kill()
    with pytest.raises(EngineUnavailable):
        run(OrderForceCancel(symbol=SYMBOL, order_id=order_id))
