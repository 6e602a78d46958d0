# mypy: ignore-errors
"""What few orders have beyond the common: a time to end at, a session, a trigger, a list.

An order says with one byte whether it has any of this; so the others pay one test for it.
Invariant: each extra in use belongs to one order that is open, or that a command is working on.
"""

import cython
from cython.cimports.libc.stdlib import realloc
from cython.cimports.libc.string import memset

from engine.kernel.codes import HALT, MARKET, ORDER_TERMS, SESSION_OPEN, TIMER_GTD
from engine.kernel.compiled.events import emit_clear
from engine.kernel.compiled.icebergs import end_iceberg
from engine.kernel.compiled.layout import (
    CommandPtr,
    CorePtr,
    EventPtr,
    ExtraPtr,
    OrderPtr,
    WatchPtr,
    i64,
    u32,
    u64,
)
from engine.kernel.compiled.list_life import find_list, note_list
from engine.kernel.compiled.memory import grown_capacity
from engine.kernel.compiled.symbols import TRAIT_EXTRA, TRAIT_STP
from engine.kernel.compiled.tables import find, insert, remove, reserve_table
from engine.kernel.compiled.timers import arm_timer, disarm_timer, reserve_timers, timer_key


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def reserve_extras(core: CorePtr, extra: u64) -> cython.bint:
    """Make room for so many more extras and their timers. False: memory ended, nothing changed."""
    needed: u64 = core.extra_top + extra
    if needed > core.extra_capacity:
        capacity: u64 = grown_capacity(core.extra_capacity, needed)
        memory: cython.p_void = realloc(core.extras, capacity * cython.sizeof(core.extras[0]))
        if not memory:
            core.is_out_of_memory = 1
            return False
        core.extras = cython.cast(ExtraPtr, memory)
        core.extra_capacity = cython.cast(u32, capacity)
    if not reserve_table(cython.address(core.extra_table), extra) or not reserve_timers(
        core, extra
    ):
        core.is_out_of_memory = 1
        return False
    return True


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def extra_of(core: CorePtr, index: u32) -> ExtraPtr:
    """Return the extra of an order that has one."""
    return core.extras + find(cython.address(core.extra_table), index)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def take_extra(core: CorePtr, index: u32) -> ExtraPtr:
    """Give an order an extra, empty; `reserve_extras` has made room."""
    place: u32 = core.extra_free
    if place:
        core.extra_free = core.extras[place].next_free
    else:
        place = core.extra_top
        core.extra_top += 1
    extra: ExtraPtr = core.extras + place
    memset(extra, 0, cython.sizeof(extra[0]))
    extra.order = index
    insert(cython.address(core.extra_table), index, place)
    core.orders[index].traits |= TRAIT_EXTRA
    return extra


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def drop_extra(core: CorePtr, index: u32) -> cython.void:
    """Take the extra of an order that has ended away, and its timer."""
    place: u32 = find(cython.address(core.extra_table), index)
    extra: ExtraPtr = core.extras + place
    if extra.display:
        end_iceberg(core, index)
    if extra.list_id:
        note_list(core, find_list(core, extra.list_id))
    if extra.is_armed:
        disarm_timer(core, timer_key(TIMER_GTD, core.orders[index].order_id))
    remove(cython.address(core.extra_table), index, place)
    extra.order = 0
    extra.next_free = core.extra_free
    core.extra_free = place


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def arm_expiry(core: CorePtr, index: u32) -> cython.void:
    """Arm the timer of an order that has come to rest or wait, if it is GTD and can expire now."""
    order: OrderPtr = core.orders + index
    extra: ExtraPtr = extra_of(core, index)
    if extra.expire and not extra.is_armed and core.markets[order.market].state != HALT:
        extra.is_armed = 1
        arm_timer(core, extra.expire, timer_key(TIMER_GTD, order.order_id))


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def find_watch(core: CorePtr, user_id: i64) -> u32:
    return find(cython.address(core.watch_table), cython.cast(u64, user_id))


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def open_session(core: CorePtr, user_id: i64) -> i64:
    """Return the id of a user's open session, 0 if there is none."""
    watch: WatchPtr = core.watches + find_watch(core, user_id)
    if watch.session_state == SESSION_OPEN:
        return watch.session_id
    return 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def emit_terms(core: CorePtr, index: u32, command: CommandPtr) -> cython.void:
    """Append an ORDER_TERMS, which comes directly before its ORDER_ACCEPTED."""
    order: OrderPtr = core.orders + index
    event: EventPtr = emit_clear(core, ORDER_TERMS, core.markets[order.market].market_id)
    event.flags = order.is_bid
    event.body[0] = order.order_id
    event.body[1] = command.user_id
    if command.order_type == MARKET:
        event.body[7] = command.amount
    event.body[8] = order.traits & TRAIT_STP
    if not order.traits & TRAIT_EXTRA:
        return
    extra: ExtraPtr = extra_of(core, index)
    event.body[2] = extra.stop
    event.body[3] = extra.delta
    event.body[4] = extra.display
    event.body[5] = extra.expire
    event.body[6] = extra.list_id
    event.body[9] = extra.session_id
