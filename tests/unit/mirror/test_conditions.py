"""Stops, icebergs, amends and prevention: what the new events make of an order."""

from __future__ import annotations

import pytest

from apps.mirror.derivation import Derivation, orders_named, unfinished_at_end, unpacked
from apps.mirror.errors import PoisonEventError
from apps.trading.orders import OrderBook
from apps.trading.rows import changed_row, history_row, open_row
from apps.trading.sql import HISTORY_COLUMNS, OPEN_COLUMNS
from apps.trading.types import ORDER_EFFECTS, ClosedStatus, Conditions
from engine.proto.records import (
    BODY_STRUCTS,
    EventFlag,
    EventType,
    OrderChanged,
    OrderPrevented,
    OrderTerms,
    OrderType,
    Reason,
    StpMode,
    TimeInForce,
)
from tests.engine_events import EngineScript
from tests.unit.mirror.stream import AT_US, Tail
from tests.unit.mirror.test_transfers_and_holds import changes, derived_after

ORDER = 5_001
STOP = OrderTerms(ORDER, 1, 110, 250, 0, AT_US + 5, 5_000, 0, StpMode.EXPIRE_MAKER, 77)
PARKED = int(EventFlag.PARKED)
DONE = int(EventFlag.DONE)


@pytest.fixture(scope="module")
def script() -> EngineScript:
    """Markets and two funded users."""
    return EngineScript().prepare(users=2)


@pytest.fixture
def tail(script: EngineScript) -> Tail:
    """A stop order of user 1 that waits."""
    events = Tail(script)
    events.add(EventType.ORDER_TERMS, STOP)
    events.accept(ORDER, order_type=OrderType.STOP_LOSS_LIMIT, tif=TimeInForce.GTD, flags=PARKED)
    return events


def changed(removed: int, leaves: int, reserved: int, price: int = 100) -> OrderChanged:
    """A change of the order."""
    return OrderChanged(ORDER, 1, price, removed, leaves, reserved)


def test_the_terms_before_an_order_are_its_own_and_it_waits(
    tail: Tail, script: EngineScript
) -> None:
    derivation = derived_after(tail, script)
    order = derivation.orders.open[ORDER]
    assert order.is_parked
    assert order.conditions == Conditions(
        stop_price_ticks=110,
        trailing_bips=250,
        expires_us=AT_US + 5,
        list_id=5_000,
        stp_mode=StpMode.EXPIRE_MAKER,
        session_id=77,
    )
    assert changes(derivation) == {(1, 1): (0, 100_000)}
    row = dict(zip(OPEN_COLUMNS, open_row(order), strict=True))
    assert (row["stop_price"], row["trailing_bips"], row["list_id"], row["session_id"]) == (
        "1.100000000000000000",
        "250",
        "5000",
        "77",
    )
    assert (row["stp_mode"], row["is_parked"]) == ("EXPIRE_MAKER", "t")
    assert (row["display_quantity"], row["quote_amount"]) == ("\\N", "\\N")


def test_terms_and_their_order_may_come_in_two_runs(script: EngineScript) -> None:
    first, second = Tail(script), Tail(script)
    first.add(EventType.ORDER_TERMS, STOP)
    waiting = unfinished_at_end(unpacked(first.events))
    assert [body for _, body in waiting] == [STOP]
    second.add(EventType.ORDER_TERMS, STOP)
    at = len(second.events)
    second.accept(ORDER, flags=PARKED)
    before = derived_after(first, script)
    assert before.unfinished == waiting
    after = Derivation(before.catalogue, OrderBook(), unfinished=waiting)
    after.apply_all(unpacked(second.events[at:]))
    assert after.orders.open[ORDER].conditions.stop_price_ticks == 110
    assert after.unfinished == []
    assert unfinished_at_end(unpacked(second.events)) == []


def test_terms_that_their_order_does_not_follow_are_poison(script: EngineScript) -> None:
    tail = Tail(script)
    tail.add(EventType.ORDER_TERMS, STOP)
    tail.accept(ORDER + 1)
    with pytest.raises(PoisonEventError, match="was accepted after the terms of 5001"):
        derived_after(tail, script)
    tail = Tail(script)
    tail.add(EventType.ORDER_TERMS, STOP)
    tail.add(EventType.ORDER_TERMS, STOP)
    with pytest.raises(PoisonEventError, match="an event of type 26 followed OrderTerms"):
        derived_after(tail, script)


def test_a_triggered_order_waits_no_longer(tail: Tail, script: EngineScript) -> None:
    seq = tail.add(EventType.ORDER_TRIGGERED, changed(0, 10, 100_000))
    order = derived_after(tail, script).orders.open[ORDER]
    assert (order.is_parked, order.triggered_event_seq, order.leaves_lots) == (False, seq, 10)
    assert changed_row(order)[-2:] == (False, seq)


def test_an_order_that_expires_while_it_waits_releases_its_funds(
    tail: Tail, script: EngineScript
) -> None:
    tail.add(EventType.ORDER_EXPIRED, changed(10, 0, 0), flags=PARKED | DONE, reason=Reason.GTD)
    derivation = derived_after(tail, script)
    (closed,) = derivation.orders.closed
    assert (closed.status, closed.reason) == (ClosedStatus.EXPIRED, Reason.GTD)
    assert changes(derivation) == {(1, 1): (0, 0)}
    row = dict(zip(HISTORY_COLUMNS, history_row(closed), strict=True))
    assert (row["status"], row["reason"]) == ("EXPIRED", "GTD")
    assert (row["triggered_event_seq"], row["expires_at"][-3:]) == ("\\N", "+00")


@pytest.mark.parametrize(("removed", "leaves"), [(4, 6), (-5, 15)])
def test_an_amend_changes_what_was_ordered(
    tail: Tail, script: EngineScript, removed: int, leaves: int
) -> None:
    tail.add(EventType.ORDER_AMENDED, changed(removed, leaves, leaves * 10_000))
    derivation = derived_after(tail, script)
    order = derivation.orders.open[ORDER]
    assert (order.quantity_lots, order.removed_lots, order.leaves_lots) == (leaves, 0, leaves)
    assert changes(derivation) == {(1, 1): (0, leaves * 10_000)}


def test_an_amend_to_what_was_executed_cancels_the_rest(tail: Tail, script: EngineScript) -> None:
    """Rule 19."""
    tail.add(EventType.ORDER_AMENDED, changed(10, 0, 0), flags=DONE)
    (closed,) = derived_after(tail, script).orders.closed
    assert closed.status is ClosedStatus.CANCELED
    assert (closed.order.quantity_lots, closed.order.removed_lots) == (10, 10)


def test_prevented_lots_are_removed_and_may_end_the_order(script: EngineScript) -> None:
    """Rule 17: original - executed - prevented = leaves."""
    tail = Tail(script)
    tail.accept(ORDER)
    body = OrderPrevented(ORDER, 1, 100, 4, 6, 60_000, 0, 0, 9, 100)
    tail.add(EventType.ORDER_PREVENTED, body, reason=Reason.STP)
    order = derived_after(tail, script).orders.open[ORDER]
    assert (order.removed_lots, order.leaves_lots, order.reserved_atoms) == (4, 6, 60_000)
    last = OrderPrevented(ORDER, 1, 100, 6, 0, 0, 0, 0, 9, 100)
    tail.add(EventType.ORDER_PREVENTED, last, flags=DONE, reason=Reason.STP)
    (closed,) = derived_after(tail, script).orders.closed
    assert (closed.status, closed.reason) == (ClosedStatus.EXPIRED, Reason.STP)


def test_orders_that_new_events_name_are_loaded(script: EngineScript) -> None:
    tail = Tail(script)
    tail.add(EventType.ORDER_TRIGGERED, changed(0, 10, 0))
    tail.add(EventType.ORDER_PREVENTED, OrderPrevented(6, 1, 1, 1, 1, 1, 0, 0, 8, 1))
    assert orders_named(unpacked(tail.events)) == {ORDER, 6}


def test_every_event_about_one_order_has_an_effect() -> None:
    of_orders = {
        kind for kind, (_, body) in BODY_STRUCTS.items() if body in (OrderChanged, OrderPrevented)
    }
    assert set(ORDER_EFFECTS) == of_orders
