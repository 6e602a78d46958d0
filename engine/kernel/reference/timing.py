"""TICK, dead-man switches and sessions of the reference kernel: what happens at a time.

Invariant: nothing happens by itself: what is due fires in the next TICK, by (due, kind, id), and
what a halted market has due when it goes on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.kernel.codes import (
    DEADMAN_FIRED,
    DEADMAN_SET,
    GTD_REACHED,
    MARKET_STATE_SET,
    OK,
    ORDER_EXPIRED,
    SESSION_CLOSED,
    SESSION_ENDED,
    SESSION_OPEN,
    SESSION_OVER,
    SESSION_SET,
    SET_DEADMAN,
    TICK,
    TIMER_DEADMAN,
    TIMER_GTD,
    TIMER_MARKET,
    TIMER_SESSION,
    VOLATILITY,
)
from engine.kernel.limits import TIMEOUT_MS_MAX
from engine.kernel.reference.auction import uncross
from engine.kernel.reference.bands import forget_pause
from engine.kernel.reference.checks import ADMIN_FORMS, Fields
from engine.kernel.reference.controls import cancel_orders
from engine.kernel.reference.matching import end_order, take_out
from engine.kernel.reference.timers import Watch, arm, arm_expiry, disarm, disarm_expiry
from engine.proto.records import Reason

if TYPE_CHECKING:
    from engine.kernel.reference.exchange import Exchange
    from engine.kernel.reference.model import Market, Order

_US_PER_MS: Final = 1_000


def apply_timing(x: Exchange, fields: Fields) -> int:
    """Apply TICK, SET_DEADMAN or SET_SESSION."""
    kind = fields[0]
    reason = ADMIN_FORMS[kind](fields)
    if reason:
        return reason
    if kind == TICK:
        return _tick(x)
    user_id = fields[8]
    if user_id not in x.users:
        return Reason.UNKNOWN_USER
    known = x.watches.get(user_id)
    watch = known or Watch()
    set_watch = _set_deadman if kind == SET_DEADMAN else _set_session
    reason = set_watch(x, watch, fields)
    if not reason and known is None:
        x.watches[user_id] = watch
    _drop_idle(x, user_id)
    return reason


def _drop_idle(x: Exchange, user_id: int) -> None:
    """Forget a user's watch that watches nothing."""
    watch = x.watches.get(user_id)
    if watch and not watch.timeout_ms and not watch.session_id:
        del x.watches[user_id]


def _set_deadman(x: Exchange, watch: Watch, fields: Fields) -> int:
    user_id, timeout_ms = fields[8], fields[11]
    if not 0 <= timeout_ms <= TIMEOUT_MS_MAX:
        return Reason.INVALID_TIMEOUT
    if not timeout_ms and not watch.timeout_ms:
        return Reason.NOTHING_CHANGES
    if watch.timeout_ms:
        disarm(x, watch.due, TIMER_DEADMAN, user_id)
    watch.timeout_ms = timeout_ms
    watch.due = x.time_us + timeout_ms * _US_PER_MS if timeout_ms else 0
    if timeout_ms:
        arm(x, watch.due, TIMER_DEADMAN, user_id)
    x.emit(DEADMAN_SET, 0, 0, OK, user_id, timeout_ms, watch.due)
    return OK


def _set_session(x: Exchange, watch: Watch, fields: Fields) -> int:
    """Open a session, in place of another one if need be, or begin the grace time of one."""
    user_id, session_id, state, grace_ms = fields[8], fields[9], fields[11], fields[12]
    if session_id <= 0:
        return Reason.UNKNOWN_SESSION
    if not 0 <= grace_ms <= TIMEOUT_MS_MAX or (grace_ms and state == SESSION_OPEN):
        return Reason.INVALID_TIMEOUT
    is_same = watch.session_id == session_id
    if is_same and watch.session_state == state:
        return Reason.NOTHING_CHANGES
    if state == SESSION_CLOSED and not is_same:
        return Reason.UNKNOWN_SESSION
    if watch.session_state == SESSION_CLOSED:
        disarm(x, watch.session_due, TIMER_SESSION, user_id)
    watch.session_id, watch.session_state, watch.grace_ms = session_id, state, grace_ms
    watch.session_due = 0
    if state == SESSION_CLOSED:
        watch.session_due = x.time_us + grace_ms * _US_PER_MS
        arm(x, watch.session_due, TIMER_SESSION, user_id)
    x.emit(SESSION_SET, 0, 0, OK, user_id, session_id, state, grace_ms, watch.session_due)
    return OK


def _tick(x: Exchange) -> int:
    """Fire everything that is due, by (due, kind, id)."""
    if not x.timers or x.timers[0][0] > x.time_us:
        return OK if x.due_run_at == x.command_seq else Reason.NOTHING_CHANGES
    while x.timers and x.timers[0][0] <= x.time_us:
        _, kind, ident = x.timers[0]
        if kind == TIMER_GTD:
            _expire(x, x.orders[ident])
        elif kind == TIMER_DEADMAN:
            _fire_deadman(x, ident)
        elif kind == TIMER_MARKET:
            _end_pause(x, x.markets[ident])
        else:
            _end_session(x, ident)
    return OK


def _expire(x: Exchange, order: Order) -> None:
    parked = take_out(x, order)
    end_order(x, order, ORDER_EXPIRED, flags=parked, reason=GTD_REACHED)


def _end_pause(x: Exchange, market: Market) -> None:
    """Let a market that volatility paused trade again, as it did before."""
    state = market.state_before_pause
    forget_pause(x, market)
    market.set_state(state)
    x.emit(MARKET_STATE_SET, market.market_id, 0, VOLATILITY, state)
    uncross(x, market, was_auction=True)


def _fire_deadman(x: Exchange, user_id: int) -> None:
    """Cancel all that the user has open; the switch is off then."""
    watch = x.watches[user_id]
    disarm(x, watch.due, TIMER_DEADMAN, user_id)
    watch.timeout_ms = watch.due = 0
    _cancel_all(x, user_id, DEADMAN_FIRED, in_session=False)
    x.emit(DEADMAN_SET, 0, 0, DEADMAN_FIRED, user_id, 0, 0)
    _drop_idle(x, user_id)


def _end_session(x: Exchange, user_id: int) -> None:
    """Cancel what the user placed for as long as the session lasts."""
    watch = x.watches[user_id]
    disarm(x, watch.session_due, TIMER_SESSION, user_id)
    session_id = watch.session_id
    watch.session_id = watch.session_state = watch.grace_ms = watch.session_due = 0
    _cancel_all(x, user_id, SESSION_OVER, in_session=True)
    x.emit(SESSION_SET, 0, 0, SESSION_OVER, user_id, session_id, SESSION_ENDED, 0, 0)
    _drop_idle(x, user_id)


def _cancel_all(x: Exchange, user_id: int, reason: int, *, in_session: bool) -> None:
    """Cancel a user's orders, or those of his session alone, by order id."""

    def is_meant(order: Order) -> bool:
        if order.user.user_id != user_id:
            return False
        return not in_session or (order.extra is not None and order.extra.session_id != 0)

    cancel_orders(x, is_meant, reason, 0)


def stand_still(x: Exchange, market: Market) -> None:
    """Stop the timers of a market's orders: it is about to be halted."""
    for order in _gtd_orders(x, market):
        disarm_expiry(x, order)


def go_on(x: Exchange, market: Market) -> None:
    """Expire what became due while the market was halted, and start the other timers again."""
    for order in _gtd_orders(x, market):
        arm_expiry(x, order)
    for order in _gtd_orders(x, market):
        if order.extra and order.extra.expire_time_us <= x.time_us and order.order_id in x.orders:
            _expire(x, order)


def _gtd_orders(x: Exchange, market: Market) -> list[Order]:
    """Return a market's GTD orders by (expire time, id)."""
    timed = [
        (order.extra.expire_time_us, order.order_id, order)
        for order in x.orders.values()
        if order.market is market and order.extra and order.extra.expire_time_us
    ]
    return [order for _, _, order in sorted(timed, key=lambda each: each[:2])]
