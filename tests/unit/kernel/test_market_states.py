"""Rule 31: every market state against every command, with the exact reason."""

import pytest

from engine.kernel import load_kernel
from engine.kernel.state import PackedState, canonical_bytes
from engine.kernel.states import MATRIX, SETTABLE, Ask
from engine.proto.records import (
    Command,
    CommandFlag,
    CommandType,
    EventType,
    MarketState,
    OrderType,
    Reason,
    TimeInForce,
)
from tests.unit.kernel.desk import (
    ALICE,
    ASK,
    BID,
    BOB,
    BTC,
    MARKET,
    USD,
    Desk,
    cancel,
    filters,
    force_cancel,
    kinds,
    move,
    reduce,
    set_state,
)

OPEN_STATES = sorted(SETTABLE - {MarketState.DELISTED})
# What each state lets in, once more by hand: the table in the code must say the same.
CANCELS = {Ask.CANCEL}
LIMITS = {Ask.LIMIT, Ask.LIMIT_IOC, Ask.LIMIT_FOK, Ask.LIMIT_MAKER, Ask.STOP_LIMIT, Ask.MOVE}
EXPECTED = {
    MarketState.TRADING: (Reason.NONE, set(Ask)),
    MarketState.CANCEL_ONLY: (Reason.MARKET_NOT_TRADING, CANCELS),
    MarketState.HALT: (Reason.MARKET_NOT_TRADING, CANCELS),
    MarketState.POST_ONLY: (Reason.MARKET_POST_ONLY, CANCELS | {Ask.LIMIT_MAKER, Ask.MOVE}),
    MarketState.LIMIT_ONLY: (Reason.MARKET_LIMIT_ONLY, CANCELS | LIMITS),
    MarketState.AUCTION: (
        Reason.MARKET_IN_AUCTION,
        CANCELS | {Ask.LIMIT, Ask.LIMIT_MAKER, Ask.MOVE},
    ),
    MarketState.CLOSED: (Reason.MARKET_CLOSED, set()),
    MarketState.DELISTED: (Reason.MARKET_DELISTED, set()),
}


def test_the_matrix_is_the_one_that_is_documented() -> None:
    assert set(MATRIX) == set(MarketState)
    for state, (refused, passing) in EXPECTED.items():
        assert set(MATRIX[state]) == set(Ask)
        for ask, reason in MATRIX[state].items():
            assert reason is (Reason.NONE if ask in passing else refused), (state, ask)


def open_desk(desk: Desk) -> tuple[int, int]:
    """ALICE's bid at 90 and BOB's ask at 110, of 9 lots each."""
    desk.open_market()
    for user_id in (ALICE, BOB):
        desk.fund(user_id, USD, 10**9)
        desk.fund(user_id, BTC, 10**9)
    return desk.rest(BID, ALICE, 90, 9), desk.rest(ASK, BOB, 110, 9)


def commands(desk: Desk, order_id: int) -> dict[Ask, Command]:
    """One well-formed command for each column that needs no trigger; none of them crosses."""
    limit = {"order_type": OrderType.LIMIT}
    return {
        Ask.LIMIT: desk.place(BID, ALICE, 80, 1),
        Ask.LIMIT_IOC: desk.place(BID, ALICE, 80, 1, time_in_force=TimeInForce.IOC, **limit),
        Ask.LIMIT_FOK: desk.place(BID, ALICE, 80, 1, time_in_force=TimeInForce.FOK, **limit),
        Ask.LIMIT_MAKER: desk.post_only(BID, ALICE, 80, 1),
        Ask.MARKET: desk.market_order(BID, ALICE, 1),
        Ask.FOK_BUDGET: desk.budget_order(BID, ALICE, 1, 100),
        Ask.MOVE: move(ALICE, order_id, 85),
        Ask.CANCEL: reduce(ALICE, order_id, 1),
    }


@pytest.mark.parametrize("state", OPEN_STATES)
def test_every_state_lets_in_what_the_matrix_says(desk: Desk, state: MarketState) -> None:
    bid, _ = open_desk(desk)
    if state is not MarketState.TRADING:
        desk.apply(set_state(state))
    for ask, command in commands(desk, bid).items():
        expected = MATRIX[state][ask]
        if expected:
            assert desk.refusal(command) is expected, ask
        else:
            assert desk.apply(command)[0].type is not EventType.REFUSED, ask
    last = desk.refusal(cancel(ALICE, bid)) if MATRIX[state][Ask.CANCEL] else None
    assert last in (None, Reason.MARKET_CLOSED)


@pytest.mark.parametrize("state", OPEN_STATES)
def test_an_operators_commands_pass_in_every_state(desk: Desk, state: MarketState) -> None:
    bid, _ = open_desk(desk)
    if state is not MarketState.TRADING:
        desk.apply(set_state(state))
    everybodys = Command(
        CommandType.CANCEL_ALL, market_id=MARKET, flags=CommandFlag.OPERATOR, quantity=1 + ASK
    )
    assert kinds(desk.apply(force_cancel(bid), everybodys, filters(lots_min=1))) == [
        "ORDER_CANCELED",
        "ORDER_CANCELED",
        "CANCEL_ALL_DONE",
        "MARKET_FILTERS_SET",
    ]


def test_post_only_lets_an_order_move_but_not_cross(desk: Desk) -> None:
    bid, _ = open_desk(desk)
    desk.apply(set_state(MarketState.POST_ONLY))
    assert desk.refusal(move(ALICE, bid, 110)) is Reason.WOULD_TAKE
    assert kinds(desk.apply(move(ALICE, bid, 109))) == ["ORDER_MOVED"]
    assert desk.refusal(desk.post_only(ASK, BOB, 109, 1)) is Reason.WOULD_TAKE
    assert desk.refusal(desk.place(ASK, BOB, 120, 1)) is Reason.MARKET_POST_ONLY


def test_limit_only_lets_limit_orders_trade(desk: Desk) -> None:
    open_desk(desk)
    desk.apply(set_state(MarketState.LIMIT_ONLY))
    assert kinds(desk.apply(desk.place(BID, ALICE, 110, 1))) == ["ORDER_ACCEPTED", "TRADE"]
    assert desk.refusal(desk.market_order(BID, ALICE, 1)) is Reason.MARKET_LIMIT_ONLY


def test_an_owner_cancels_nothing_in_a_closed_market(desk: Desk) -> None:
    bid, _ = open_desk(desk)
    desk.apply(set_state(MarketState.CLOSED))
    assert desk.refusal(cancel(ALICE, bid)) is Reason.MARKET_CLOSED
    assert desk.refusal(reduce(ALICE, bid, 1)) is Reason.MARKET_CLOSED
    mine = Command(CommandType.CANCEL_ALL, user_id=ALICE)
    assert desk.refusal(mine._replace(market_id=MARKET)) is Reason.MARKET_CLOSED
    assert kinds(desk.apply(mine)) == ["CANCEL_ALL_DONE"]  # wherever he may: not here
    assert desk.queue(BID) == [bid]
    desk.apply(set_state(MarketState.TRADING))
    assert kinds(desk.apply(mine)) == ["ORDER_CANCELED", "CANCEL_ALL_DONE"]


def test_a_delisted_market_holds_nothing_and_never_comes_back(desk: Desk) -> None:
    bid, ask = open_desk(desk)
    balances = {user: (desk.balance(user, USD), desk.balance(user, BTC)) for user in (ALICE, BOB)}
    events = desk.apply(set_state(MarketState.DELISTED))
    assert kinds(events) == ["MARKET_STATE_SET", "ORDER_CANCELED", "ORDER_CANCELED"]
    assert {event.reason for event in events[1:]} == {Reason.MARKET_STATE}
    assert desk.kernel.open_order_count == 0
    for user, (usd, btc) in balances.items():
        assert desk.balance(user, USD) == (sum(usd), 0)
        assert desk.balance(user, BTC) == (sum(btc), 0)
    for command in commands(desk, bid).values():
        assert desk.refusal(command) is Reason.MARKET_DELISTED
    assert desk.refusal(cancel(BOB, ask)) is Reason.MARKET_DELISTED
    for state in OPEN_STATES:
        assert desk.refusal(set_state(state)) is Reason.MARKET_DELISTED
    assert desk.refusal(set_state(MarketState.DELISTED)) is Reason.NOTHING_CHANGES


def test_a_number_that_is_no_state_is_malformed(desk: Desk) -> None:
    desk.open_market()
    for number in (0, -1, 9, 15, 16, 2**32 + 1, -(2**63)):
        command = set_state(MarketState.HALT)._replace(quantity=number)
        assert desk.refusal(command) is Reason.MALFORMED


@pytest.mark.parametrize("state", sorted(SETTABLE))
def test_a_state_survives_a_restart(desk: Desk, kernel_name: str, state: MarketState) -> None:
    """A halt in a closed session, say: what was refused before is refused after."""
    open_desk(desk)
    if state is not MarketState.TRADING:
        desk.apply(set_state(state))
    other = Desk(load_kernel(kernel_name))
    other.kernel.load_state(PackedState(canonical_bytes(desk.kernel)))
    assert canonical_bytes(other.kernel) == canonical_bytes(desk.kernel)
    command = desk.market_order(BID, ALICE, 1)
    (first, *_), (second, *_) = desk.apply(command), other.apply(command)
    assert (first.type, first.reason) == (second.type, second.reason)
    assert (first.type is EventType.REFUSED) == (MATRIX[state][Ask.MARKET] is not Reason.NONE)
