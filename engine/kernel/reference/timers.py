"""Timers of the reference kernel: which are armed, and what they belong to.

A timer is (due, kind, id); all of them lie in one sorted list, so those that are due fire in an
order that depends on nothing else. Only a TICK fires them (see `timing`). Invariant: a timer is
armed for each open GTD order whose market is not halted, each armed switch and each closed session,
and for nothing else.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import TYPE_CHECKING

from engine.kernel.codes import HALT, PARKED_EVENTS, SESSION_OPEN, TIMER_GTD
from engine.kernel.reference.icebergs import tranches
from engine.kernel.reference.parking import next_due

if TYPE_CHECKING:
    from engine.kernel.reference.exchange import Exchange
from engine.kernel.reference.model import Order


class Watch:
    """A user's dead-man switch (`timeout_ms` 0 = off) and session (`session_id` 0 = none)."""

    __slots__ = ("due", "grace_ms", "session_due", "session_id", "session_state", "timeout_ms")

    def __init__(self) -> None:
        self.timeout_ms = 0
        self.due = 0
        self.session_id = 0
        self.session_state = 0
        self.grace_ms = 0
        self.session_due = 0


def arm(x: Exchange, due: int, kind: int, ident: int) -> None:
    insort(x.timers, (due, kind, ident))


def disarm(x: Exchange, due: int, kind: int, ident: int) -> None:
    """Take a timer out that is armed."""
    place = bisect_left(x.timers, (due, kind, ident))
    assert x.timers[place] == (due, kind, ident)
    del x.timers[place]


def open_session(x: Exchange, user_id: int) -> int:
    """Return the id of a user's open session, 0 if there is none."""
    watch = x.watches.get(user_id)
    return watch.session_id if watch and watch.session_state == SESSION_OPEN else 0


def next_timer_us(x: Exchange) -> int:
    """Return when the next TICK is due, 0 if none is."""
    if x.due and next_due(x):
        return max(x.time_us, 1)  # what a command left over runs as soon as it can
    return x.timers[0][0] if x.timers else 0


def event_bound(x: Exchange) -> int:
    """See `engine.kernel.interface.Kernel.event_bound`.

    One that is parked is triggered, fitted into its hold, and fills a part of an order.
    """
    more = sum(
        tranches(order.quantity, order.extra.display_lots) - 1
        for order in x.orders.values()
        if order.extra and order.is_iceberg
    )
    parked = sum(len(market.parked) for market in x.markets.values())
    paused = sum(market.pause_until_us > 0 for market in x.markets.values())
    several = len(x.orders) + more + len(x.watches) + len(x.lists) + paused
    return 2 * several + PARKED_EVENTS * parked


def arm_expiry(x: Exchange, order: Order) -> None:
    """Arm the timer of an order that has come to rest or wait, if it is GTD."""
    extra = order.extra
    if extra and extra.expire_time_us and order.market.state != HALT:
        arm(x, extra.expire_time_us, TIMER_GTD, order.order_id)


def disarm_expiry(x: Exchange, order: Order) -> None:
    extra = order.extra
    if extra and extra.expire_time_us and order.market.state != HALT:
        disarm(x, extra.expire_time_us, TIMER_GTD, order.order_id)
