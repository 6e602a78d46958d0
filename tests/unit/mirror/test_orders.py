"""The life of orders as the kernel's events tell it, and events that contradict it."""

from __future__ import annotations

from collections import Counter

import pytest

from apps.markets.catalogue import Catalogue
from apps.mirror.derivation import Derivation, orders_named, unpacked
from apps.mirror.errors import PoisonEventError
from apps.trading.orders import OrderBook
from apps.trading.types import ClosedStatus
from engine.proto.records import (
    RECORD_BYTES,
    EventHeader,
    EventType,
    OrderChanged,
    OrderType,
    Reason,
    Side,
    TimeInForce,
    pack_event,
)
from tests.engine_events import BTCUSDT, EngineScript


def derived_from(script: EngineScript) -> Derivation:
    """What all events of a script mean, from genesis."""
    derivation = Derivation(Catalogue(), OrderBook())
    derivation.apply_all(unpacked(script.events))
    return derivation


@pytest.fixture
def script() -> EngineScript:
    """Markets and two funded users."""
    return EngineScript().prepare(users=2)


def only_closed(script: EngineScript, order_id: int) -> tuple[object, ...]:
    """Status, reason, by operator, executed, removed of one closed order."""
    (closed,) = (
        each for each in derived_from(script).orders.closed if each.order.order_id == order_id
    )
    order = closed.order
    return (
        closed.status,
        closed.reason,
        closed.by_operator,
        order.executed_lots,
        order.removed_lots,
        order.reserved_atoms,
    )


def test_a_filled_order_is_filled(script: EngineScript) -> None:
    maker = script.place(1, Side.ASK, 100, 10)
    taker = script.place(2, Side.BID, 100, 10)
    for order_id in (maker, taker):
        assert only_closed(script, order_id) == (
            ClosedStatus.FILLED, Reason.NONE, False, 10, 0, 0,
        )  # fmt: skip


def test_a_canceled_order_keeps_what_it_executed(script: EngineScript) -> None:
    order_id = script.place(1, Side.ASK, 100, 10)
    script.place(2, Side.BID, 100, 4)
    script.cancel(1, order_id)
    assert only_closed(script, order_id) == (ClosedStatus.CANCELED, Reason.NONE, False, 4, 6, 0)


def test_a_cancel_by_an_operator_is_marked(script: EngineScript) -> None:
    order_id = script.place(1, Side.ASK, 100, 10)
    script.cancel(0, order_id)
    assert only_closed(script, order_id) == (ClosedStatus.CANCELED, Reason.NONE, True, 0, 10, 0)


def test_a_reduced_order_stays_open_with_less(script: EngineScript) -> None:
    order_id = script.place(1, Side.ASK, 100, 10)
    script.reduce(1, order_id, 3)
    order = derived_from(script).orders.open[order_id]
    assert (order.leaves_lots, order.removed_lots) == (7, 3)
    assert order.reserved_atoms == 7 * order.market.lot_atoms


def test_an_order_reduced_to_nothing_is_canceled(script: EngineScript) -> None:
    order_id = script.place(1, Side.ASK, 100, 10)
    script.reduce(1, order_id, 10)
    assert only_closed(script, order_id) == (ClosedStatus.CANCELED, Reason.NONE, False, 0, 10, 0)


def test_a_moved_order_has_its_new_price_and_may_trade(script: EngineScript) -> None:
    script.place(1, Side.ASK, 100, 4)
    order_id = script.place(2, Side.BID, 90, 10)
    script.move(2, order_id, 100)
    order = derived_from(script).orders.open[order_id]
    assert (order.price_ticks, order.executed_lots, order.leaves_lots) == (100, 4, 6)


def test_an_ioc_remainder_expires(script: EngineScript) -> None:
    script.place(1, Side.ASK, 100, 4)
    order_id = script.place(2, Side.BID, 100, 10, tif=TimeInForce.IOC)
    assert only_closed(script, order_id) == (
        ClosedStatus.EXPIRED, Reason.TIME_IN_FORCE, False, 4, 6, 0,
    )  # fmt: skip


def test_an_unfillable_fok_expires_whole(script: EngineScript) -> None:
    order_id = script.place(2, Side.BID, 100, 10, tif=TimeInForce.FOK)
    assert only_closed(script, order_id) == (
        ClosedStatus.EXPIRED, Reason.TIME_IN_FORCE, False, 0, 10, 0,
    )  # fmt: skip


def test_a_budget_that_cannot_be_met_expires(script: EngineScript) -> None:
    script.place(1, Side.ASK, 100, 10)
    order_id = script.place(2, Side.BID, 0, 10, order_type=OrderType.FOK_BUDGET, budget=5)
    assert only_closed(script, order_id) == (ClosedStatus.EXPIRED, Reason.BUDGET, False, 0, 10, 0)


def test_a_trade_with_oneself_closes_both_orders(script: EngineScript) -> None:
    maker = script.place(1, Side.ASK, 100, 10)
    taker = script.place(1, Side.BID, 100, 10)
    derived = derived_from(script)
    assert [each.order.order_id for each in derived.orders.closed] == [maker, taker]
    assert not derived.orders.open


def test_open_orders_are_the_kernels_and_so_is_every_balance() -> None:
    script = EngineScript().prepare().run(3_000, seed=5)
    derived = derived_from(script)
    own = {
        key: (order.user_id, order.price_ticks, order.leaves_lots, order.reserved_atoms)
        for key, order in derived.orders.open.items()
    }
    assert own == {
        each.order_id: (each.user_id, each.price_ticks, each.leaves_lots, each.reserved_atoms)
        for each in script.kernel.open_orders()
    }
    balances = {
        key: (change.total - change.locked, change.locked)
        for key, change in derived.balances.accounts.items()
        if change.total or change.locked
    }
    assert balances == {
        (each.user_id, each.asset_id): (each.available_atoms, each.locked_atoms)
        for each in script.kernel.all_balances()
    }
    statuses = Counter(each.status for each in derived.orders.closed)
    assert min(statuses[status] for status in ClosedStatus) > 40


def test_asset_flows_are_the_kernels_totals() -> None:
    script = EngineScript().prepare().run(2_000, seed=6)
    flows = derived_from(script).balances.flows
    assert {asset_id: tuple(flow) for asset_id, flow in flows.items()} == {
        each.asset_id: (each.deposited_atoms, each.withdrawn_atoms, each.adjusted_atoms)
        for each in script.kernel.totals()
    }


def test_orders_named_are_those_that_must_be_loaded(script: EngineScript) -> None:
    stored = script.place(1, Side.ASK, 100, 10)
    before = len(script.events)
    script.place(2, Side.BID, 100, 4)
    own = script.place(2, Side.BID, 90, 4)
    script.cancel(2, own)
    assert orders_named(unpacked(script.events[before:])) == {stored}


def changed(script: EngineScript, order_id: int, user_id: int, leaves: int) -> bytes:
    """A forged ORDER_REDUCED that follows the script's events."""
    seq = len(script.events) // RECORD_BYTES + 1
    header = EventHeader(seq, seq, 2_000_000_000_000_000, EventType.ORDER_REDUCED, 0, 0, BTCUSDT)
    return pack_event(header, OrderChanged(order_id, user_id, 100, 1, leaves, 10))


@pytest.mark.parametrize(
    ("user_id", "known", "leaves", "words"),
    [
        (1, False, 9, "is not open"),
        (2, True, 9, "is of user 1"),
        (1, True, 8, "has 9 lots left by its earlier events"),
    ],
)
def test_an_event_that_contradicts_earlier_ones_is_poison(
    script: EngineScript, user_id: int, known: bool, leaves: int, words: str
) -> None:
    order_id = script.place(1, Side.ASK, 100, 10) if known else 999
    derivation = derived_from(script)
    event = changed(script, order_id, user_id, leaves)
    with pytest.raises(PoisonEventError, match=words) as caught:
        derivation.apply_all(unpacked(event))
    assert caught.value.event_seq == len(script.events) // RECORD_BYTES + 1


def test_an_unknown_type_of_event_is_poison(script: EngineScript) -> None:
    event = bytearray(script.events[:RECORD_BYTES])
    event[24] = 99
    with pytest.raises(PoisonEventError, match="has type 99, which is unknown"):
        list(unpacked(bytes(event)))


def test_an_unknown_market_is_poison(script: EngineScript) -> None:
    script.place(1, Side.ASK, 100, 10)
    event = script.events[-RECORD_BYTES:]
    with pytest.raises(PoisonEventError, match="KeyError"):
        Derivation(Catalogue(), OrderBook()).apply_all(unpacked(event))
