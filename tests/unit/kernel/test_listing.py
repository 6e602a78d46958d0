"""Assets, markets, users and their settings: what is accepted, told and refused."""

from typing import Any

import pytest

from engine.kernel.interface import AssetView, MarketView, UserView
from engine.proto.records import (
    INT64_MAX,
    AssetAdded,
    Command,
    CommandFlag,
    CommandType,
    EventType,
    FundsMoved,
    MarketAdded,
    MarketFeesSet,
    MarketFiltersSet,
    MarketState,
    MarketStateSet,
    Reason,
    UserSet,
    UserStatus,
)
from tests.unit.kernel.desk import (
    ALICE,
    BOB,
    BTC,
    LOT,
    UNIT,
    USD,
    Desk,
    filters,
    market,
    money,
    request,
    set_state,
    set_status,
)

NEW = Command(CommandType.ADD_ASSET, asset_id=9, quantity=2, amount=10, text=b"NEW")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"asset_id": 0}, Reason.UNKNOWN_ASSET),
        ({"asset_id": 65_536}, Reason.UNKNOWN_ASSET),
        ({"text": b""}, Reason.INVALID_SYMBOL),
        ({"text": b"new"}, Reason.INVALID_SYMBOL),
        ({"text": b"N-W"}, Reason.INVALID_SYMBOL),
        ({"text": b"N\0W"}, Reason.INVALID_SYMBOL),
        ({"text": b"N" * 21}, Reason.INVALID_SYMBOL),
        ({"quantity": -1}, Reason.INVALID_DECIMALS),
        ({"quantity": 19}, Reason.INVALID_DECIMALS),
        ({"amount": 0}, Reason.INVALID_MAX_TOTAL),
        ({"amount": -1}, Reason.INVALID_MAX_TOTAL),
        ({"price": 1}, Reason.MALFORMED),
        ({"request_id": request(1)}, Reason.MALFORMED),
    ],
)
def test_an_asset_that_is_not_valid_is_refused(
    desk: Desk, change: dict[str, Any], reason: Reason
) -> None:
    assert desk.refusal(NEW._replace(**change)) is reason
    assert desk.kernel.assets() == []


def test_assets_at_the_bounds_are_added(desk: Desk) -> None:
    (event,) = desk.apply(NEW._replace(asset_id=65_535, quantity=18, text=b"A" * 20))
    assert event.body == AssetAdded(65_535, 18, 10, b"A" * 20)
    desk.apply(NEW._replace(asset_id=1, quantity=0, amount=INT64_MAX))
    assert desk.kernel.assets() == [
        AssetView(1, "NEW", 0, INT64_MAX),
        AssetView(65_535, "A" * 20, 18, 10),
    ]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"market_id": 0}, Reason.UNKNOWN_MARKET),
        ({"market_id": 65_536}, Reason.UNKNOWN_MARKET),
        ({"text": b"BTC-EUR"}, Reason.INVALID_SYMBOL),
        ({"text": b"B" * 31}, Reason.INVALID_SYMBOL),
        ({"asset_id": 7}, Reason.UNKNOWN_ASSET),
        ({"order_id": 7}, Reason.UNKNOWN_ASSET),
        ({"order_id": BTC}, Reason.UNKNOWN_ASSET),
        ({"order_id": -1}, Reason.UNKNOWN_ASSET),
        ({"order_id": 2**32 + USD}, Reason.UNKNOWN_ASSET),
        ({"text": b"BTCUSD"}, Reason.ALREADY_EXISTS),
        ({"price": 0}, Reason.INVALID_TICK_OR_LOT),
        ({"quantity": 0}, Reason.INVALID_TICK_OR_LOT),
        ({"price": -(10**6)}, Reason.INVALID_TICK_OR_LOT),
        ({"price": 10**6 + 1}, Reason.INVALID_TICK_OR_LOT),
        ({"price": 1, "quantity": 10**7}, Reason.INVALID_TICK_OR_LOT),
        ({"price": 2**62, "quantity": 2}, Reason.INVALID_TICK_OR_LOT),
        ({"amount": -1}, Reason.REBATE),
        ({"amount": -1_000_001}, Reason.INVALID_FEE),
        ({"ceiling": -1}, Reason.INVALID_FEE),
        ({"amount": 10**6 + 1}, Reason.INVALID_FEE),
        ({"ceiling": 10**12 + 1, "flags": CommandFlag.FEE_PER_LOT}, Reason.INVALID_FEE),
        ({"flags": CommandFlag.OPERATOR}, Reason.MALFORMED),
    ],
)
def test_a_market_that_is_not_valid_is_refused(
    desk: Desk, change: dict[str, Any], reason: Reason
) -> None:
    desk.open_market()
    command = market(market_id=2)._replace(text=b"BTCEUR")._replace(**change)
    assert desk.refusal(command) is reason
    assert len(desk.kernel.markets()) == 1


def test_a_market_is_told_with_its_terms_and_opens_trading(desk: Desk) -> None:
    desk.open_market()
    command = market(market_id=2, maker=10**12, taker=5, flags=CommandFlag.FEE_PER_LOT)
    (event,) = desk.apply(command._replace(text=b"X" * 30))
    both = CommandFlag.FEE_IN_QUOTE | CommandFlag.FEE_PER_LOT
    assert event.header.market_id == 2
    assert event.body == MarketAdded(BTC, USD, 10**6, LOT, 10**12, 5, both, b"X" * 30)
    assert desk.kernel.markets()[1] == MarketView(
        market_id=2,
        symbol="X" * 30,
        base_asset_id=BTC,
        quote_asset_id=USD,
        tick_atoms=10**6,
        lot_atoms=LOT,
        tick_lot_atoms=UNIT,
        maker_fee=10**12,
        taker_fee=5,
        fee_flags=both,
        state=MarketState.TRADING,
        min_price_ticks=0,
        max_price_ticks=0,
        min_quantity_lots=0,
        max_quantity_lots=0,
        min_notional_atoms=0,
        last_price_ticks=0,
        last_trade_id=0,
    )


def test_filters_are_set_told_and_refused_when_they_contradict_or_change_nothing(
    desk: Desk,
) -> None:
    desk.open_market()
    command = filters(price_min=2, price_max=9, lots_min=3, lots_max=8, notional_min=7)
    (event,) = desk.apply(command)
    assert event.body == MarketFiltersSet(2, 9, 3, 8, 7)
    assert desk.refusal(command) is Reason.NOTHING_CHANGES
    for bad in (
        filters(price_min=10, price_max=9),
        filters(lots_min=9, lots_max=8),
        *(filters(**{name: -1}) for name in ("price_min", "price_max", "lots_min", "lots_max")),
        filters(notional_min=-1),
    ):
        assert desk.refusal(bad) is Reason.INVALID_FILTER
    desk.apply(filters(price_max=INT64_MAX))
    (event,) = desk.apply(filters())
    assert event.body == MarketFiltersSet(0, 0, 0, 0, 0)
    assert desk.refusal(filters()._replace(market_id=7)) is Reason.UNKNOWN_MARKET


def test_fees_are_set_told_and_refused_when_out_of_range_or_the_same(desk: Desk) -> None:
    desk.open_market()
    command = Command(CommandType.SET_MARKET_FEES, market_id=1, amount=5, ceiling=10**6)
    (event,) = desk.apply(command)
    assert event.body == MarketFeesSet(5, 10**6)
    assert desk.refusal(command) is Reason.NOTHING_CHANGES
    assert desk.refusal(command._replace(ceiling=10**6 + 1)) is Reason.INVALID_FEE
    assert desk.refusal(command._replace(amount=-1)) is Reason.REBATE
    assert desk.refusal(command._replace(market_id=7)) is Reason.UNKNOWN_MARKET


def test_a_market_state_is_set_told_and_refused_when_it_is_none_or_the_same(desk: Desk) -> None:
    desk.open_market()
    (event,) = desk.apply(set_state(MarketState.HALT))
    assert event.body == MarketStateSet(MarketState.HALT)
    assert desk.refusal(set_state(MarketState.HALT)) is Reason.NOTHING_CHANGES
    for number in (0, 9, -1, 2**32 + 1):
        command = set_state(MarketState.HALT)._replace(quantity=number)
        assert desk.refusal(command) is Reason.MALFORMED
    unknown = set_state(MarketState.TRADING)._replace(market_id=7)
    assert desk.refusal(unknown) is Reason.UNKNOWN_MARKET


def test_users_are_added_suspended_and_listed_by_id(desk: Desk) -> None:
    for user_id in (5, 2**47 - 1, 1):
        (event,) = desk.apply(Command(CommandType.ADD_USER, user_id=user_id))
        assert event.body == UserSet(user_id, UserStatus.ACTIVE)
    (event,) = desk.apply(set_status(5, UserStatus.SUSPENDED))
    assert event.body == UserSet(5, UserStatus.SUSPENDED)
    assert list(desk.kernel.users()) == [
        UserView(1, UserStatus.ACTIVE),
        UserView(5, UserStatus.SUSPENDED),
        UserView(2**47 - 1, UserStatus.ACTIVE),
    ]
    assert desk.kernel.user_count == 3
    for user_id in (0, -1, 2**47, INT64_MAX):
        command = Command(CommandType.ADD_USER, user_id=user_id)
        assert desk.refusal(command) is Reason.UNKNOWN_USER
    assert desk.refusal(set_status(5, UserStatus.SUSPENDED)) is Reason.NOTHING_CHANGES
    assert desk.refusal(set_status(0, UserStatus.SUSPENDED)) is Reason.UNKNOWN_USER
    malformed = set_status(5, UserStatus.ACTIVE)._replace(quantity=3)
    assert desk.refusal(malformed) is Reason.MALFORMED


def test_money_events_state_amount_id_and_reference(desk: Desk) -> None:
    desk.open_market()
    steps = [
        (CommandType.DEPOSIT, 500, EventType.FUNDS_DEPOSITED),
        (CommandType.WITHDRAW, 200, EventType.FUNDS_WITHDRAWN),
        (CommandType.ADJUST, -50, EventType.FUNDS_ADJUSTED),
        (CommandType.ADJUST, 7, EventType.FUNDS_ADJUSTED),
    ]
    for number, (kind, amount, expected) in enumerate(steps, start=1):
        command = money(kind, ALICE, USD, amount, request(number))._replace(text=b"tx:1")
        (event,) = desk.apply(command)
        assert event.type is expected
        assert event.body == FundsMoved(ALICE, USD, amount, request(number), b"tx:1")
    assert desk.balance(ALICE, USD) == (257, 0)
    (total,) = [view for view in desk.kernel.totals() if view.asset_id == USD]
    assert total == (USD, 257, 500, 200, -43)


def test_the_house_can_be_paid_and_paid_out_but_does_not_trade(desk: Desk) -> None:
    desk.open_market()
    desk.fund(0, USD, 500)
    desk.apply(money(CommandType.WITHDRAW, 0, USD, 200, request(1)))
    assert desk.balance(0, USD) == (300, 0)
    assert desk.kernel.balances(BOB) == []
