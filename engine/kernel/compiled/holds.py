# mypy: ignore-errors
"""Holds for withdrawals: HOLD locks, SETTLE_HOLD takes out, RELEASE_HOLD gives back.

A hold is known by its business id for ever and ends once, in one of two ways. Invariant: an
account's `locked` is the sum of what its owner's open orders reserve and of his open holds.
"""

import cython
from cython.cimports.libc.stdlib import realloc

from engine.kernel.codes import (
    CAPACITY,
    FUNDS_HELD,
    HOLD_RELEASED,
    HOLD_RELEASED_EVENT,
    HOLD_SETTLED,
    HOLD_SETTLED_EVENT,
    INSUFFICIENT_BALANCE,
    INT64_MAX,
    INVALID_AMOUNT,
    MALFORMED,
    OK,
    OVERFLOW,
    REQUEST_ID_REQUIRED,
    REQUEST_ID_REUSED,
    SETTLE_HOLD,
    UNKNOWN_ASSET,
    UNKNOWN_HOLD,
    UNKNOWN_USER,
)
from engine.kernel.compiled.accounts import available_in, find_account, lock, spend
from engine.kernel.compiled.events import emit_clear, emit_replayed, put_request_id, put_text
from engine.kernel.compiled.forms import fingerprint_of
from engine.kernel.compiled.layout import (
    AssetPtr,
    BusinessIdPtr,
    CommandPtr,
    CorePtr,
    EventPtr,
    HoldPtr,
    u32,
    u64,
)
from engine.kernel.compiled.lookups import find_asset
from engine.kernel.compiled.memory import business_slot, grown_capacity
from engine.kernel.compiled.symbols import HOLD_GIVEN_BACK, HOLD_OPEN, HOLD_TAKEN_OUT
from engine.kernel.compiled.tables import home_of, insert, mix, next_match, reserve_table
from engine.kernel.compiled.texts import copy_text, is_plain_text
from engine.kernel.compiled.transfers import find_holder


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def reserve_holds(core: CorePtr, extra: u64) -> cython.bint:
    """Make room for so many more holds. False, with nothing changed, if memory ends."""
    if not extra:
        return True
    needed: u64 = core.hold_top + extra
    if needed > core.hold_capacity:
        capacity: u64 = grown_capacity(core.hold_capacity, needed)
        memory: cython.p_void = realloc(core.holds, capacity * cython.sizeof(core.holds[0]))
        if not memory:
            return False
        core.holds = cython.cast(HoldPtr, memory)
        core.hold_capacity = cython.cast(u32, capacity)
    return reserve_table(cython.address(core.hold_table), extra)


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def hold_key(low: u64, high: u64) -> u64:
    """Return the key of a hold's id; different ones may share it."""
    return mix(low ^ mix(high))


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def find_hold(core: CorePtr, low: u64, high: u64) -> u32:
    """Return a hold that was ever made, 0 if there is none."""
    if not core.hold_table.slots:
        return 0
    key: u64 = hold_key(low, high)
    slot: u64 = home_of(cython.address(core.hold_table), key)
    index: u32 = next_match(cython.address(core.hold_table), key, cython.address(slot))
    while index:
        if core.holds[index].request_low == low and core.holds[index].request_high == high:
            return index
        index = next_match(cython.address(core.hold_table), key, cython.address(slot))
    return 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def hold_refusal(core: CorePtr, command: CommandPtr) -> u32:
    if not find_asset(core, command.asset_id):
        return UNKNOWN_ASSET
    if command.amount <= 0:
        return INVALID_AMOUNT
    account: u32 = find_account(core, command.user_id, command.asset_id)
    if command.amount > available_in(core, account):
        return INSUFFICIENT_BALANCE
    return CAPACITY if core.business_count >= core.business_ids_max else OK


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def make_hold(core: CorePtr, command: CommandPtr) -> u32:
    """Move from available to locked, once for ever per request id."""
    if not is_plain_text(command.text):
        return MALFORMED
    if not (command.request_low | command.request_high):
        return REQUEST_ID_REQUIRED
    if not find_holder(core, command.user_id):
        return UNKNOWN_USER
    content: u64 = fingerprint_of(command)
    slot: BusinessIdPtr = business_slot(core, command.request_low, command.request_high)
    if slot.first_event_seq:
        if slot.fingerprint != content:
            return REQUEST_ID_REUSED
        emit_replayed(core, command, 0, slot.first_event_seq, OK)
        return OK
    reason: u32 = hold_refusal(core, command)
    if reason:
        return reason
    hold: HoldPtr = core.holds + core.hold_top
    hold.request_low = slot.request_low = command.request_low
    hold.request_high = slot.request_high = command.request_high
    hold.user_id = command.user_id
    hold.asset_id = command.asset_id
    hold.amount = command.amount
    hold.state = HOLD_OPEN
    hold.last_event_seq = 0
    copy_text(hold.text, command.text)
    lock(core, find_account(core, hold.user_id, hold.asset_id), hold.amount)
    emit_hold(core, FUNDS_HELD, hold)
    slot.fingerprint = content
    slot.first_event_seq = core.event_seq
    core.business_count += 1
    key: u64 = hold_key(hold.request_low, hold.request_high)
    insert(cython.address(core.hold_table), key, core.hold_top)
    core.hold_top += 1
    return OK


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def emit_hold(core: CorePtr, kind: u32, hold: HoldPtr) -> cython.void:
    event: EventPtr = emit_clear(core, kind, 0)
    event.body[0] = hold.user_id
    event.body[1] = hold.asset_id
    event.body[2] = hold.amount
    put_request_id(event, 5, hold.request_low, hold.request_high)
    put_text(event, hold.text)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def end_hold(core: CorePtr, command: CommandPtr) -> u32:
    """Take what is held out, or give it back: the one or the other, once."""
    if not (command.request_low | command.request_high):
        return REQUEST_ID_REQUIRED
    if not find_holder(core, command.user_id):
        return UNKNOWN_USER
    index: u32 = find_hold(core, command.request_low, command.request_high)
    if not index or core.holds[index].user_id != command.user_id:
        return UNKNOWN_HOLD
    hold: HoldPtr = core.holds + index
    is_settled: cython.bint = command.kind == SETTLE_HOLD
    state: u32 = HOLD_TAKEN_OUT if is_settled else HOLD_GIVEN_BACK
    if hold.state == state:
        emit_replayed(core, command, 0, hold.last_event_seq, OK)
        return OK
    if hold.state != HOLD_OPEN:
        return HOLD_SETTLED if hold.state == HOLD_TAKEN_OUT else HOLD_RELEASED
    account: u32 = find_account(core, hold.user_id, hold.asset_id)
    if is_settled:
        asset: AssetPtr = core.assets + find_asset(core, hold.asset_id)
        if asset.withdrawn > INT64_MAX - hold.amount:
            return OVERFLOW
        asset.withdrawn += hold.amount
        spend(core, account, hold.amount)
    else:
        lock(core, account, -hold.amount)
    emit_hold(core, HOLD_SETTLED_EVENT if is_settled else HOLD_RELEASED_EVENT, hold)
    hold.state = state
    hold.last_event_seq = core.event_seq
    return OK
