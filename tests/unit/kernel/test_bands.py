"""Rules 10, 29 and 30: percent price by side, the slippage allowance and the volatility pause."""

from typing import Any

import pytest

from engine.kernel import load_kernel
from engine.kernel.state import PackedState, canonical_bytes
from engine.proto.records import (
    PPM,
    Command,
    CommandFlag,
    CommandType,
    EventType,
    MarketBandsSet,
    MarketState,
    MarketStateSet,
    OrderChanged,
    OrderType,
    Reason,
    Side,
    TimeInForce,
    Trade,
    pack_command,
)
from tests.unit.kernel.desk import (
    ALICE,
    ASK,
    BID,
    BOB,
    BTC,
    MARKET,
    UNIT,
    USD,
    Desk,
    Event,
    kinds,
    move,
    read_events,
    set_state,
)

START = 10**12
PAUSE_US = 5_000_000


def open_desk(desk: Desk) -> Desk:
    desk.open_market()
    for user in (ALICE, BOB):
        desk.fund(user, BTC, START)
        desk.fund(user, USD, START)
    return desk


def bands(
    *,
    reference: int = 0,
    bid: tuple[int, int] = (0, 0),
    ask: tuple[int, int] = (0, 0),
    slippage: int = 0,
    volatility: int = 0,
    pause_us: int = 0,
) -> Command:
    return Command(
        CommandType.SET_MARKET_BANDS,
        market_id=MARKET,
        price=reference,
        quantity=bid[0] | bid[1] << 32,
        amount=ask[0] | ask[1] << 32,
        ceiling=slippage,
        order_id=volatility,
        spare=pause_us,
    )


def fills(events: list[Event]) -> list[tuple[int, int]]:
    """(lots, price) of each trade."""
    return [
        (event.body.quantity_lots, event.body.price_ticks)
        for event in events
        if isinstance(event.body, Trade)
    ]


def test_bands_are_told_number_by_number_and_come_back_with_the_state(desk: Desk) -> None:
    open_desk(desk)
    command = bands(
        reference=1_000,
        bid=(800_000, 1_100_000),
        ask=(900_000, 2**31 - 1),
        slippage=5_000,
        volatility=50_000,
        pause_us=PAUSE_US,
    )
    (event,) = desk.apply(command)
    assert event.body == MarketBandsSet(
        1_000, 800_000, 1_100_000, 900_000, 2**31 - 1, 5_000, 50_000, PAUSE_US
    )
    assert desk.refusal(command) is Reason.NOTHING_CHANGES
    state = canonical_bytes(desk.kernel)
    again = load_kernel(desk.kernel.name)
    again.load_state(PackedState(state))
    assert canonical_bytes(again) == state
    assert kinds(desk.apply(bands())) == ["MARKET_BANDS_SET"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"reference": -1},
        {"bid": (2, 1)},
        {"ask": (PPM, 1)},
        {"slippage": PPM},
        {"slippage": -1},
        {"volatility": PPM},
        {"pause_us": 86_400_000_001},
    ],
)
def test_bands_that_make_no_sense_are_refused(desk: Desk, wrong: dict[str, Any]) -> None:
    open_desk(desk)
    assert desk.refusal(bands(**wrong)) is Reason.INVALID_BAND
    elsewhere = bands(reference=1)._replace(market_id=9)
    assert desk.refusal(elsewhere) is Reason.UNKNOWN_MARKET


@pytest.mark.parametrize(
    ("side", "price", "passes"),
    [
        (BID, 801, False),
        (BID, 802, True),
        (BID, 1_102, True),
        (BID, 1_103, False),
        (ASK, 901, False),
        (ASK, 902, True),
        (ASK, 5_010, True),
        (ASK, 5_011, False),
    ],
)
def test_29_percent_price_by_side_at_its_bounds(
    desk: Desk, side: Side, price: int, passes: bool
) -> None:
    """Bounds of 1,002: 801.6 and 1,102.2 of a bid, 901.8 and 5,010 of an ask."""
    open_desk(desk)
    desk.apply(bands(reference=1_002, bid=(800_000, 1_100_000), ask=(900_000, 5_000_000)))
    order = desk.place(side, ALICE, price, 1)
    if passes:
        assert kinds(desk.apply(order)) == ["ORDER_ACCEPTED"]
    else:
        assert desk.refusal(order) is Reason.PERCENT_PRICE


def test_29_moves_amends_and_quotes_obey_it_too(desk: Desk) -> None:
    open_desk(desk)
    bid = desk.rest(BID, ALICE, 900, 1)
    desk.apply(bands(reference=1_000, bid=(800_000, 1_100_000), ask=(900_000, 1_200_000)))
    assert desk.refusal(move(ALICE, bid, 799)) is Reason.PERCENT_PRICE
    amend = Command(CommandType.AMEND, market_id=MARKET, user_id=ALICE, order_id=bid, price=1_101)
    assert desk.refusal(amend) is Reason.PERCENT_PRICE
    quote = Command(
        CommandType.QUOTE,
        market_id=MARKET,
        user_id=ALICE,
        order_id=500,
        price=900,
        quantity=1,
        ceiling=1_201,
        amount=1,
    )
    assert desk.refusal(quote) is Reason.PERCENT_PRICE
    assert kinds(desk.apply(quote._replace(ceiling=1_200))) == ["ORDER_ACCEPTED"] * 2


def test_29_without_any_reference_price_nothing_is_checked_then_the_last_counts(
    desk: Desk,
) -> None:
    open_desk(desk)
    desk.apply(bands(bid=(900_000, 1_100_000), volatility=1))
    desk.rest(ASK, BOB, 5_000, 1)
    assert fills(desk.apply(desk.place(BID, ALICE, 5_000, 1))) == [(1, 5_000)]
    assert desk.refusal(desk.place(BID, ALICE, 4_499, 1)) is Reason.PERCENT_PRICE
    desk.rest(BID, ALICE, 4_500, 1)
    desk.apply(bands(reference=100, bid=(900_000, 1_100_000)))
    assert desk.refusal(desk.place(BID, ALICE, 4_500, 1)) is Reason.PERCENT_PRICE


@pytest.mark.parametrize("side", [ASK, BID])
def test_a_market_order_stays_within_the_slippage_allowance(desk: Desk, side: Side) -> None:
    open_desk(desk)
    desk.apply(bands(slippage=10_000))
    other, step = (BID, -1) if side is ASK else (ASK, 1)
    for offset in (0, 9, 10, 11):
        desk.rest(other, BOB, 1_000 + step * offset, 2)
    events = desk.apply(desk.market_order(side, ALICE, 20))
    assert fills(events) == [(2, 1_000), (2, 1_000 + 9 * step), (2, 1_000 + 10 * step)]
    assert (events[-1].type, events[-1].reason) == (EventType.ORDER_EXPIRED, Reason.SLIPPAGE)
    assert isinstance(events[-1].body, OrderChanged)
    assert events[-1].body.removed_lots == 14
    assert desk.balance(ALICE, USD)[1] == desk.balance(ALICE, BTC)[1] == 0


def test_6_a_market_buy_is_held_for_what_the_allowance_lets_it_buy(desk: Desk) -> None:
    open_desk(desk)
    desk.apply(bands(slippage=10_000))
    desk.rest(ASK, BOB, 1_000, 2)
    desk.rest(ASK, BOB, 10**6, 10_000)
    events = desk.apply(desk.market_order(BID, ALICE, 10_000))
    assert events[0].body.reserved_atoms == 2_000 * UNIT  # type: ignore[union-attr]
    assert fills(events) == [(2, 1_000)]


def paused(desk: Desk) -> list[Event]:
    """ALICE's bid for 10 trades 3 lots within 2 % of 1,000, and then would trade beyond."""
    open_desk(desk)
    desk.apply(bands(reference=1_000, volatility=20_000, pause_us=PAUSE_US))
    for price in (1_000, 1_019, 1_020):
        desk.rest(ASK, BOB, price, 1)
    desk.rest(ASK, BOB, 1_021, 5)
    return desk.apply(desk.place(BID, ALICE, 1_050, 10))


def test_30_fills_before_the_limit_stand_the_rest_expires_and_the_market_pauses(
    desk: Desk,
) -> None:
    events = paused(desk)
    assert fills(events) == [(1, 1_000), (1, 1_019), (1, 1_020)]
    expired, state = events[-2:]
    assert (expired.type, expired.reason) == (EventType.ORDER_EXPIRED, Reason.VOLATILITY)
    assert isinstance(expired.body, OrderChanged)
    assert expired.body.removed_lots == 7
    assert (state.body, state.reason) == (MarketStateSet(MarketState.AUCTION), Reason.VOLATILITY)
    assert desk.kernel.markets()[0].state == MarketState.AUCTION
    assert desk.balance(ALICE, USD)[1] == 0
    assert desk.kernel.next_timer_us == desk.kernel.time_us + PAUSE_US


def test_30_the_limits_are_those_of_when_the_taker_began(desk: Desk) -> None:
    """Its own trades move the last price, and not its limits."""
    open_desk(desk)
    desk.apply(desk.place(ASK, BOB, 1_000, 1), desk.place(BID, ALICE, 1_000, 1))
    desk.apply(bands(volatility=20_000))
    for price in (1_015, 1_020, 1_025):
        desk.rest(ASK, BOB, price, 1)
    events = desk.apply(desk.place(BID, ALICE, 1_100, 3))
    assert fills(events) == [(1, 1_015), (1, 1_020)]
    assert kinds(events)[-2:] == ["ORDER_EXPIRED", "MARKET_STATE_SET"]
    assert desk.kernel.next_timer_us == 0  # without a time the pause ends by command


def test_30_a_taker_that_ends_at_the_limit_pauses_nothing(desk: Desk) -> None:
    open_desk(desk)
    desk.apply(bands(reference=1_000, volatility=20_000))
    desk.rest(ASK, BOB, 1_020, 1)
    desk.rest(ASK, BOB, 1_021, 1)
    assert kinds(desk.apply(desk.place(BID, ALICE, 1_050, 1)))[-1] == "TRADE"
    assert kinds(desk.apply(desk.place(BID, ALICE, 1_020, 1))) == ["ORDER_ACCEPTED"]


def test_10_a_fok_counts_nothing_beyond_the_bands_and_pauses_nothing(desk: Desk) -> None:
    open_desk(desk)
    desk.apply(bands(reference=1_000, volatility=20_000))
    desk.rest(ASK, BOB, 1_020, 5)
    desk.rest(ASK, BOB, 1_021, 5)
    fok = desk.place(BID, ALICE, 1_050, 6, time_in_force=TimeInForce.FOK)
    _, expired = desk.apply(fok)
    assert (expired.type, expired.reason) == (EventType.ORDER_EXPIRED, Reason.TIME_IN_FORCE)
    assert desk.kernel.markets()[0].state == MarketState.TRADING


def test_30_a_move_across_the_limit_pauses_too(desk: Desk) -> None:
    open_desk(desk)
    desk.apply(bands(reference=1_000, volatility=20_000))
    bid = desk.rest(BID, ALICE, 990, 4)
    desk.rest(ASK, BOB, 1_021, 5)
    events = desk.apply(move(ALICE, bid, 1_021))
    assert kinds(events) == ["ORDER_MOVED", "ORDER_EXPIRED", "MARKET_STATE_SET"]
    assert desk.balance(ALICE, USD)[1] == 0


def test_30_the_pause_ends_by_itself_and_uncrosses(desk: Desk) -> None:
    paused(desk)
    due = desk.kernel.next_timer_us
    desk.rest(BID, ALICE, 1_030, 2)
    state = canonical_bytes(desk.kernel)
    for kernel in (desk.kernel, load_kernel(desk.kernel.name)):
        if not kernel.time_us:
            kernel.load_state(PackedState(state))
        tick = pack_command(Command(CommandType.TICK))
        (early,) = read_events(kernel.apply(tick, due - 1))
        assert early.reason is Reason.NOTHING_CHANGES
        events = read_events(kernel.apply(tick, due))
        assert kinds(events) == ["MARKET_STATE_SET", "TRADE", "MARKET_UNCROSSED"]
        assert events[0].body == MarketStateSet(MarketState.TRADING)
        assert events[0].reason is Reason.VOLATILITY
        assert kernel.next_timer_us == 0


def test_30_an_operator_can_end_a_pause_or_make_it_a_halt(desk: Desk) -> None:
    paused(desk)
    bound = desk.kernel.event_bound
    desk.apply(set_state(MarketState.HALT))
    assert desk.kernel.next_timer_us == 0
    assert desk.kernel.event_bound == bound - 2
    assert kinds(desk.apply(set_state(MarketState.TRADING))) == ["MARKET_STATE_SET"]


def test_30_an_iceberg_that_takes_is_stopped_like_any_order(desk: Desk) -> None:
    open_desk(desk)
    desk.apply(bands(reference=1_000, volatility=20_000))
    desk.rest(ASK, BOB, 1_010, 2)
    desk.rest(ASK, BOB, 1_030, 2)
    order = desk.place(BID, ALICE, 1_050, 9, flags=CommandFlag.ICEBERG, ceiling=3)
    events = desk.apply(order)
    assert fills(events) == [(2, 1_010)]
    assert kinds(events)[-2:] == ["ORDER_EXPIRED", "MARKET_STATE_SET"]
    assert desk.kernel.event_bound == 2


@pytest.mark.parametrize(("slippage", "worst"), [(0, 1_100), (10_000, 1_111), (10_001, 1_112)])
def test_6_a_stop_buy_without_a_limit_holds_the_slippage_allowance_too(
    desk: Desk, slippage: int, worst: int
) -> None:
    open_desk(desk)
    if slippage:
        desk.apply(bands(slippage=slippage))
    kind = {"order_type": OrderType.STOP_LOSS, "time_in_force": TimeInForce.NONE}
    stop = desk.place(BID, ALICE, 0, 3, amount=1_100, **kind)
    assert kinds(desk.apply(stop)) == ["ORDER_TERMS", "ORDER_ACCEPTED"]
    assert desk.balance(ALICE, USD)[1] == 3 * worst * UNIT
