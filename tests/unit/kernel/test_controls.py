"""Mass cancels (rule 22), suspensions (rule 35) and kill switches (rule 36)."""

from typing import Any

import pytest

from engine.kernel import load_kernel
from engine.kernel.state import PackedState, canonical_bytes
from engine.proto.records import (
    CancelAllDone,
    Command,
    CommandFlag,
    CommandType,
    EventFlag,
    KillSwitchSet,
    MarketState,
    OrderChanged,
    Reason,
    RequestReplayed,
    UserStatus,
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
    Event,
    cancel,
    force_cancel,
    kinds,
    market,
    move,
    reduce,
    request,
    set_state,
    set_status,
)

OTHER_MARKET = 2
OPERATOR = CommandFlag.OPERATOR


def open_desk(desk: Desk) -> dict[str, int]:
    """Two markets, and six orders of which two are BOB's; the ids do not rise with the price."""
    desk.open_market()
    desk.apply(market(market_id=OTHER_MARKET)._replace(text=b"BTCUSD2"))
    for user_id in (ALICE, BOB):
        desk.fund(user_id, USD, 10**9)
        desk.fund(user_id, BTC, 10**9)
    orders = {
        "bid": desk.rest(BID, ALICE, 90, 1),
        "ask": desk.rest(ASK, ALICE, 120, 2),
        "bobs bid": desk.rest(BID, BOB, 91, 3),
        "bobs ask": desk.rest(ASK, BOB, 110, 4),
        "low bid": desk.rest(BID, ALICE, 80, 5),
    }
    there = desk.place(BID, ALICE, 70, 6)._replace(market_id=OTHER_MARKET)
    assert kinds(desk.apply(there)) == ["ORDER_ACCEPTED"]
    return {**orders, "there": there.order_id}


def cancel_all(user_id: int = ALICE, **more: Any) -> Command:
    return Command(CommandType.CANCEL_ALL, user_id=user_id, **more)


def kill(is_on: bool, **scope: Any) -> Command:
    return Command(CommandType.SET_KILL_SWITCH, quantity=int(is_on), **scope)


def canceled(events: list[Event]) -> list[int]:
    bodies = [event.body for event in events if event.type.name == "ORDER_CANCELED"]
    return [body.order_id for body in bodies if isinstance(body, OrderChanged)]


def test_a_mass_cancel_ends_a_users_orders_by_ascending_id(desk: Desk) -> None:
    orders = open_desk(desk)
    events = desk.apply(cancel_all())
    mine = [orders[name] for name in ("bid", "ask", "low bid", "there")]
    assert canceled(events) == mine
    assert {event.reason for event in events[:-1]} == {Reason.MASS_CANCEL}
    assert {event.header.flags & EventFlag.OPERATOR for event in events} == {0}
    assert events[-1].body == CancelAllDone(ALICE, 0, 4)
    assert desk.balance(ALICE, USD)[1] == desk.balance(ALICE, BTC)[1] == 0
    assert desk.kernel.open_order_count == 2


@pytest.mark.parametrize(
    ("command", "names"),
    [
        (cancel_all(market_id=MARKET), ["bid", "ask", "low bid"]),
        (cancel_all(market_id=OTHER_MARKET), ["there"]),
        (cancel_all(quantity=1 + ASK), ["ask"]),
        (cancel_all(quantity=1 + BID), ["bid", "low bid", "there"]),
        (cancel_all(market_id=MARKET, quantity=1 + BID), ["bid", "low bid"]),
        (cancel_all(BOB, flags=OPERATOR), ["bobs bid", "bobs ask"]),
        (cancel_all(0, flags=OPERATOR, quantity=1 + ASK), ["ask", "bobs ask"]),
        (cancel_all(0, flags=OPERATOR, market_id=OTHER_MARKET), ["there"]),
    ],
)
def test_a_mass_cancel_ends_what_it_names_and_nothing_else(
    desk: Desk, command: Command, names: list[str]
) -> None:
    orders = open_desk(desk)
    events = desk.apply(command)
    assert canceled(events) == [orders[name] for name in names]
    assert events[-1].body == CancelAllDone(command.user_id, command.quantity, len(names))
    assert events[-1].header.market_id == command.market_id
    assert desk.kernel.open_order_count == 6 - len(names)


def test_an_operators_mass_cancel_says_so(desk: Desk) -> None:
    open_desk(desk)
    events = desk.apply(cancel_all(0, flags=OPERATOR))
    assert len(canceled(events)) == 6
    assert all(event.header.flags & EventFlag.OPERATOR for event in events[:-1])


def test_a_mass_cancel_of_nothing_is_accepted(desk: Desk) -> None:
    open_desk(desk)
    desk.apply(cancel_all())
    (event,) = desk.apply(cancel_all())
    assert event.body == CancelAllDone(ALICE, 0, 0)


def test_a_retried_mass_cancel_cancels_nothing_new(desk: Desk) -> None:
    open_desk(desk)
    command = cancel_all(request_id=request(5))
    first = desk.apply(command)[0].header.event_seq
    order_id = desk.rest(BID, ALICE, 90, 1)
    (again,) = desk.apply(command)
    assert again.body == RequestReplayed(CommandType.CANCEL_ALL, ALICE, 0, first, request(5))
    assert order_id in desk.queue(BID)
    other = cancel_all(request_id=request(5), market_id=MARKET)
    assert desk.refusal(other) is Reason.REQUEST_ID_REUSED


def test_a_mass_cancel_that_cannot_be_is_refused(desk: Desk) -> None:
    open_desk(desk)
    assert desk.refusal(cancel_all(99)) is Reason.UNKNOWN_USER
    assert desk.refusal(cancel_all(0)) is Reason.UNKNOWN_USER
    assert desk.refusal(cancel_all(99, flags=OPERATOR)) is Reason.UNKNOWN_USER
    assert desk.refusal(cancel_all(market_id=9)) is Reason.UNKNOWN_MARKET
    for side in (-1, 3, 2**32):
        assert desk.refusal(cancel_all(quantity=side)) is Reason.MALFORMED


def test_a_suspended_user_cancels_and_reduces_and_enters_nothing(desk: Desk) -> None:
    orders = open_desk(desk)
    desk.apply(set_status(ALICE, UserStatus.SUSPENDED))
    assert desk.kernel.open_order_count == 6
    assert desk.refusal(desk.place(BID, ALICE, 90, 1)) is Reason.USER_SUSPENDED
    assert desk.refusal(move(ALICE, orders["bid"], 95)) is Reason.USER_SUSPENDED
    assert kinds(desk.apply(reduce(ALICE, orders["ask"], 1))) == ["ORDER_REDUCED"]
    assert kinds(desk.apply(cancel(ALICE, orders["ask"]))) == ["ORDER_CANCELED"]


def test_a_suspension_cancels_what_rests_if_it_says_so(desk: Desk) -> None:
    orders = open_desk(desk)
    suspend = set_status(ALICE, UserStatus.SUSPENDED)._replace(flags=CommandFlag.CANCEL_RESTING)
    events = desk.apply(suspend)
    assert kinds(events) == ["USER_STATUS_SET"] + ["ORDER_CANCELED"] * 4
    assert canceled(events) == [orders[name] for name in ("bid", "ask", "low bid", "there")]
    assert {event.reason for event in events[1:]} == {Reason.USER_STATUS}
    assert desk.refusal(suspend) is Reason.NOTHING_CHANGES
    desk.apply(set_status(ALICE, UserStatus.ACTIVE))
    desk.rest(BID, ALICE, 90, 1)
    free = set_status(ALICE, UserStatus.ACTIVE)._replace(flags=CommandFlag.CANCEL_RESTING)
    assert desk.refusal(free) is Reason.MALFORMED


@pytest.mark.parametrize(
    ("scope", "count"), [({}, 6), ({"market_id": MARKET}, 5), ({"user_id": ALICE}, 4)]
)
def test_a_kill_switch_cancels_and_blocks_until_it_is_lifted(
    desk: Desk, scope: dict[str, int], count: int
) -> None:
    open_desk(desk)
    events = desk.apply(kill(True, **scope))
    assert events[0].body == KillSwitchSet(scope.get("user_id", 0), 1)
    assert events[0].header.market_id == scope.get("market_id", 0)
    assert kinds(events[1:]) == ["ORDER_CANCELED"] * count
    assert canceled(events) == sorted(canceled(events))
    assert {event.reason for event in events[1:]} == {Reason.KILL_SWITCH}
    for _ in range(2):
        assert desk.refusal(desk.place(BID, ALICE, 90, 1)) is Reason.KILL_SWITCH
    assert desk.refusal(move(ALICE, 1, 95)) is Reason.KILL_SWITCH
    assert desk.refusal(kill(True, **scope)) is Reason.NOTHING_CHANGES
    assert kinds(desk.apply(kill(False, **scope))) == ["KILL_SWITCH_SET"]
    assert desk.refusal(kill(False, **scope)) is Reason.NOTHING_CHANGES
    desk.rest(BID, ALICE, 90, 1)


def test_a_kill_switch_leaves_the_others_alone(desk: Desk) -> None:
    orders = open_desk(desk)
    desk.apply(kill(True, user_id=ALICE))
    desk.rest(BID, BOB, 90, 1)
    desk.apply(kill(False, user_id=ALICE), kill(True, market_id=OTHER_MARKET))
    desk.rest(BID, ALICE, 90, 1)
    assert kinds(desk.apply(cancel(BOB, orders["bobs bid"]))) == ["ORDER_CANCELED"]


def test_switches_of_several_scopes_must_all_be_lifted(desk: Desk) -> None:
    open_desk(desk)
    scopes: list[dict[str, int]] = [{}, {"market_id": MARKET}, {"user_id": ALICE}]
    desk.apply(*(kill(True, **scope) for scope in scopes))
    for scope in scopes:
        assert desk.refusal(desk.place(BID, ALICE, 90, 1)) is Reason.KILL_SWITCH
        desk.apply(kill(False, **scope))
    desk.rest(BID, ALICE, 90, 1)


def test_a_kill_switch_works_in_a_halt_and_comes_before_the_state(desk: Desk) -> None:
    open_desk(desk)
    desk.apply(set_state(MarketState.HALT))
    assert len(canceled(desk.apply(kill(True, market_id=MARKET)))) == 5
    assert desk.refusal(desk.place(BID, ALICE, 90, 1)) is Reason.KILL_SWITCH
    desk.apply(kill(False, market_id=MARKET))
    assert desk.refusal(desk.place(BID, ALICE, 90, 1)) is Reason.MARKET_NOT_TRADING


def test_an_operators_cancel_passes_a_kill_switch(desk: Desk) -> None:
    """Of an order in another market, whose user is not killed."""
    orders = open_desk(desk)
    desk.apply(kill(True, user_id=ALICE))
    assert kinds(desk.apply(force_cancel(orders["bobs bid"]))) == ["ORDER_CANCELED"]
    assert kinds(desk.apply(cancel_all(0, flags=OPERATOR)))[-1] == "CANCEL_ALL_DONE"


def test_a_kill_switch_that_cannot_be_is_refused(desk: Desk) -> None:
    open_desk(desk)
    assert desk.refusal(kill(True, user_id=99)) is Reason.UNKNOWN_USER
    assert desk.refusal(kill(True, market_id=9)) is Reason.UNKNOWN_MARKET
    assert desk.refusal(kill(True, user_id=ALICE, market_id=MARKET)) is Reason.MALFORMED
    for value in (-1, 2, 2**32):
        assert desk.refusal(kill(True)._replace(quantity=value)) is Reason.MALFORMED


def test_kill_switches_survive_a_restart(desk: Desk, kernel_name: str) -> None:
    open_desk(desk)
    desk.apply(kill(True, user_id=BOB), kill(True, market_id=OTHER_MARKET), kill(True))
    other = Desk(load_kernel(kernel_name))
    other.kernel.load_state(PackedState(canonical_bytes(desk.kernel)))
    assert canonical_bytes(other.kernel) == canonical_bytes(desk.kernel)
    bid = desk.place(BID, ALICE, 90, 1)
    assert other.refusal(bid) is Reason.KILL_SWITCH
    other.apply(kill(False))
    assert other.refusal(bid._replace(user_id=BOB)) is Reason.KILL_SWITCH
    assert other.refusal(bid._replace(market_id=OTHER_MARKET)) is Reason.KILL_SWITCH
    assert kinds(other.apply(bid)) == ["ORDER_ACCEPTED"]
