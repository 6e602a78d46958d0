# mypy: ignore-errors
"""Timers of the compiled kernel: an indexed binary heap by (due, kind, id).

The heap holds indices into a pool, each timer knows its place in the heap, and a table finds a
timer by kind and id; so arming, disarming and looking at the next one cost a few steps however many
there are. Invariant: a timer is armed for each open GTD order whose market is not halted, each
armed switch and each closed session, and for whatever of a market's ends at a time.
"""

import cython
from cython.cimports.libc.stdlib import realloc

from engine.kernel.compiled.layout import CorePtr, TimerPtr, i64, u32, u64
from engine.kernel.compiled.memory import grown_capacity
from engine.kernel.compiled.symbols import TIMER_KIND_SHIFT
from engine.kernel.compiled.tables import find, insert, remove, reserve_table


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def timer_key(kind: u32, ident: i64) -> u64:
    """Return one word for both, in the order of (kind, id)."""
    return (cython.cast(u64, kind) << TIMER_KIND_SHIFT) | cython.cast(u64, ident)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def reserve_timers(core: CorePtr, extra: u64) -> cython.bint:
    """Make room for so many more timers. False, nothing changed, if memory ends."""
    needed: u64 = core.timer_count + extra + 1
    if needed > core.timer_capacity:
        capacity: u64 = grown_capacity(core.timer_capacity, needed)
        memory: cython.p_void = realloc(core.timers, capacity * cython.sizeof(core.timers[0]))
        if not memory:
            return False
        core.timers = cython.cast(TimerPtr, memory)
        memory = realloc(core.timer_heap, capacity * cython.sizeof(core.timer_heap[0]))
        if not memory:
            return False
        core.timer_heap = cython.cast(cython.pointer(u32), memory)
        core.timer_capacity = cython.cast(u32, capacity)
    return reserve_table(cython.address(core.timer_table), extra)


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def fires_before(core: CorePtr, first: u32, second: u32) -> cython.bint:
    one: TimerPtr = core.timers + first
    other: TimerPtr = core.timers + second
    return one.due < other.due or (one.due == other.due and one.key < other.key)


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def put_timer(core: CorePtr, place: u32, index: u32) -> cython.void:
    core.timer_heap[place] = index
    core.timers[index].place = place


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def settle_timer(core: CorePtr, index: u32, place: u32) -> cython.void:
    """Put a timer where it belongs, beginning at a free place of the heap."""
    heap: cython.pointer(u32) = core.timer_heap
    while place and fires_before(core, index, heap[(place - 1) >> 1]):
        put_timer(core, place, heap[(place - 1) >> 1])
        place = (place - 1) >> 1
    child: u32 = 2 * place + 1
    while child < core.timer_count:
        if child + 1 < core.timer_count and fires_before(core, heap[child + 1], heap[child]):
            child += 1
        if not fires_before(core, heap[child], index):
            break
        put_timer(core, place, heap[child])
        place = child
        child = 2 * place + 1
    put_timer(core, place, index)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def arm_timer(core: CorePtr, due: i64, key: u64) -> cython.void:
    """Arm a timer that is not armed; `reserve_timers` has made room."""
    index: u32 = core.timer_free
    if index:
        core.timer_free = core.timers[index].next_free
    else:
        index = core.timer_top
        core.timer_top += 1
    core.timers[index].due = due
    core.timers[index].key = key
    insert(cython.address(core.timer_table), key, index)
    core.timer_count += 1
    settle_timer(core, index, core.timer_count - 1)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def disarm_timer(core: CorePtr, key: u64) -> cython.void:
    """Take a timer out that is armed."""
    index: u32 = find(cython.address(core.timer_table), key)
    place: u32 = core.timers[index].place
    remove(cython.address(core.timer_table), key, index)
    core.timers[index].next_free = core.timer_free
    core.timer_free = index
    core.timer_count -= 1
    if place != core.timer_count:
        settle_timer(core, core.timer_heap[core.timer_count], place)


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def next_timer(core: CorePtr) -> TimerPtr:
    """Return the timer that fires first. There must be one."""
    return core.timers + core.timer_heap[0]
