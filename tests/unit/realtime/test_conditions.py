"""Orders that wait, amends, icebergs and auctions, as feeds tell them."""

from __future__ import annotations

from typing import Any

import pytest

from engine.proto.records import (
    RECORD_BYTES,
    EventFlag,
    EventType,
    FundsTransferred,
    MarketState,
    MarketStateSet,
    MarketUncrossed,
    OrderChanged,
    OrderPrevented,
    OrderTerms,
    OrderType,
    Reason,
    Side,
    StpMode,
    TimeInForce,
    Trade,
)
from engine.proto.stream import StreamBatch
from tests.engine_events import BTC
from tests.unit.mirror.stream import AT_US, Tail
from tests.unit.realtime.support import Feed, Listener

STOP, ICEBERG, OTHER = 9_001, 9_002, 9_003
PARKED, DONE, BID = int(EventFlag.PARKED), int(EventFlag.DONE), int(EventFlag.BID)


class Told:
    """A hub, the events that it is told, and two listeners: user 1's orders and the book."""

    def __init__(self) -> None:
        self.feed = Feed()
        self.tail = Tail(self.feed.script)
        self.orders, self.book = Listener(), Listener()
        self.feed.hub.subscribe("orders", self.orders, 1)
        self.feed.hub.subscribe("book.BTCUSDT", self.book, None)
        self.feed.ask()
        self.tell()
        self.orders.take()

    def tell(self) -> None:
        """Bring the hub what was added."""
        hub = self.feed.hub
        first, last = hub.event_seq + 1, len(self.tail.events) // RECORD_BYTES
        if last >= first:
            packed = self.tail.events[(first - 1) * RECORD_BYTES :]
            hub.apply(StreamBatch(1, first, last, bytes(32), packed))
        hub.tick_books()

    def order(self) -> dict[str, Any]:
        """The newest update of an order."""
        self.tell()
        order: dict[str, Any] = self.orders.take()[-1]["order"]
        return order

    def levels(self) -> dict[str, list[tuple[int, int]]]:
        """Price in ticks and lots of every level of BTCUSDT."""
        self.tell()
        book = self.feed.hub.markets[1].book
        assert not book.is_stale

        return {"bids": book.top(Side.BID, 10), "asks": book.top(Side.ASK, 10)}


@pytest.fixture
def told() -> Told:
    return Told()


def stop(told: Told, **terms: int) -> None:
    """A stop order of user 1 that waits."""
    stated = OrderTerms(STOP, 1, 120, 250, 0, AT_US + 7, 0, 0, StpMode.EXPIRE_BOTH, 0)
    told.tail.add(EventType.ORDER_TERMS, stated._replace(**terms))
    told.tail.accept(STOP, order_type=OrderType.STOP_LOSS_LIMIT, tif=TimeInForce.GTD, flags=PARKED)


def iceberg(told: Told, display: int = 4) -> None:
    """An iceberg of user 1: ten lots at 100, of which `display` are shown."""
    told.tail.add(
        EventType.ORDER_TERMS, OrderTerms(ICEBERG, 1, 0, 0, display, 0, 0, 0, StpMode.NONE, 0)
    )
    told.tail.accept(ICEBERG)


def test_a_waiting_order_is_told_as_such_and_is_not_in_the_book(told: Told) -> None:
    stop(told)
    order = told.order()
    assert order["status"] == "open"
    assert order["waiting"] is True
    assert (order["type"], order["time_in_force"]) == ("STOP_LOSS_LIMIT", "GTD")
    assert (order["stop_price"], order["trailing_delta_bips"]) == ("1.2", 250)
    assert order["self_trade_prevention"] == "EXPIRE_BOTH"
    assert "display_quantity" not in order
    assert told.levels() == {"bids": [], "asks": []}


def test_a_triggered_order_enters_the_book_at_its_price(told: Told) -> None:
    stop(told)
    told.tail.add(EventType.ORDER_TRIGGERED, OrderChanged(STOP, 1, 100, 0, 10, 100_000))
    order = told.order()
    assert (order["status"], "waiting" in order) == ("open", False)
    assert told.levels()["asks"] == [(100, 10)]


def test_an_order_that_ends_while_it_waits_takes_nothing_off_the_book(told: Told) -> None:
    told.tail.accept(OTHER, user_id=2)
    stop(told)
    told.tail.add(
        EventType.ORDER_CANCELED, OrderChanged(STOP, 1, 100, 10, 0, 0), flags=PARKED | DONE,
        reason=Reason.LIST,
    )  # fmt: skip
    order = told.order()
    assert (order["status"], order["reason"]) == ("canceled", "list")
    assert told.levels()["asks"] == [(100, 10)]


def test_an_order_that_waited_before_anybody_listened_asks_for_the_book_when_it_triggers(
    told: Told,
) -> None:
    told.tail.add(EventType.ORDER_TRIGGERED, OrderChanged(STOP, 2, 100, 0, 10, 100_000))
    told.tell()
    assert told.feed.hub.markets[1].book.is_stale


def test_the_book_shows_of_an_iceberg_what_it_displays(told: Told) -> None:
    iceberg(told)
    assert told.order()["display_quantity"] == "0.0004"
    assert told.levels()["asks"] == [(100, 4)]
    told.tail.accept(OTHER, user_id=2, quantity=3, flags=BID, tif=TimeInForce.IOC)
    first = Trade(1, ICEBERG, OTHER, 1, 2, 100, 3, 0, 0, 70_000, 0)
    told.tail.add(EventType.TRADE, first, flags=BID | DONE)
    assert told.levels()["asks"] == [(100, 1)]
    told.tail.accept(OTHER, user_id=2, quantity=1, flags=BID, tif=TimeInForce.IOC)
    second = Trade(2, ICEBERG, OTHER, 1, 2, 100, 1, 0, 0, 60_000, 0, maker_refilled_lots=4)
    told.tail.add(EventType.TRADE, second, flags=BID | DONE)
    assert told.levels()["asks"] == [(100, 4)]
    told.tail.add(
        EventType.ORDER_CANCELED, OrderChanged(ICEBERG, 1, 100, 6, 0, 0, 4, 0), flags=DONE
    )
    assert told.levels()["asks"] == []


def test_an_amend_is_told_with_the_new_quantity_and_moves_the_level(told: Told) -> None:
    told.tail.accept(OTHER)
    told.tail.add(EventType.ORDER_AMENDED, OrderChanged(OTHER, 1, 101, -5, 15, 150_000))
    order = told.order()
    assert (order["quantity"], order["remaining"], order["price"]) == ("0.0015", "0.0015", "1.01")
    assert told.levels()["asks"] == [(101, 15)]


def test_prevented_lots_leave_the_level_and_may_end_the_order(told: Told) -> None:
    told.tail.accept(OTHER)
    told.tail.add(
        EventType.ORDER_PREVENTED, OrderPrevented(OTHER, 1, 100, 4, 6, 60_000, 0, 0, 8, 100),
        reason=Reason.STP,
    )  # fmt: skip
    assert (told.order()["remaining"], told.levels()["asks"]) == ("0.0006", [(100, 6)])
    told.tail.add(
        EventType.ORDER_PREVENTED, OrderPrevented(OTHER, 1, 100, 6, 0, 0, 0, 0, 8, 100),
        flags=DONE, reason=Reason.STP,
    )  # fmt: skip
    order = told.order()
    assert (order["status"], order["reason"]) == ("expired", "stp")
    assert told.levels()["asks"] == []


def test_a_crossed_book_is_published_in_an_auction_and_asked_for_at_its_end(told: Told) -> None:
    told.book.take()
    told.tail.add(EventType.MARKET_STATE_SET, MarketStateSet(MarketState.AUCTION))
    told.tail.accept(OTHER, price=100)
    told.tail.accept(ICEBERG, user_id=2, price=105, flags=BID)
    told.tell()
    (delta,) = told.book.take()
    assert delta["asks"] == [["1", "0.001"]]
    assert delta["bids"] == [["1.05", "0.001"]]
    told.tail.add(EventType.MARKET_UNCROSSED, MarketUncrossed(102, 10, 0, 102))
    told.tell()
    assert told.feed.hub.markets[1].book.is_stale


def test_outside_of_an_auction_a_crossed_book_is_the_middle_of_a_command(told: Told) -> None:
    told.book.take()
    told.tail.accept(OTHER, price=100)
    told.tail.accept(ICEBERG, user_id=2, price=105, flags=BID)
    told.tell()
    assert told.book.take() == []


def test_a_transfer_makes_both_sides_balances_be_asked_for(told: Told) -> None:
    told.feed.hub.subscribe("balances", Listener(), 1)
    told.feed.ask()
    leg = FundsTransferred(1, BTC, -5, 1, 2, bytes(16), b"")
    told.tail.add(EventType.FUNDS_TRANSFERRED, leg, market_id=0)
    told.tail.add(
        EventType.FUNDS_TRANSFERRED, leg._replace(user_id=2, amount_atoms=5, leg=2), market_id=0
    )
    told.tell()
    assert [user.user_id for user in told.feed.hub.balances_wanted()] == [1]
