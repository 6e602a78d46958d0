"""What happens at a time: GTD orders, dead-man switches and sessions, fired by TICK alone."""

import pytest

from engine.kernel import load_kernel
from engine.kernel.state import PackedState, canonical_bytes
from engine.proto.records import (
    Command,
    CommandFlag,
    DeadmanSet,
    EventFlag,
    EventType,
    MarketState,
    OrderChanged,
    OrderTerms,
    Reason,
    SessionSet,
    SessionState,
    TimeInForce,
    UserStatus,
)
from tests.unit.kernel.desk import (
    ALICE,
    ASK,
    BID,
    BOB,
    BTC,
    LOT,
    USD,
    Desk,
    cancel,
    kinds,
    move,
    set_deadman,
    set_session,
    set_state,
    set_status,
    tick,
)

MS = 1_000
T0 = 1_000_000


def open_desk(desk: Desk) -> Desk:
    desk.open_market()
    desk.fund(ALICE, USD, 10**9)
    desk.fund(BOB, BTC, 10**9)
    assert desk.apply_at(T0) == []
    return desk


def gtd(desk: Desk, expire_us: int, price: int = 100, user: int = ALICE, **more: int) -> Command:
    side = BID if user == ALICE else ASK
    return desk.place(side, user, price, 5, time_in_force=TimeInForce.GTD, spare=expire_us, **more)


def test_a_gtd_order_states_its_end_and_lives_to_the_microsecond_before_it(desk: Desk) -> None:
    """Rule 33: at exactly the boundary, and by sequenced time only."""
    order = gtd(open_desk(desk), T0 + 50)
    terms, accepted = desk.apply_at(T0, order)
    assert terms.body == OrderTerms(order.order_id, ALICE, 0, 0, 0, T0 + 50, 0, 0, 0, 0)
    assert accepted.type is EventType.ORDER_ACCEPTED
    assert desk.kernel.next_timer_us == T0 + 50
    (early,) = desk.apply_at(T0 + 49, tick())
    assert (early.type, early.reason) == (EventType.REFUSED, Reason.NOTHING_CHANGES)
    (expired,) = desk.apply_at(T0 + 50, tick())
    assert (expired.type, expired.reason) == (EventType.ORDER_EXPIRED, Reason.GTD)
    assert expired.body == OrderChanged(order.order_id, ALICE, 100, 5, 0, 0)
    assert expired.header.flags == EventFlag.DONE | EventFlag.BID
    assert desk.balance(ALICE, USD) == (10**9, 0)
    assert desk.kernel.next_timer_us == 0
    assert desk.kernel.book(1, 5) == ([], [])


@pytest.mark.parametrize("expire_us", [T0, T0 - 1, 0, -5])
def test_a_gtd_order_without_a_time_to_come_is_refused(desk: Desk, expire_us: int) -> None:
    """Rule 33: at its own boundary an order is over before it begins."""
    order = gtd(open_desk(desk), expire_us)
    (event,) = desk.apply_at(T0, order)
    assert (event.type, event.reason) == (EventType.REFUSED, Reason.INVALID_EXPIRE_TIME)


def test_an_end_without_gtd_is_malformed(desk: Desk) -> None:
    order = gtd(open_desk(desk), T0 + 10)._replace(time_in_force=TimeInForce.GTC)
    assert desk.refusal(order) is Reason.MALFORMED


def test_what_is_left_of_a_gtd_order_trades_until_its_end_and_then_leaves(desk: Desk) -> None:
    order = gtd(open_desk(desk), T0 + 50)
    desk.apply_at(T0, desk.place(ASK, BOB, 100, 2))
    assert kinds(desk.apply_at(T0, order)) == ["ORDER_TERMS", "ORDER_ACCEPTED", "TRADE"]
    (expired,) = desk.apply_at(T0 + 60, tick())
    assert expired.body == OrderChanged(order.order_id, ALICE, 100, 3, 0, 0)


@pytest.mark.parametrize("how", ["filled", "cancelled", "filled at once"])
def test_an_order_that_ends_before_its_time_leaves_no_timer(desk: Desk, how: str) -> None:
    order = gtd(open_desk(desk), T0 + 50)
    if how == "filled at once":
        desk.apply_at(T0, desk.place(ASK, BOB, 100, 5))
    desk.apply_at(T0, order)
    if how == "filled":
        desk.apply_at(T0, desk.place(ASK, BOB, 100, 5))
    if how == "cancelled":
        desk.apply_at(T0, cancel(ALICE, order.order_id))
    assert desk.kernel.next_timer_us == 0
    assert desk.kernel.open_order_count == 0


def test_a_moved_gtd_order_keeps_its_end(desk: Desk) -> None:
    order = gtd(open_desk(desk), T0 + 50)
    desk.apply_at(T0, order, move(ALICE, order.order_id, 90))
    (expired,) = desk.apply_at(T0 + 50, tick())
    assert expired.body == OrderChanged(order.order_id, ALICE, 90, 5, 0, 0)


def test_timers_fire_by_time_and_then_by_order_id(desk: Desk) -> None:
    open_desk(desk)
    orders = [gtd(desk, T0 + end, price) for price, end in ((90, 30), (91, 10), (92, 30), (93, 20))]
    desk.apply_at(T0, *reversed(orders))
    events = desk.apply_at(T0 + 30, tick())
    assert [event.order_id for event in events] == [
        orders[1].order_id,
        orders[3].order_id,
        orders[0].order_id,
        orders[2].order_id,
    ]


def test_many_timers_fire_in_order_whatever_was_disarmed_between(desk: Desk) -> None:
    open_desk(desk)
    ends = [T0 + 1 + number * 7919 % 500 for number in range(500)]
    orders = [gtd(desk, end, 50 + number % 40) for number, end in enumerate(ends)]
    desk.apply_at(T0, *orders)
    gone = {order.order_id for order in orders[::3]}
    desk.apply_at(T0, *(cancel(ALICE, order_id) for order_id in gone))
    left = sorted((each.spare, each.order_id) for each in orders if each.order_id not in gone)
    assert desk.kernel.next_timer_us == left[0][0]
    events = desk.apply_at(T0 + 300, tick()) + desk.apply_at(T0 + 600, tick())
    assert [event.order_id for event in events] == [order_id for _, order_id in left]


def test_in_a_halt_an_end_waits_for_the_resume_and_comes_with_it(desk: Desk) -> None:
    """Rule 33: while halted, time stands still; what is overdue goes before anybody trades."""
    order = gtd(open_desk(desk), T0 + 50)
    later = gtd(desk, T0 + 900, 99)
    desk.apply_at(T0, order, later, set_state(MarketState.HALT))
    assert desk.kernel.next_timer_us == 0
    assert desk.apply_at(T0 + 60, tick())[0].reason is Reason.NOTHING_CHANGES
    assert desk.kernel.open_order_count == 2
    events = desk.apply_at(T0 + 70, set_state(MarketState.TRADING), desk.place(ASK, BOB, 100, 5))
    assert kinds(events) == ["MARKET_STATE_SET", "ORDER_EXPIRED", "ORDER_ACCEPTED"]
    assert (events[1].reason, events[1].order_id) == (Reason.GTD, order.order_id)
    assert desk.kernel.next_timer_us == T0 + 900


def test_a_gtd_order_cancelled_in_a_halt_is_gone(desk: Desk) -> None:
    order = gtd(open_desk(desk), T0 + 50)
    desk.apply_at(T0, order, set_state(MarketState.HALT), cancel(ALICE, order.order_id))
    assert kinds(desk.apply_at(T0 + 99, set_state(MarketState.TRADING))) == ["MARKET_STATE_SET"]


def test_a_dead_man_switch_fires_once_and_is_off_then(desk: Desk) -> None:
    """Rule 36."""
    open_desk(desk)
    first, second = desk.place(BID, ALICE, 90, 1), desk.place(BID, ALICE, 95, 2)
    other = desk.place(ASK, BOB, 120, 1)
    desk.apply_at(T0, second, first, other)
    (armed,) = desk.apply_at(T0, set_deadman(ALICE, 5))
    assert armed.body == DeadmanSet(ALICE, 5, T0 + 5 * MS)
    events = desk.apply_at(T0 + 5 * MS, tick())
    assert kinds(events) == ["ORDER_CANCELED", "ORDER_CANCELED", "DEADMAN_SET"]
    assert {event.reason for event in events} == {Reason.DEADMAN}
    assert [event.order_id for event in events[:2]] == [first.order_id, second.order_id]
    assert events[2].body == DeadmanSet(ALICE, 0, 0)
    assert desk.balance(ALICE, USD) == (10**9, 0)
    assert desk.queue(ASK) == [other.order_id]
    desk.apply_at(T0 + 6 * MS, desk.place(BID, ALICE, 90, 1))
    assert desk.apply_at(T0 + 99 * MS, tick())[0].reason is Reason.NOTHING_CHANGES


def test_each_call_arms_the_switch_anew_and_zero_disarms_it(desk: Desk) -> None:
    """Rule 36."""
    open_desk(desk)
    desk.apply_at(T0, desk.place(BID, ALICE, 90, 1), set_deadman(ALICE, 5))
    desk.apply_at(T0 + 4 * MS, set_deadman(ALICE, 5))
    assert desk.apply_at(T0 + 5 * MS, tick())[0].reason is Reason.NOTHING_CHANGES
    assert desk.kernel.next_timer_us == T0 + 9 * MS
    (off,) = desk.apply_at(T0 + 6 * MS, set_deadman(ALICE, 0))
    assert off.body == DeadmanSet(ALICE, 0, 0)
    assert desk.kernel.next_timer_us == 0
    assert desk.refusal(set_deadman(ALICE, 0)) is Reason.NOTHING_CHANGES
    assert desk.kernel.open_order_count == 1


@pytest.mark.parametrize("timeout_ms", [-1, 86_400_001, 2**62])
def test_a_switch_of_more_than_a_day_is_refused(desk: Desk, timeout_ms: int) -> None:
    assert desk_refusal(desk, set_deadman(ALICE, timeout_ms)) is Reason.INVALID_TIMEOUT


def test_nobody_has_no_switch_and_no_session(desk: Desk) -> None:
    assert desk_refusal(desk, set_deadman(99, 5)) is Reason.UNKNOWN_USER
    assert desk.refusal(set_session(99, 1, SessionState.OPEN)) is Reason.UNKNOWN_USER
    assert desk.refusal(set_deadman(0, 5)) is Reason.UNKNOWN_USER


def desk_refusal(desk: Desk, command: Command) -> Reason:
    return open_desk(desk).refusal(command)


def test_a_switch_fires_for_a_suspended_user_in_a_halted_market(desk: Desk) -> None:
    """Rule 36: it only cancels, and a cancel is let in everywhere."""
    open_desk(desk)
    desk.apply_at(T0, desk.place(BID, ALICE, 90, 1), set_deadman(ALICE, 5))
    desk.apply_at(T0, set_state(MarketState.HALT), set_status(ALICE, UserStatus.SUSPENDED))
    assert kinds(desk.apply_at(T0 + 5 * MS, tick())) == ["ORDER_CANCELED", "DEADMAN_SET"]


def session_order(desk: Desk, price: int) -> Command:
    return desk.place(BID, ALICE, price, 1, flags=CommandFlag.IN_SESSION)


def test_when_a_sessions_grace_time_is_over_its_orders_are_cancelled(desk: Desk) -> None:
    """Rule 36: cancel on disconnect, per session, after a grace time."""
    open_desk(desk)
    (opened,) = desk.apply_at(T0, set_session(ALICE, 7, SessionState.OPEN))
    assert opened.body == SessionSet(ALICE, 7, SessionState.OPEN, 0, 0)
    bound, free = session_order(desk, 90), desk.place(BID, ALICE, 91, 1)
    terms, *_ = desk.apply_at(T0, bound, free)
    assert terms.body == OrderTerms(bound.order_id, ALICE, 0, 0, 0, 0, 0, 0, 0, 7)
    (closed,) = desk.apply_at(T0, set_session(ALICE, 7, SessionState.CLOSED, 3))
    assert closed.body == SessionSet(ALICE, 7, SessionState.CLOSED, 3, T0 + 3 * MS)
    events = desk.apply_at(T0 + 3 * MS, tick())
    assert kinds(events) == ["ORDER_CANCELED", "SESSION_SET"]
    assert {event.reason for event in events} == {Reason.SESSION}
    assert events[0].order_id == bound.order_id
    assert events[1].body == SessionSet(ALICE, 7, SessionState.ENDED, 0, 0)
    assert desk.queue(BID) == [free.order_id]


def test_a_session_that_comes_back_in_time_loses_nothing(desk: Desk) -> None:
    """Rule 36."""
    open_desk(desk)
    desk.apply_at(T0, set_session(ALICE, 7, SessionState.OPEN), session_order(desk, 90))
    desk.apply_at(T0, set_session(ALICE, 7, SessionState.CLOSED, 3))
    desk.apply_at(T0 + 2 * MS, set_session(ALICE, 7, SessionState.OPEN))
    assert desk.kernel.next_timer_us == 0
    desk.apply_at(T0 + 2 * MS, set_session(ALICE, 7, SessionState.CLOSED, 3))
    desk.apply_at(T0 + 3 * MS, set_session(ALICE, 8, SessionState.OPEN))
    late = set_session(ALICE, 7, SessionState.CLOSED, 3)
    assert desk.refusal(late) is Reason.UNKNOWN_SESSION
    assert desk.kernel.open_order_count == 1


def test_an_order_in_a_session_needs_one_that_is_open(desk: Desk) -> None:
    open_desk(desk)
    assert desk.refusal(session_order(desk, 90)) is Reason.UNKNOWN_SESSION
    desk.apply_at(T0 + 1, set_session(ALICE, 7, SessionState.OPEN))
    desk.apply_at(T0 + 1, set_session(ALICE, 7, SessionState.CLOSED, 3))
    assert desk.refusal(session_order(desk, 90)) is Reason.UNKNOWN_SESSION


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (set_session(ALICE, 7, SessionState.OPEN), Reason.NOTHING_CHANGES),
        (set_session(ALICE, 0, SessionState.OPEN), Reason.UNKNOWN_SESSION),
        (set_session(ALICE, 8, SessionState.CLOSED), Reason.UNKNOWN_SESSION),
        (set_session(ALICE, 7, SessionState.CLOSED, -1), Reason.INVALID_TIMEOUT),
        (set_session(ALICE, 7, SessionState.CLOSED, 86_400_001), Reason.INVALID_TIMEOUT),
        (set_session(ALICE, 9, SessionState.OPEN, 1), Reason.INVALID_TIMEOUT),
        (set_session(ALICE, 7, SessionState.ENDED), Reason.MALFORMED),
        (tick()._replace(user_id=1), Reason.MALFORMED),
    ],
)
def test_a_session_that_cannot_be_set_is_refused(
    desk: Desk, command: Command, reason: Reason
) -> None:
    open_desk(desk)
    desk.apply_at(T0, set_session(ALICE, 7, SessionState.OPEN))
    assert desk.refusal(command) is reason


def test_what_is_due_when_a_state_is_loaded_fires_first(desk: Desk) -> None:
    """Rule 36: due at restart, fires first. Timers are made of the state, none is kept beside."""
    open_desk(desk)
    order = gtd(desk, T0 + 7 * MS)
    desk.apply_at(T0, order, set_deadman(BOB, 5), set_session(ALICE, 1, SessionState.OPEN))
    desk.apply_at(T0, set_session(ALICE, 1, SessionState.CLOSED, 6))
    state = canonical_bytes(desk.kernel)
    again = Desk(load_kernel(desk.kernel.name))
    again.kernel.load_state(PackedState(state))
    assert canonical_bytes(again.kernel) == state
    assert again.kernel.next_timer_us == T0 + 5 * MS
    assert again.kernel.event_bound == desk.kernel.event_bound == 6
    events = again.apply_at(T0 + 10 * MS, tick())
    assert events == desk.apply_at(T0 + 10 * MS, tick())
    assert kinds(events) == ["DEADMAN_SET", "SESSION_SET", "ORDER_EXPIRED"]
    assert len(events) <= 5
    assert again.kernel.next_timer_us == 0


def test_held_funds_come_back_when_a_gtd_ask_ends(desk: Desk) -> None:
    order = gtd(open_desk(desk), T0 + 5, 120, BOB)
    desk.apply_at(T0, order)
    assert desk.balance(BOB, BTC) == (10**9 - 5 * LOT, 5 * LOT)
    desk.apply_at(T0 + 5, tick())
    assert desk.balance(BOB, BTC) == (10**9, 0)
