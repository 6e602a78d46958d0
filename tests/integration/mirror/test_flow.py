"""The kernel's random flow through journal bytes and the mirror into PostgreSQL, and verified."""

from __future__ import annotations

from decimal import Decimal

import psycopg
import pytest

from apps.core.amounts import decimal_atoms
from engine.proto.records import (
    RECORD_BYTES,
    EventFlag,
    EventType,
    FundsMoved,
    FundsTransferred,
    OrderChanged,
    OrderTerms,
    OrderType,
    Reason,
    StpMode,
    TimeInForce,
)
from tests.engine_events import BTC, EngineScript, batches
from tests.fixtures_database import DatabaseHandle
from tests.integration.mirror.books_support import book_all, one, opened, run_of, verified
from tests.property.mirror.chain import Chain
from tests.unit.mirror.stream import AT_US, Tail

ID = b"\x0c" * 16


@pytest.mark.parametrize(("seed", "size", "join"), [(11, 1, 1), (12, 7, 3), (13, 480, 9)])
def test_the_books_of_a_random_flow_are_the_kernels_and_verified(
    database: DatabaseHandle, seed: int, size: int, join: int
) -> None:
    chain = Chain(seed, fresh_ids=True)
    chain.run(700)
    with opened(database) as books:
        book_all(books, chain.events, size=size, join=join)
        assert books.position.last_event_seq == chain.kernel.event_seq
    report = verified(database)
    assert [each.outcome for each in report.results] == ["proved"] * len(report.results)
    decimals = {asset.asset_id: asset.decimals for asset in chain.kernel.assets()}
    with psycopg.connect(database.app_url) as connection:
        rows = connection.execute(
            "SELECT user_id, asset_id, available, locked FROM ledger_balance WHERE total <> 0"
        ).fetchall()
        orders = connection.execute("SELECT order_id FROM trading_openorder").fetchall()

    def atoms(value: Decimal, asset_id: int) -> int:
        return decimal_atoms(value, decimals[asset_id])

    assert {
        (user, asset): (atoms(available, asset), atoms(locked, asset))
        for user, asset, available, locked in rows
    } == {
        (each.user_id, each.asset_id): (each.available_atoms, each.locked_atoms)
        for each in chain.kernel.all_balances()
    }
    assert {row[0] for row in orders} == {each.order_id for each in chain.kernel.open_orders()}


def stop_and_transfer() -> Tail:
    """A stop order with its terms, a hold, and a transfer of three legs."""
    tail = Tail(EngineScript().prepare(users=2))
    tail.add(
        EventType.ORDER_TERMS,
        OrderTerms(9_001, 1, 120, 300, 4, AT_US + 7, 9_000, 0, StpMode.DECREMENT, 5),
    )
    tail.accept(
        9_001,
        order_type=OrderType.TAKE_PROFIT_LIMIT,
        tif=TimeInForce.GTD,
        flags=int(EventFlag.PARKED),
    )
    tail.add(EventType.FUNDS_HELD, FundsMoved(2, BTC, 77, ID, b""), market_id=0)
    for number, (user_id, amount) in enumerate(((1, -50), (2, 20), (0, 30)), start=1):
        leg = FundsTransferred(user_id, BTC, amount, number, 3, b"\x0d" * 16, b"")
        tail.add(EventType.FUNDS_TRANSFERRED, leg, market_id=0)
    return tail


def test_what_belongs_together_is_booked_whole_though_the_mirror_dies_at_every_event(
    database: DatabaseHandle,
) -> None:
    events = stop_and_transfer().events
    for message in batches(events, size=1)[-8:]:
        with opened(database) as books:
            if not books.position.last_event_seq:
                book_all(books, events[: (message.first_event_seq - 1) * RECORD_BYTES])
        with opened(database) as books:
            books.apply(run_of([message]))
        verified(database)
    assert one(database, "SELECT count(*) FROM ledger_transaction WHERE kind = 'TRANSFER'") == (1,)
    assert one(
        database,
        "SELECT stop_price, trailing_bips, display_quantity, list_id, stp_mode, session_id,"
        " is_parked, reserved FROM trading_openorder",
    ) == (
        Decimal("1.2"), 300, Decimal("0.0004"), 9_000, "DECREMENT", 5, True, Decimal("0.001"),
    )  # fmt: skip
    assert one(
        database, "SELECT locked FROM ledger_balance WHERE user_id = 2 AND asset_id = 1"
    ) == (Decimal("0.00000077"),)


def test_an_order_that_waited_keeps_its_conditions_in_history(database: DatabaseHandle) -> None:
    tail = stop_and_transfer()
    triggered = tail.add(
        EventType.ORDER_TRIGGERED, OrderChanged(9_001, 1, 100, 0, 10, 100_000, 0, 0)
    )
    with opened(database) as books:
        book_all(books, tail.events)
    assert one(database, "SELECT is_parked, triggered_event_seq FROM trading_openorder") == (
        False,
        triggered,
    )
    tail.add(EventType.ORDER_AMENDED, OrderChanged(9_001, 1, 100, -2, 12, 120_000, 0, 0))
    with opened(database) as books:
        book_all(books, tail.events)
    assert one(database, "SELECT quantity, leaves_quantity FROM trading_openorder") == (
        Decimal("0.0012"),
        Decimal("0.0012"),
    )
    tail.add(
        EventType.ORDER_EXPIRED,
        OrderChanged(9_001, 1, 100, 12, 0, 0),
        flags=int(EventFlag.DONE),
        reason=Reason.GTD,
    )
    with opened(database) as books:
        book_all(books, tail.events)
    assert one(
        database,
        "SELECT status, reason, order_type, time_in_force, stop_price, triggered_event_seq"
        " FROM trading_orderhistory",
    ) == ("EXPIRED", "GTD", "TAKE_PROFIT_LIMIT", "GTD", Decimal("1.2"), triggered)
    verified(database)
