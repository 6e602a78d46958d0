# mypy: ignore-errors
# ruff: noqa: F821  (a bare annotation declares a C variable)
"""From the canonical state back to drafts, holds, kill switches, bounds and users' own fees.

Invariant: the rows that `rows` and `packing` give afterwards are those that were read.
"""

import cython
from cython.cimports.cpython.bytes import PyBytes_AS_STRING, PyBytes_GET_SIZE
from cython.cimports.libc.string import memcpy

from engine.kernel import state
from engine.kernel.codes import LEGS_MAX, RECORD_BYTES
from engine.kernel.compiled.accounts import find_account
from engine.kernel.compiled.bounds import put_bounds
from engine.kernel.compiled.holds import find_hold, hold_key, reserve_holds
from engine.kernel.compiled.layout import CorePtr, HoldPtr, WordPtr, i64, u32, u64
from engine.kernel.compiled.lookups import find_market, find_user
from engine.kernel.compiled.rates import put_fees, reserve_user_fees
from engine.kernel.compiled.restoring import refuse_row, row_count_of, rows_at
from engine.kernel.compiled.symbols import BOUNDS, GATE_KILLED, HOLD_WORDS, USER_FEES_WORDS
from engine.kernel.compiled.tables import insert


@cython.cfunc
def restore_draft(core: CorePtr, packed: bytes) -> object:
    count: u64 = PyBytes_GET_SIZE(packed) // RECORD_BYTES
    if count > LEGS_MAX:
        raise state.StateError(f"{count} legs are held back, at most {LEGS_MAX} can be")
    memcpy(core.draft, PyBytes_AS_STRING(packed), count * RECORD_BYTES)
    core.draft_count = cython.cast(u32, count)


@cython.cfunc
def restore_holds(core: CorePtr, packed: bytes) -> object:
    count: u64 = row_count_of(packed, HOLD_WORDS)
    words: WordPtr = rows_at(packed)
    if not reserve_holds(core, count):
        raise MemoryError(f"no memory for {count} holds")
    place: u64
    word: u32
    for place in range(count):
        hold: HoldPtr = core.holds + core.hold_top
        hold.request_low = cython.cast(u64, words[0])
        hold.request_high = cython.cast(u64, words[1])
        hold.user_id = words[2]
        hold.asset_id = cython.cast(u32, words[3])
        hold.amount = words[4]
        hold.state = cython.cast(u32, words[5])
        hold.last_event_seq = words[6]
        for word in range(5):
            hold.text[word] = cython.cast(u64, words[7 + word])
        is_known: cython.bint = find_hold(core, hold.request_low, hold.request_high) != 0
        if is_known or not find_account(core, hold.user_id, hold.asset_id):
            raise refuse_row("holds", place)
        key: u64 = hold_key(hold.request_low, hold.request_high)
        insert(cython.address(core.hold_table), key, core.hold_top)
        core.hold_top += 1
        words += HOLD_WORDS
    return None


@cython.cfunc
def restore_kills(core: CorePtr, state_: object) -> object:
    for place, row in enumerate(state_.rows(b"KILL")):
        if row.user_id:
            user: u32 = find_user(core, row.user_id)
            if not user:
                raise refuse_row("kill switches", place)
            core.users[user].gate |= GATE_KILLED
        elif row.market_id:
            market: u32 = find_market(core, row.market_id)
            if not market:
                raise refuse_row("kill switches", place)
            core.markets[market].gate |= GATE_KILLED
        else:
            core.gate |= GATE_KILLED
    return None


@cython.cfunc
def restore_market_limits(core: CorePtr, state_: object) -> object:
    bounds: i64[7]
    for place, row in enumerate(state_.rows(b"MLIM")):
        market: u32 = find_market(core, row.market_id)
        if not market:
            raise refuse_row("market limits", place)
        for field in range(BOUNDS):
            bounds[field] = row[1 + field]
        put_bounds(core.markets + market, bounds)
    return None


@cython.cfunc
def restore_user_fees(core: CorePtr, packed: bytes) -> object:
    count: u64 = row_count_of(packed, USER_FEES_WORDS)
    words: WordPtr = rows_at(packed)
    if not reserve_user_fees(core, count):
        raise MemoryError(f"no memory for the fees of {count} users")
    place: u64
    for place in range(count):
        is_known: cython.bint = find_user(core, words[0]) != 0
        if not is_known or (words[1] and not find_market(core, cython.cast(u32, words[1]))):
            raise refuse_row("users' own fees", place)
        put_fees(core, words[0], cython.cast(u32, words[1]), words[2], words[3])
        words += USER_FEES_WORDS
    return None
