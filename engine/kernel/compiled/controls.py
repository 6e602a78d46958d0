# mypy: ignore-errors
# ruff: noqa: F821  (a bare annotation declares a C variable)
"""What stops trading: kill switches, mass cancels and a user's status.

Each is one command; the orders that it cancels end in ascending order of their ids, wherever they
wait. Invariant: nothing that is cancelled here trades any more in the same command.
"""

import cython
from cython.cimports.libc.stdlib import free, malloc

from engine.kernel.codes import (
    ACTIVE,
    BY_OPERATOR,
    CANCEL_ALL_DONE,
    CANCEL_RESTING,
    KILL_SWITCH,
    KILL_SWITCH_SET,
    MALFORMED,
    MASS_CANCEL,
    NOTHING_CHANGES,
    OK,
    ORDER_CANCELED,
    SUSPENDED,
    UNKNOWN_MARKET,
    UNKNOWN_USER,
    USER_STATUS,
    USER_STATUS_SET,
)
from engine.kernel.compiled.events import emit_clear
from engine.kernel.compiled.gates import owner_refusal
from engine.kernel.compiled.layout import (
    CommandPtr,
    CorePtr,
    EventPtr,
    OrderPtr,
    Picked,
    PickedPtr,
    WordPtr,
    i64,
    u8,
    u32,
    u64,
)
from engine.kernel.compiled.lookups import find_market, find_order, find_user
from engine.kernel.compiled.matching import end_order, take_out
from engine.kernel.compiled.memory import reserve_events
from engine.kernel.compiled.symbols import (
    EVENTS_PER_COMMAND,
    GATE_KILLED,
    GATE_SUSPENDED,
    WORD_BYTES,
    sort_by_two_ids,
)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def is_picked(core: CorePtr, picked: PickedPtr, index: u32) -> cython.bint:
    order: OrderPtr = core.orders + index
    if picked.user and order.user != picked.user:
        return False
    if picked.market and order.market != picked.market:
        return False
    if picked.side and order.is_bid != (picked.side == 2):
        return False
    return not picked.is_owner or not owner_refusal(core, core.markets + order.market)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def pick_orders(core: CorePtr, picked: PickedPtr) -> cython.bint:
    """Note the open orders that are meant, by ascending id, and make room for their events.

    False, with nothing changed, if memory ends; else `picked.pairs` is to be freed.
    """
    count: u64 = 0
    place: u64
    index: u32
    for place in range(core.order_table.mask + 1):
        index = core.order_table.slots[place].value
        if index and is_picked(core, picked, index):
            count += 1
    picked.count = count
    picked.pairs = cython.cast(WordPtr, malloc((count + 1) * 2 * WORD_BYTES))
    if not picked.pairs or not reserve_events(core, 2 * count + EVENTS_PER_COMMAND):
        free(picked.pairs)
        core.is_out_of_memory = 1
        return False
    pair: WordPtr = picked.pairs
    for place in range(core.order_table.mask + 1):
        index = core.order_table.slots[place].value
        if index and is_picked(core, picked, index):
            pair[0] = core.orders[index].order_id
            pair[1] = index
            pair += 2
    sort_by_two_ids(picked.pairs, count, 2 * WORD_BYTES)
    return True


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def cancel_picked(core: CorePtr, picked: PickedPtr, flags: u32, reason: u32) -> u64:
    """Cancel what was picked, unless it has ended with one before it; return how many."""
    count: u64 = 0
    place: u64
    for place in range(picked.count):
        index: u32 = find_order(core, picked.pairs[2 * place])
        if index:
            end_order(core, index, ORDER_CANCELED, flags | take_out(core, index), reason)
            count += 1
    free(picked.pairs)
    return count


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def mass_cancel(core: CorePtr, command: CommandPtr) -> u32:
    """Cancel a user's orders, or as an operator everybody's, in a market, on a side or all."""
    picked: Picked
    picked.market = find_market(core, command.market_id)
    picked.user = find_user(core, command.user_id) if command.user_id else 0
    picked.side = cython.cast(u32, command.quantity)
    picked.is_owner = not command.flags
    if command.market_id:
        if not picked.market:
            return UNKNOWN_MARKET
        reason: u32 = owner_refusal(core, core.markets + picked.market)
        if reason and picked.is_owner:
            return reason
    if not pick_orders(core, cython.address(picked)):
        return OK
    flags: u32 = 0 if picked.is_owner else BY_OPERATOR
    count: u64 = cancel_picked(core, cython.address(picked), flags, MASS_CANCEL)
    event: EventPtr = emit_clear(core, CANCEL_ALL_DONE, command.market_id)
    event.body[0] = command.user_id
    event.body[1] = command.quantity
    event.body[2] = cython.cast(i64, count)
    return OK


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def kill_refusal(core: CorePtr, command: CommandPtr) -> u32:
    if command.quantity < 0 or command.quantity > 1 or (command.market_id and command.user_id):
        return MALFORMED
    gate: u32 = core.gate
    if command.user_id:
        user: u32 = find_user(core, command.user_id)
        if not user:
            return UNKNOWN_USER
        gate = core.users[user].gate
    elif command.market_id:
        market: u32 = find_market(core, command.market_id)
        if not market:
            return UNKNOWN_MARKET
        gate = core.markets[market].gate
    return NOTHING_CHANGES if ((gate & GATE_KILLED) != 0) == (command.quantity == 1) else OK


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def set_kill_switch(core: CorePtr, command: CommandPtr) -> u32:
    """Switch a user, a market or everything off, and cancel what rests there; or on again."""
    reason: u32 = kill_refusal(core, command)
    if reason:
        return reason
    picked: Picked
    picked.market = find_market(core, command.market_id)
    picked.user = find_user(core, command.user_id) if command.user_id else 0
    picked.side = picked.is_owner = 0
    if command.quantity and not pick_orders(core, cython.address(picked)):
        return OK
    gate: cython.pointer(u32) = cython.address(core.gate)
    if picked.user:
        gate = cython.address(core.users[picked.user].gate)
    elif picked.market:
        gate = cython.address(core.markets[picked.market].gate)
    gate[0] ^= GATE_KILLED
    event: EventPtr = emit_clear(core, KILL_SWITCH_SET, command.market_id)
    event.body[0] = command.user_id
    event.body[1] = command.quantity
    if command.quantity:
        cancel_picked(core, cython.address(picked), BY_OPERATOR, KILL_SWITCH)
    return OK


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def set_user_status(core: CorePtr, command: CommandPtr) -> u32:
    """Suspend or free a user; his orders rest on unless the command says otherwise."""
    if command.quantity < ACTIVE or command.quantity > SUSPENDED:
        return MALFORMED
    cancels: cython.bint = command.flags == CANCEL_RESTING
    if cancels and command.quantity != SUSPENDED:
        return MALFORMED
    index: u32 = find_user(core, command.user_id)
    if not index:
        return UNKNOWN_USER
    if core.users[index].status == command.quantity:
        return NOTHING_CHANGES
    picked: Picked
    picked.user = index
    picked.market = picked.side = picked.is_owner = 0
    if cancels and not pick_orders(core, cython.address(picked)):
        return OK
    core.users[index].status = cython.cast(u8, command.quantity)
    core.users[index].gate ^= GATE_SUSPENDED
    event: EventPtr = emit_clear(core, USER_STATUS_SET, 0)
    event.body[0] = command.user_id
    event.body[1] = command.quantity
    if cancels:
        cancel_picked(core, cython.address(picked), BY_OPERATOR, USER_STATUS)
    return OK
