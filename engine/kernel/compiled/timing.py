# mypy: ignore-errors

"""TICK, dead-man switches and sessions of the compiled kernel: what happens at a time.

Invariant: nothing happens by itself: what is due fires in the next TICK, by (due, kind, id), and
what a halted market has due when it goes on.
"""

import cython
from cython.cimports.libc.stdlib import free, malloc, realloc
from cython.cimports.libc.string import memset

from engine.kernel.codes import (
    DEADMAN_FIRED,
    DEADMAN_SET,
    GTD_REACHED,
    INVALID_TIMEOUT,
    MALFORMED,
    NOTHING_CHANGES,
    OK,
    ORDER_CANCELED,
    ORDER_EXPIRED,
    SESSION_CLOSED,
    SESSION_ENDED,
    SESSION_OPEN,
    SESSION_OVER,
    SESSION_SET,
    SET_DEADMAN,
    TICK,
    TIMEOUT_MS_MAX,
    TIMER_DEADMAN,
    TIMER_GTD,
    TIMER_MARKET,
    TIMER_SESSION,
    UNKNOWN_SESSION,
    UNKNOWN_USER,
)
from engine.kernel.compiled.auction import reserve_for_uncross
from engine.kernel.compiled.bands import end_pause
from engine.kernel.compiled.events import emit_clear
from engine.kernel.compiled.extras import arm_expiry, extra_of, find_watch
from engine.kernel.compiled.layout import (
    CommandPtr,
    CorePtr,
    EventPtr,
    ExtraPtr,
    OrderPtr,
    SlotPtr,
    TimerPtr,
    WatchPtr,
    WordPtr,
    i64,
    u32,
    u64,
)
from engine.kernel.compiled.lookups import find_market, find_order, find_user
from engine.kernel.compiled.matching import end_order, take_out
from engine.kernel.compiled.memory import grown_capacity, reserve_events
from engine.kernel.compiled.symbols import (
    EVENTS_PER_COMMAND,
    TIMER_KIND_SHIFT,
    TRAIT_EXTRA,
    US_PER_MS,
    WORD_BYTES,
    sort_by_two_ids,
)
from engine.kernel.compiled.tables import insert, remove, reserve_table
from engine.kernel.compiled.timers import (
    arm_timer,
    disarm_timer,
    next_timer,
    reserve_timers,
    timer_key,
)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def apply_timing(core: CorePtr, command: CommandPtr) -> u32:
    """Apply TICK, SET_DEADMAN or SET_SESSION."""
    if command.kind == TICK:
        return tick(core)
    is_deadman: cython.bint = command.kind == SET_DEADMAN
    if not is_deadman and command.quantity != SESSION_OPEN and command.quantity != SESSION_CLOSED:
        return MALFORMED
    if not find_user(core, command.user_id):
        return UNKNOWN_USER
    index: u32 = find_watch(core, command.user_id)
    reason: u32
    if is_deadman:
        reason = deadman_refusal(command, core.watches + index)
    else:
        reason = session_refusal(command, core.watches + index)
    if reason or not reserve_watch(core):
        return reason
    if not index:
        index = take_watch(core, command.user_id)
    if is_deadman:
        set_deadman(core, command, core.watches + index)
    else:
        set_session(core, command, core.watches + index)
    drop_idle(core, index)
    return OK


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def reserve_watch(core: CorePtr) -> cython.bint:
    """Make room for one more watch and its timers; index 0 is a watch that watches nothing."""
    needed: u64 = core.watch_top + 1
    if needed > core.watch_capacity:
        capacity: u64 = grown_capacity(core.watch_capacity, needed)
        memory: cython.p_void = realloc(core.watches, capacity * cython.sizeof(core.watches[0]))
        if not memory:
            core.is_out_of_memory = 1
            return False
        core.watches = cython.cast(WatchPtr, memory)
        core.watch_capacity = cython.cast(u32, capacity)
        memset(core.watches, 0, cython.sizeof(core.watches[0]))
    if not reserve_table(cython.address(core.watch_table), 1) or not reserve_timers(core, 2):
        core.is_out_of_memory = 1
        return False
    return True


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def take_watch(core: CorePtr, user_id: i64) -> u32:
    index: u32 = core.watch_free
    if index:
        core.watch_free = core.watches[index].next_free
    else:
        index = core.watch_top
        core.watch_top += 1
    memset(core.watches + index, 0, cython.sizeof(core.watches[0]))
    core.watches[index].user_id = user_id
    insert(cython.address(core.watch_table), cython.cast(u64, user_id), index)
    return index


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def drop_idle(core: CorePtr, index: u32) -> cython.void:
    """Forget a watch that watches nothing."""
    watch: WatchPtr = core.watches + index
    if watch.timeout_ms or watch.session_id:
        return
    remove(cython.address(core.watch_table), cython.cast(u64, watch.user_id), index)
    watch.user_id = 0
    watch.next_free = core.watch_free
    core.watch_free = index


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def deadman_refusal(command: CommandPtr, watch: WatchPtr) -> u32:
    if command.quantity < 0 or command.quantity > TIMEOUT_MS_MAX:
        return INVALID_TIMEOUT
    return OK if command.quantity or watch.timeout_ms else NOTHING_CHANGES


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def set_deadman(core: CorePtr, command: CommandPtr, watch: WatchPtr) -> cython.void:
    """Arm a user's switch anew, or turn it off."""
    key: u64 = timer_key(TIMER_DEADMAN, watch.user_id)
    if watch.timeout_ms:
        disarm_timer(core, key)
    watch.timeout_ms = command.quantity
    watch.due = 0
    if watch.timeout_ms:
        watch.due = core.time_us + watch.timeout_ms * US_PER_MS
        arm_timer(core, watch.due, key)
    emit_deadman(core, watch, OK)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def emit_deadman(core: CorePtr, watch: WatchPtr, reason: u32) -> cython.void:
    event: EventPtr = emit_clear(core, DEADMAN_SET, 0)
    event.reason = reason
    event.body[0] = watch.user_id
    event.body[1] = watch.timeout_ms
    event.body[2] = watch.due


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def session_refusal(command: CommandPtr, watch: WatchPtr) -> u32:
    if command.order_id <= 0:
        return UNKNOWN_SESSION
    if command.amount < 0 or command.amount > TIMEOUT_MS_MAX:
        return INVALID_TIMEOUT
    if command.amount and command.quantity == SESSION_OPEN:
        return INVALID_TIMEOUT
    is_same: cython.bint = watch.session_id == command.order_id
    if is_same and watch.session_state == command.quantity:
        return NOTHING_CHANGES
    return UNKNOWN_SESSION if command.quantity == SESSION_CLOSED and not is_same else OK


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def set_session(core: CorePtr, command: CommandPtr, watch: WatchPtr) -> cython.void:
    """Open a session, in place of another one if need be, or begin the grace time of one."""
    key: u64 = timer_key(TIMER_SESSION, watch.user_id)
    if watch.session_state == SESSION_CLOSED:
        disarm_timer(core, key)
    watch.session_id = command.order_id
    watch.session_state = cython.cast(u32, command.quantity)
    watch.grace_ms = command.amount
    watch.session_due = 0
    if watch.session_state == SESSION_CLOSED:
        watch.session_due = core.time_us + watch.grace_ms * US_PER_MS
        arm_timer(core, watch.session_due, key)
    emit_session(core, watch.user_id, watch.session_id, watch.session_state, OK)
    event: EventPtr = core.events + core.event_count - 1
    event.body[3] = watch.grace_ms
    event.body[4] = watch.session_due


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def emit_session(
    core: CorePtr, user_id: i64, session_id: i64, state: u32, reason: u32
) -> cython.void:
    event: EventPtr = emit_clear(core, SESSION_SET, 0)
    event.reason = reason
    event.body[0] = user_id
    event.body[1] = session_id
    event.body[2] = state


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def tick(core: CorePtr) -> u32:
    """Fire everything that is due, by (due, kind, id)."""
    if not core.timer_count or next_timer(core).due > core.time_us:
        return OK if core.has_run_due else NOTHING_CHANGES
    while core.timer_count and next_timer(core).due <= core.time_us:
        timer: TimerPtr = next_timer(core)
        kind: u32 = cython.cast(u32, timer.key >> TIMER_KIND_SHIFT)
        ident: i64 = cython.cast(i64, timer.key & ((cython.cast(u64, 1) << TIMER_KIND_SHIFT) - 1))
        if not reserve_events(core, EVENTS_PER_COMMAND):
            return OK
        if kind < TIMER_DEADMAN:
            end_in_time(core, find_order(core, cython.cast(i64, timer.key)))
        elif kind == TIMER_DEADMAN:
            fire_deadman(core, find_watch(core, ident))
        elif kind == TIMER_MARKET:
            if not reserve_for_uncross(core):
                return OK
            end_pause(core, find_market(core, cython.cast(u32, ident)))
        elif kind == TIMER_SESSION:
            end_session(core, find_watch(core, ident))
        if core.is_out_of_memory:
            return OK
    return OK


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def end_in_time(core: CorePtr, index: u32) -> cython.void:
    end_order(core, index, ORDER_EXPIRED, take_out(core, index), GTD_REACHED)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def fire_deadman(core: CorePtr, index: u32) -> cython.void:
    """Cancel all that the user has open; the switch is off then."""
    watch: WatchPtr = core.watches + index
    disarm_timer(core, timer_key(TIMER_DEADMAN, watch.user_id))
    watch.timeout_ms = watch.due = 0
    if not cancel_all(core, watch.user_id, DEADMAN_FIRED, 0):
        return
    emit_deadman(core, watch, DEADMAN_FIRED)
    drop_idle(core, index)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def end_session(core: CorePtr, index: u32) -> cython.void:
    """Cancel what the user placed for as long as the session lasts."""
    watch: WatchPtr = core.watches + index
    session_id: i64 = watch.session_id
    disarm_timer(core, timer_key(TIMER_SESSION, watch.user_id))
    watch.session_id = watch.grace_ms = watch.session_due = 0
    watch.session_state = 0
    if not cancel_all(core, watch.user_id, SESSION_OVER, 1):
        return
    emit_session(core, watch.user_id, session_id, SESSION_ENDED, SESSION_OVER)
    drop_idle(core, index)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def is_meant(core: CorePtr, index: u32, user: u32, in_session: cython.bint) -> cython.bint:
    order: OrderPtr = core.orders + index
    if order.user != user:
        return False
    return not in_session or (
        order.traits & TRAIT_EXTRA != 0 and extra_of(core, index).session_id != 0
    )


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def cancel_all(core: CorePtr, user_id: i64, reason: u32, in_session: cython.bint) -> cython.bint:
    """Cancel a user's orders, or those of his session alone, by order id. False: memory ended."""
    user: u32 = find_user(core, user_id)
    slots: SlotPtr = core.order_table.slots
    count: u64 = 0
    place: u64
    for place in range(core.order_table.mask + 1):
        count += slots[place].value != 0 and is_meant(core, slots[place].value, user, in_session)
    pairs: WordPtr = cython.cast(WordPtr, malloc((count + 1) * 2 * WORD_BYTES))
    if not pairs or not reserve_events(core, (count + 1) * EVENTS_PER_COMMAND):
        free(pairs)
        core.is_out_of_memory = 1
        return False
    count = 0
    for place in range(core.order_table.mask + 1):
        if slots[place].value and is_meant(core, slots[place].value, user, in_session):
            pairs[2 * count] = core.orders[slots[place].value].order_id
            pairs[2 * count + 1] = slots[place].value
            count += 1
    sort_by_two_ids(pairs, count, 2 * WORD_BYTES)
    for place in range(count):
        index: u32 = find_order(core, pairs[2 * place])
        if index:  # another one's end may have ended it
            end_order(core, index, ORDER_CANCELED, take_out(core, index), reason)
    free(pairs)
    return True


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def stand_still(core: CorePtr, market: u32) -> cython.void:
    """Stop the timers of a market's orders: it is about to be halted."""
    place: u32
    for place in range(1, core.extra_top):
        extra: ExtraPtr = core.extras + place
        if extra.order and extra.is_armed and core.orders[extra.order].market == market:
            extra.is_armed = 0
            disarm_timer(core, timer_key(TIMER_GTD, core.orders[extra.order].order_id))


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def go_on(core: CorePtr, market: u32) -> cython.void:
    """Expire what became due while the market was halted, and start the other timers again."""
    pairs: WordPtr = cython.cast(WordPtr, malloc((core.extra_top + 1) * 2 * WORD_BYTES))
    count: u64 = 0
    place: u64
    if not pairs:
        core.is_out_of_memory = 1
        return
    for place in range(1, core.extra_top):
        extra: ExtraPtr = core.extras + place
        if not extra.order or not extra.expire or core.orders[extra.order].market != market:
            continue
        arm_expiry(core, extra.order)
        if extra.expire <= core.time_us:
            pairs[2 * count] = extra.expire
            pairs[2 * count + 1] = core.orders[extra.order].order_id
            count += 1
    sort_by_two_ids(pairs, count, 2 * WORD_BYTES)
    if reserve_events(core, (count + 1) * EVENTS_PER_COMMAND):
        for place in range(count):
            index: u32 = find_order(core, pairs[2 * place + 1])
            if index:
                end_in_time(core, index)
    free(pairs)
