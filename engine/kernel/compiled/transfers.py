# mypy: ignore-errors
"""TRANSFER: up to LEGS_MAX legs that add up to zero in every asset, all of them or none.

Invariant: what all accounts of an asset hold together is the same before and after, and no account
is below zero after any leg; a business id is executed once for ever.
"""

import cython

from engine.kernel.codes import (
    CAPACITY,
    FUNDS_TRANSFERRED,
    HOUSE_USER_ID,
    INSUFFICIENT_BALANCE,
    INT64_MAX,
    INVALID_AMOUNT,
    LEGS_MAX,
    OK,
    OVERFLOW,
    REQUEST_ID_REQUIRED,
    REQUEST_ID_REUSED,
    TRANSFER_LEG,
    UNBALANCED,
    UNKNOWN_ASSET,
    UNKNOWN_USER,
)
from engine.kernel.compiled.accounts import available_in, credit, find_account, open_account
from engine.kernel.compiled.drafts import content_of, draft_refusal
from engine.kernel.compiled.events import emit_clear, emit_replayed, put_request_id, put_text
from engine.kernel.compiled.layout import (
    BusinessIdPtr,
    CommandPtr,
    CorePtr,
    EventPtr,
    i64,
    u32,
    u64,
)
from engine.kernel.compiled.lookups import find_asset, find_user
from engine.kernel.compiled.memory import business_slot, reserve_events
from engine.kernel.compiled.symbols import HOUSE, LOW_HALF, add_overflows


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def find_holder(core: CorePtr, user_id: i64) -> u32:
    """Return a trader or the house, 0 if unknown."""
    return HOUSE if user_id == HOUSE_USER_ID else find_user(core, user_id)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def leg_refusal(core: CorePtr, leg: CommandPtr) -> u32:
    """Check one leg by itself."""
    if not find_holder(core, leg.user_id):
        return UNKNOWN_USER
    if not find_asset(core, leg.asset_id):
        return UNKNOWN_ASSET
    return INVALID_AMOUNT if leg.amount == 0 or leg.amount < -INT64_MAX else OK


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def is_balanced(core: CorePtr, asset_id: u32) -> cython.bint:
    """Whether the legs of an asset add up to zero; in two halves, so that no sum leaves int64."""
    low: i64 = 0
    high: i64 = 0
    place: u32
    for place in range(core.draft_count):
        leg: CommandPtr = core.draft + place
        if leg.asset_id == asset_id:
            low += leg.amount & LOW_HALF
            high += leg.amount >> 32
    return (low & LOW_HALF) == 0 and high + (low >> 32) == 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def result_refusal(core: CorePtr, number: u32) -> u32:
    """Whether a leg's account would be below zero, or leave int64, after it and those before."""
    leg: CommandPtr = core.draft + number
    account: u32 = find_account(core, leg.user_id, leg.asset_id)
    left: i64 = available_in(core, account)
    place: u32
    for place in range(number + 1):
        other: CommandPtr = core.draft + place
        if other.user_id != leg.user_id or other.asset_id != leg.asset_id:
            continue
        if add_overflows(left, other.amount, cython.address(left)):
            return OVERFLOW
    return INSUFFICIENT_BALANCE if left < 0 else OK


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def is_first_of_account(core: CorePtr, number: u32) -> cython.bint:
    leg: CommandPtr = core.draft + number
    place: u32
    for place in range(number):
        other: CommandPtr = core.draft + place
        if other.user_id == leg.user_id and other.asset_id == leg.asset_id:
            return False
    return True


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def transfer_refusal(core: CorePtr) -> u32:
    """Check each leg by itself, then their sums, then each leg's result in their order."""
    place: u32
    reason: u32
    missing: u64 = 0
    for place in range(core.draft_count):
        reason = leg_refusal(core, core.draft + place)
        if reason:
            return reason
    for place in range(core.draft_count):
        if not is_balanced(core, core.draft[place].asset_id):
            return UNBALANCED
    for place in range(core.draft_count):
        reason = result_refusal(core, place)
        if reason:
            return reason
        leg: CommandPtr = core.draft + place
        if is_first_of_account(core, place):
            missing += not find_account(core, leg.user_id, leg.asset_id)
    if core.account_top - 1 + missing > core.accounts_max:
        return CAPACITY
    return CAPACITY if core.business_count >= core.business_ids_max else OK


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def transfer(core: CorePtr, command: CommandPtr) -> u32:
    """Move what the legs of the draft say."""
    if not (command.request_low | command.request_high):
        return REQUEST_ID_REQUIRED
    reason: u32 = draft_refusal(core, TRANSFER_LEG, command)
    if reason:
        return reason
    content: u64 = content_of(core, command)
    slot: BusinessIdPtr = business_slot(core, command.request_low, command.request_high)
    if slot.first_event_seq:
        if slot.fingerprint != content:
            return REQUEST_ID_REUSED
        emit_replayed(core, command, 0, slot.first_event_seq, OK)
        return OK
    reason = transfer_refusal(core)
    if reason or not reserve_events(core, LEGS_MAX):
        return reason
    slot.request_low = command.request_low
    slot.request_high = command.request_high
    slot.fingerprint = content
    slot.first_event_seq = core.event_seq + 1
    core.business_count += 1
    place: u32
    for place in range(core.draft_count):
        move_leg(core, core.draft + place, place + 1)
    return OK


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def move_leg(core: CorePtr, leg: CommandPtr, number: u32) -> cython.void:
    credit(core, open_account(core, find_holder(core, leg.user_id), leg.asset_id), leg.amount)
    event: EventPtr = emit_clear(core, FUNDS_TRANSFERRED, 0)
    event.body[0] = leg.user_id
    event.body[1] = leg.asset_id
    event.body[2] = leg.amount
    event.body[3] = number
    event.body[4] = core.draft_count
    put_request_id(event, 5, leg.request_low, leg.request_high)
    put_text(event, leg.text)
