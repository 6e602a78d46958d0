"""The answer to an order says exactly what a real kernel's events say."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import pytest

from apps.markets.grid import GridError
from apps.markets.types import AssetTerms, MarketTerms
from apps.trading.errors import OrderTermsError
from apps.trading.placing import OrderRequest, place_command, placed_order
from apps.trading.statements import OrderFill, PlacedOrder
from engine.client.types import outcome_of
from engine.kernel import load_kernel
from engine.proto.records import (
    INT64_MAX,
    Command,
    CommandType,
    OrderType,
    Side,
    StpMode,
    TimeInForce,
    pack_command,
)

ALICE, BOB = 11, 12
BASE: Final = AssetTerms(1, "BTC", 8, INT64_MAX, 1)
QUOTE: Final = AssetTerms(2, "USDT", 8, INT64_MAX, 2)
MARKET: Final = MarketTerms(
    market_id=1,
    symbol="BTCUSDT",
    base=BASE,
    quote=QUOTE,
    tick_atoms=10**6,
    lot_atoms=10**4,
    tick_lot_atoms=100,
    maker_fee=1_000,
    taker_fee=1_500,
    fee_in_quote=False,
    fee_per_lot=False,
    added_event_seq=3,
)
NOW_US: Final = 1_767_225_600_000_000  # 2026-01-01


class Desk:
    """A kernel with the market and two rich users."""

    def __init__(self) -> None:
        self.kernel = load_kernel("reference")
        self.tell(
            Command(CommandType.ADD_ASSET, asset_id=1, quantity=8, amount=INT64_MAX, text=b"BTC")
        )
        self.tell(
            Command(CommandType.ADD_ASSET, asset_id=2, quantity=8, amount=INT64_MAX, text=b"USDT")
        )
        self.tell(
            Command(
                CommandType.ADD_MARKET,
                market_id=1,
                asset_id=1,
                order_id=2,
                price=10**6,
                quantity=10**4,
                amount=1_000,
                ceiling=1_500,
                text=b"BTCUSDT",
            )
        )
        for user_id in (ALICE, BOB):
            self.tell(Command(CommandType.ADD_USER, user_id=user_id))
            for asset_id in (1, 2):
                self.tell(
                    Command(
                        CommandType.DEPOSIT,
                        user_id=user_id,
                        asset_id=asset_id,
                        amount=10**15,
                        request_id=bytes([user_id, asset_id] * 8),
                    )
                )

    def tell(self, command: Command) -> bytes:
        return bytes(self.kernel.apply(pack_command(command), NOW_US))

    def place(self, user_id: int, **terms: Any) -> PlacedOrder:
        command = place_command(OrderRequest(**terms), MARKET, user_id)
        command = command._replace(order_id=self.kernel.last_order_id + 1)
        return placed_order(outcome_of(self.tell(command)).expect(), MARKET)


def limit(side: Side, price: str, quantity: str, **more: Any) -> dict[str, Any]:
    return {
        "side": side,
        "order_type": OrderType.LIMIT,
        "price": price,
        "quantity": quantity,
        **more,
    }


def test_an_order_that_rests_is_open_with_all_of_it_left() -> None:
    placed = Desk().place(ALICE, **limit(Side.ASK, "60000.01", "0.5", client_order_id="my:1"))
    order = placed.order
    assert (order.status, order.reason, order.side, order.type, order.time_in_force) == (
        "OPEN", "NONE", "ASK", "LIMIT", "GTC",
    )  # fmt: skip
    assert (order.price, order.quantity, order.executed_quantity, order.leaves_quantity) == (
        "60000.01", "0.5", "0", "0.5",
    )  # fmt: skip
    assert (order.client_order_id, order.market, order.fee, order.fee_asset, order.fills) == (
        "my:1", "BTCUSDT", "0", "USDT", (),
    )  # fmt: skip
    assert order.accepted_at == datetime(2026, 1, 1, tzinfo=UTC)
    assert order.closed_at is None


def test_fills_state_exact_fees_in_the_received_asset() -> None:
    desk = Desk()
    desk.place(ALICE, **limit(Side.ASK, "60000", "0.0007"))
    desk.place(ALICE, **limit(Side.ASK, "60000.01", "0.0033"))
    placed = desk.place(BOB, **limit(Side.BID, "60001", "0.0035"))
    order = placed.order
    at = datetime(2026, 1, 1, tzinfo=UTC)
    assert order.fills == (
        OrderFill(
            trade_id=1, role="TAKER", price="60000", quantity="0.0007", quote_quantity="42",
            fee="0.00000105", fee_asset="BTC", executed_at=at,
        ),
        OrderFill(
            trade_id=2, role="TAKER", price="60000.01", quantity="0.0028",
            quote_quantity="168.000028", fee="0.0000042", fee_asset="BTC", executed_at=at,
        ),
    )  # fmt: skip
    assert (order.status, order.executed_quantity, order.leaves_quantity) == (
        "FILLED",
        "0.0035",
        "0",
    )
    assert (order.executed_quote, order.fee, order.fee_asset) == ("210.000028", "0.00000525", "BTC")
    assert order.closed_at == at


def test_an_order_filled_in_part_stays_open_with_the_rest() -> None:
    desk = Desk()
    desk.place(ALICE, **limit(Side.BID, "100", "0.25"))
    order = desk.place(BOB, **limit(Side.ASK, "99.5", "1")).order
    assert (order.status, order.executed_quantity, order.leaves_quantity) == (
        "OPEN",
        "0.25",
        "0.75",
    )
    assert (order.fee, order.fee_asset) == ("0.0375", "USDT")


def test_what_cannot_be_had_at_once_expires_with_its_reason() -> None:
    desk = Desk()
    desk.place(ALICE, **limit(Side.BID, "100", "0.25"))
    at_once = limit(Side.ASK, "100", "1", time_in_force=TimeInForce.IOC)
    order = desk.place(BOB, **at_once).order
    assert (order.status, order.reason) == ("EXPIRED", "TIME_IN_FORCE")
    assert (order.executed_quantity, order.removed_quantity, order.leaves_quantity) == (
        "0.25", "0.75", "0",
    )  # fmt: skip
    nothing = desk.place(BOB, side=Side.BID, order_type=OrderType.MARKET, quantity="1").order
    assert (nothing.status, nothing.price, nothing.time_in_force) == ("EXPIRED", None, "NONE")


@pytest.mark.parametrize(
    ("terms", "field", "expected"),
    [
        ({"order_type": OrderType.LIMIT}, "price", "a limit price with LIMIT"),
        ({"order_type": OrderType.LIMIT_MAKER}, "price", "a limit price with LIMIT_MAKER"),
        ({"order_type": OrderType.MARKET, "price": "1"}, "price", "none with MARKET"),
        (
            {"order_type": OrderType.MARKET, "time_in_force": TimeInForce.IOC},
            "time_in_force",
            "none with MARKET",
        ),
        (
            {"order_type": OrderType.LIMIT, "price": "1", "client_order_id": "a b"},
            "client_order_id",
            "at most 36 of letters, digits and - _ . : /",
        ),
        (
            {"order_type": OrderType.LIMIT, "price": "1", "client_order_id": "x" * 37},
            "client_order_id",
            "at most 36 of letters, digits and - _ . : /",
        ),
    ],
)
def test_terms_that_do_not_go_together_name_the_field(
    terms: dict[str, Any], field: str, expected: str
) -> None:
    with pytest.raises(OrderTermsError) as raised:
        place_command(OrderRequest(side=Side.BID, quantity="1", **terms), MARKET, ALICE)
    assert (raised.value.field, raised.value.expected) == (field, expected)


def test_a_quantity_off_the_grid_makes_no_command() -> None:
    with pytest.raises(GridError, match="quantity was"):
        place_command(OrderRequest(**limit(Side.BID, "1", "0.00001")), MARKET, ALICE)


def told(desk: Desk, **fields: Any) -> PlacedOrder:
    """The answer to a PLACE with terms that the trading API does not offer."""
    command = Command(
        CommandType.PLACE,
        market_id=1,
        order_id=desk.kernel.last_order_id + 1,
        **fields,
    )
    return placed_order(outcome_of(desk.tell(command)).expect(), MARKET)


def test_what_becomes_of_other_orders_is_not_told_as_the_orders_own() -> None:
    """The order ends a maker of its own user before it trades with another's, and rests."""
    desk = Desk()
    desk.place(ALICE, **limit(Side.ASK, "100", "1"))
    desk.place(BOB, **limit(Side.ASK, "100", "2"))
    placed = told(
        desk,
        side=Side.BID,
        order_type=OrderType.LIMIT,
        time_in_force=TimeInForce.GTC,
        user_id=ALICE,
        price=10_000,
        quantity=50_000,
        stp=StpMode.EXPIRE_MAKER,
    )
    order = placed.order
    assert (order.status, order.quantity, order.executed_quantity) == ("OPEN", "5", "2")
    assert (order.removed_quantity, order.leaves_quantity) == ("0", "3")
    assert (order.self_trade_prevention, order.stop_price) == ("EXPIRE_MAKER", None)
    assert placed.order.fills is not None
    assert [fill.quantity for fill in placed.order.fills] == ["2"]


def test_a_market_order_by_quote_amount_is_as_large_as_what_it_bought() -> None:
    desk = Desk()
    desk.place(BOB, **limit(Side.ASK, "100", "2"))
    placed = told(
        desk,
        side=Side.BID,
        order_type=OrderType.MARKET,
        user_id=ALICE,
        amount=150 * 10**8,
    )
    order = placed.order
    assert (order.quantity, order.executed_quantity, order.leaves_quantity) == ("1.5", "1.5", "0")
    assert (order.executed_quote, order.quote_amount) == ("150", "150")
    assert order.status in ("FILLED", "EXPIRED")


def test_prevented_lots_are_told_as_removed() -> None:
    desk = Desk()
    desk.place(ALICE, **limit(Side.ASK, "100", "2"))
    placed = told(
        desk,
        side=Side.BID,
        order_type=OrderType.LIMIT,
        time_in_force=TimeInForce.IOC,
        user_id=ALICE,
        price=10_000,
        quantity=10_000,
        stp=StpMode.DECREMENT,
    )
    order = placed.order
    assert (order.status, order.reason) == ("EXPIRED", "STP")
    assert (order.quantity, order.executed_quantity, order.removed_quantity) == ("1", "0", "1")
