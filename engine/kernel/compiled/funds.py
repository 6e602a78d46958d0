# mypy: ignore-errors
"""Users and their money: deposits, withdrawals and adjustments, each once for ever.

Invariant: per asset, the sum over all accounts is deposits - withdrawals + adjustments.
"""

import cython
from cython.cimports.libc.string import memset

from engine.kernel.codes import (
    ACTIVE,
    ADJUST,
    CAPACITY,
    DEPOSIT,
    FUNDS_ADJUSTED,
    FUNDS_DEPOSITED,
    FUNDS_WITHDRAWN,
    HOUSE_USER_ID,
    INSUFFICIENT_BALANCE,
    INT64_MAX,
    INVALID_AMOUNT,
    INVALID_QUANTITY,
    MALFORMED,
    MAX_TOTAL_EXCEEDED,
    NOTHING_CHANGES,
    OK,
    OVERFLOW,
    REQUEST_ID_REQUIRED,
    REQUEST_ID_REUSED,
    TRADE_GROUP_SET,
    UNKNOWN_ASSET,
    UNKNOWN_USER,
    USER_ADDED,
    USER_ID_MAX,
    WITHDRAW,
)
from engine.kernel.compiled.accounts import available_in, credit, find_account, open_account
from engine.kernel.compiled.events import emit_clear, emit_replayed, put_request_id, put_text
from engine.kernel.compiled.forms import fingerprint_of
from engine.kernel.compiled.layout import (
    AssetPtr,
    BusinessIdPtr,
    CommandPtr,
    CorePtr,
    EventPtr,
    UserPtr,
    i64,
    u32,
    u64,
)
from engine.kernel.compiled.lookups import find_asset, find_user
from engine.kernel.compiled.memory import business_slot
from engine.kernel.compiled.symbols import HOUSE
from engine.kernel.compiled.tables import insert
from engine.kernel.compiled.texts import is_plain_text


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def add_user(core: CorePtr, command: CommandPtr) -> u32:
    if command.user_id < 1 or command.user_id > USER_ID_MAX:
        return UNKNOWN_USER
    index: u32 = find_user(core, command.user_id)
    if index:
        emit_replayed(core, command, 0, core.users[index].first_event_seq, OK)
        return OK
    if core.user_table.count >= core.users_max:
        return CAPACITY
    emit_user(core, USER_ADDED, command.user_id, ACTIVE)
    open_user(core, command.user_id, core.event_seq)
    insert(cython.address(core.user_table), cython.cast(u64, command.user_id), core.user_top - 1)
    return OK


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def open_user(core: CorePtr, user_id: i64, first_event_seq: i64) -> cython.void:
    user: UserPtr = core.users + core.user_top
    memset(user, 0, cython.sizeof(user[0]))
    user.user_id = user_id
    user.first_event_seq = first_event_seq
    user.status = ACTIVE
    core.user_top += 1


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def emit_user(core: CorePtr, kind: u32, user_id: i64, status: i64) -> cython.void:
    event: EventPtr = emit_clear(core, kind, 0)
    event.body[0] = user_id
    event.body[1] = status


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def set_trade_group(core: CorePtr, command: CommandPtr) -> u32:
    index: u32 = find_user(core, command.user_id)
    if not index:
        return UNKNOWN_USER
    if command.quantity < 0:
        return INVALID_QUANTITY
    if core.users[index].trade_group == command.quantity:
        return NOTHING_CHANGES
    core.users[index].trade_group = command.quantity
    event: EventPtr = emit_clear(core, TRADE_GROUP_SET, 0)
    event.body[0] = command.user_id
    event.body[1] = command.quantity
    return OK


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def running_total(asset: AssetPtr, kind: u32) -> cython.pointer(i64):
    """Return where an asset's total of this kind of money command is kept."""
    if kind == DEPOSIT:
        return cython.address(asset.deposited)
    return cython.address(asset.withdrawn) if kind == WITHDRAW else cython.address(asset.adjusted)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def amount_refusal(command: CommandPtr, asset: AssetPtr, available: i64) -> u32:
    """Whether an amount cannot be booked. What all accounts hold together is never negative and
    never above max_total, so none of these sums leaves int64."""
    amount: i64 = command.amount
    if amount == 0 or amount < -INT64_MAX or (amount < 0 and command.kind != ADJUST):
        return INVALID_AMOUNT
    change: i64 = -amount if command.kind == WITHDRAW else amount
    supply: i64 = supply_of(asset)
    if change > 0 and change > asset.max_total - supply:
        return MAX_TOTAL_EXCEEDED
    if change < 0 and -change > available:
        return INSUFFICIENT_BALANCE
    total: i64 = running_total(asset, command.kind)[0]
    if (amount > 0 and total > INT64_MAX - amount) or (amount < 0 and total < -INT64_MAX - amount):
        return OVERFLOW
    return OK


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def supply_of(asset: AssetPtr) -> i64:
    """Return what all accounts together must hold now. The steps may wrap, the result fits."""
    return cython.cast(
        i64,
        cython.cast(u64, asset.deposited)
        - cython.cast(u64, asset.withdrawn)
        + cython.cast(u64, asset.adjusted),
    )


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def money_refusal(core: CorePtr, command: CommandPtr) -> u32:
    index: u32 = find_asset(core, command.asset_id)
    if not index:
        return UNKNOWN_ASSET
    account: u32 = find_account(core, command.user_id, command.asset_id)
    reason: u32 = amount_refusal(command, core.assets + index, available_in(core, account))
    if reason:
        return reason
    missing: u64 = not account
    if core.account_top - 1 + missing > core.accounts_max:
        return CAPACITY
    return CAPACITY if core.business_count >= core.business_ids_max else OK


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def move_money(core: CorePtr, command: CommandPtr) -> u32:
    """Apply DEPOSIT, WITHDRAW or ADJUST: once for ever per request id."""
    if not is_plain_text(command.text):
        return MALFORMED
    if not (command.request_low | command.request_high):
        return REQUEST_ID_REQUIRED
    user: u32 = HOUSE
    if command.user_id != HOUSE_USER_ID:
        user = find_user(core, command.user_id)
    if not user:
        return UNKNOWN_USER
    content: u64 = fingerprint_of(command)
    slot: BusinessIdPtr = business_slot(core, command.request_low, command.request_high)
    if slot.first_event_seq:
        if slot.fingerprint != content:
            return REQUEST_ID_REUSED
        emit_replayed(core, command, 0, slot.first_event_seq, OK)
        return OK
    reason: u32 = money_refusal(core, command)
    if reason:
        return reason
    asset: AssetPtr = core.assets + find_asset(core, command.asset_id)
    change: i64 = -command.amount if command.kind == WITHDRAW else command.amount
    credit(core, open_account(core, user, command.asset_id), change)
    running_total(asset, command.kind)[0] += command.amount
    emit_funds(core, command)
    slot.request_low = command.request_low
    slot.request_high = command.request_high
    slot.fingerprint = content
    slot.first_event_seq = core.event_seq
    core.business_count += 1
    return OK


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def emit_funds(core: CorePtr, command: CommandPtr) -> cython.void:
    kind: u32 = FUNDS_ADJUSTED
    if command.kind != ADJUST:
        kind = FUNDS_DEPOSITED if command.kind == DEPOSIT else FUNDS_WITHDRAWN
    event: EventPtr = emit_clear(core, kind, 0)
    event.body[0] = command.user_id
    event.body[1] = command.asset_id
    event.body[2] = command.amount
    put_request_id(event, 5, command.request_low, command.request_high)
    put_text(event, command.text)
