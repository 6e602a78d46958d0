"""The desk's plans, carried out by a real kernel, make each level the total that was asked for."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.markets.listings import MarketListing
from apps.trading.capture.book import LevelChange
from apps.trading.capture.desk import ORDERS_PER_ADDITION_MAX, LiquidityDesk
from engine.kernel import load_kernel
from engine.kernel.interface import Kernel
from engine.proto.records import (
    INT64_MAX,
    Command,
    CommandType,
    OrderAccepted,
    Reason,
    Side,
    pack_command,
    unpack_event,
)

USER: Final = 9
MARKET: Final = 1
LISTING: Final = MarketListing(
    symbol="AB",
    base_code="A",
    quote_code="B",
    tick_atoms=10**8,
    lot_atoms=10**8,
    published_tick_atoms=10**8,
    published_lot_atoms=10**8,
    min_price_ticks=1,
    max_price_ticks=1_000,
    min_quantity_lots=3,
    max_quantity_lots=50,
    min_notional_atoms=400 * 10**8,
)


def kernel_with_market() -> Kernel:
    """A kernel with the market, its filters and a rich user."""
    kernel = load_kernel("reference")
    setting = [
        Command(CommandType.ADD_ASSET, asset_id=1, quantity=8, amount=INT64_MAX, text=b"A"),
        Command(CommandType.ADD_ASSET, asset_id=2, quantity=8, amount=INT64_MAX, text=b"B"),
        Command(
            CommandType.ADD_MARKET,
            market_id=MARKET,
            asset_id=1,
            order_id=2,
            price=10**8,
            quantity=10**8,
            text=b"AB",
        ),
        Command(
            CommandType.SET_MARKET_FILTERS,
            market_id=MARKET,
            price=LISTING.min_price_ticks,
            ceiling=LISTING.max_price_ticks,
            quantity=LISTING.min_quantity_lots,
            order_id=LISTING.max_quantity_lots,
            amount=LISTING.min_notional_atoms,
        ),
        Command(CommandType.ADD_USER, user_id=USER),
    ]
    setting += [
        Command(
            CommandType.DEPOSIT,
            user_id=USER,
            asset_id=asset_id,
            amount=10**18,
            request_id=bytes([asset_id]) * 16,
        )
        for asset_id in (1, 2)
    ]
    for command in setting:
        execute(kernel, command)
    return kernel


def execute(kernel: Kernel, command: Command) -> int:
    """Apply a command that must be accepted; return the id of an order that it placed."""
    if command.type == CommandType.PLACE:
        command = command._replace(order_id=kernel.last_order_id + 1)
    header, body = unpack_event(kernel.apply(pack_command(command), 1))
    assert header.reason == Reason.NONE, (Reason(header.reason), command)
    return body.order_id if isinstance(body, OrderAccepted) else 0


def carry_out(kernel: Kernel, desk: LiquidityDesk, changes: list[LevelChange]) -> list[Command]:
    """Do what the replay does for one update; return the commands it took."""
    done = desk.plan_removals(changes)
    for command in done:
        execute(kernel, command)
    for planned in desk.plan_additions(changes):
        trim = desk.note_placed(planned, execute(kernel, planned.command))
        done.append(planned.command)
        if trim is not None:
            execute(kernel, trim)
            done.append(trim)
    return done


def bid(price: int, before: int, after: int) -> LevelChange:
    return LevelChange(Side.BID, Decimal(price), Decimal(before), Decimal(after))


def levels(kernel: Kernel) -> dict[tuple[Side, int], int]:
    """The book's totals by side and price."""
    book = kernel.book(MARKET, 100)
    assert book is not None
    return {
        (side, level.price_ticks): level.quantity_lots
        for side, side_levels in ((Side.BID, book[0]), (Side.ASK, book[1]))
        for level in side_levels
    }


def test_more_at_a_level_is_a_new_order_and_less_is_taken_from_the_newest() -> None:
    kernel, desk = kernel_with_market(), LiquidityDesk(LISTING, MARKET, USER)
    carry_out(kernel, desk, [bid(100, 0, 20)])
    carry_out(kernel, desk, [bid(100, 20, 30)])
    done = carry_out(kernel, desk, [bid(100, 30, 15)])
    assert [(c.type, c.order_id, c.quantity) for c in done] == [
        (CommandType.CANCEL, 2, 0),
        (CommandType.REDUCE, 1, 5),
    ]
    assert levels(kernel) == {(Side.BID, 100): 15}


def test_a_level_that_goes_is_canceled_order_by_order() -> None:
    kernel, desk = kernel_with_market(), LiquidityDesk(LISTING, MARKET, USER)
    carry_out(kernel, desk, [bid(100, 0, 120)])
    assert kernel.open_order_count == 3
    done = carry_out(kernel, desk, [bid(100, 120, 0)])
    assert [(c.type, c.order_id) for c in done] == [
        (CommandType.CANCEL, 3),
        (CommandType.CANCEL, 2),
        (CommandType.CANCEL, 1),
    ]
    assert levels(kernel) == {}


def test_an_addition_beyond_the_largest_order_is_cut_into_several() -> None:
    desk = LiquidityDesk(LISTING, MARKET, USER)
    pieces = desk.plan_additions([bid(100, 0, 120)])
    assert [(p.command.quantity, p.excess_lots) for p in pieces] == [(50, 0), (50, 0), (20, 0)]


@pytest.mark.parametrize(
    ("price", "lots", "quantity", "excess"),
    [(200, 1, 3, 2), (200, 3, 3, 0), (100, 3, 4, 1), (9, 1, 45, 44), (8, 50, 50, 0)],
)
def test_an_addition_below_the_least_size_is_placed_larger_and_reduced(
    price: int, lots: int, quantity: int, excess: int
) -> None:
    desk = LiquidityDesk(LISTING, MARKET, USER)
    (piece,) = desk.plan_additions([bid(price, 0, lots)])
    assert (piece.command.quantity, piece.excess_lots) == (quantity, excess)
    trim = desk.note_placed(piece, 77)
    if excess == 0:
        assert trim is None
    else:
        assert trim is not None
        assert (trim.type, trim.order_id, trim.quantity) == (CommandType.REDUCE, 77, excess)
    assert desk.total_lots((Side.BID, price)) == lots


def test_an_addition_whose_least_size_is_above_the_largest_order_is_an_error() -> None:
    desk = LiquidityDesk(LISTING, MARKET, USER)
    with pytest.raises(ValueError, match=r"AB addition was 1 lots at 7 ticks, .* of 58\.\.50 lots"):
        desk.plan_additions([bid(7, 0, 1)])


def test_the_orders_for_one_addition_are_bounded() -> None:
    desk = LiquidityDesk(LISTING, MARKET, USER)
    most = ORDERS_PER_ADDITION_MAX * LISTING.max_quantity_lots
    assert len(desk.plan_additions([bid(100, 0, most)])) == ORDERS_PER_ADDITION_MAX
    with pytest.raises(ValueError, match="expected at most 1000 orders"):
        desk.plan_additions([bid(100, 0, most + 1)])


PRICES: Final = st.integers(min_value=10, max_value=15)
TOTALS: Final = st.integers(min_value=0, max_value=130)
UPDATES: Final = st.lists(
    st.dictionaries(st.tuples(st.sampled_from(Side), PRICES), TOTALS, max_size=6), max_size=12
)


@settings(max_examples=60, deadline=None)
@given(UPDATES)
def test_after_every_update_the_book_is_what_was_asked_for(
    updates: list[dict[tuple[Side, int], int]],
) -> None:
    kernel, desk = kernel_with_market(), LiquidityDesk(LISTING, MARKET, USER)
    wanted: dict[tuple[Side, int], int] = {}
    for update in updates:
        changes = []
        for (side, offset), total in update.items():
            price = offset if side is Side.BID else offset + 10  # never crossed
            before = wanted.get((side, price), 0)
            changes.append(LevelChange(side, Decimal(price), Decimal(before), Decimal(total)))
            wanted[side, price] = total
        carry_out(kernel, desk, changes)
        assert levels(kernel) == {level: total for level, total in wanted.items() if total}
