# mypy: ignore-errors
"""Who sends an order command, whether it is a retry, and which handler it goes to.

A handler first decides and then acts: it returns a reason before it has changed anything, or
changes everything and returns OK. Invariant: a user's window holds the outcomes of the last
REQUEST_WINDOW commands with a request id that were not retries.
"""

import cython

from engine.kernel.codes import (
    AMEND,
    CANCEL,
    CANCEL_ALL,
    CANCEL_RESTRICTED,
    DECREMENT,
    HOUSE_USER_ID,
    MALFORMED,
    MOVE,
    OK,
    OPERATOR,
    PLACE,
    PLACE_LIST,
    QUOTE,
    REDUCE,
    REPLACE,
    REQUEST_ID_REUSED,
    REQUEST_WINDOW,
    UNKNOWN_MARKET,
    UNKNOWN_ORDER,
    UNKNOWN_USER,
)
from engine.kernel.compiled.amending import amend
from engine.kernel.compiled.changing import cancel, is_restricted, move, reduce
from engine.kernel.compiled.controls import mass_cancel
from engine.kernel.compiled.drafts import content_of
from engine.kernel.compiled.events import emit_replayed
from engine.kernel.compiled.forms import place_form
from engine.kernel.compiled.gates import owner_refusal
from engine.kernel.compiled.layout import CommandPtr, CorePtr, RememberedPtr, UserPtr, u32, u64
from engine.kernel.compiled.lists import list_form, place_list
from engine.kernel.compiled.lookups import find_market, find_order, find_user
from engine.kernel.compiled.memory import reserve_window
from engine.kernel.compiled.placing import place
from engine.kernel.compiled.quoting import quote
from engine.kernel.compiled.replacing import replace
from engine.kernel.compiled.symbols import HOUSE


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def find_sender(core: CorePtr, command: CommandPtr, index: u32) -> u32:
    """Return who sends an order command, 0 if nobody we know; `index` is the order it names.

    Nearly always it is the order's owner, whom the order knows without a search.
    """
    if index and core.users[core.orders[index].user].user_id == command.user_id:
        return core.orders[index].user
    if command.user_id != HOUSE_USER_ID:
        return find_user(core, command.user_id)
    return HOUSE if command.kind == CANCEL and command.flags & OPERATOR else 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def apply_order_command(core: CorePtr, command: CommandPtr) -> u32:
    """Check form, user and request id of an order command, then hand it to its handler."""
    index: u32 = 0
    reason: u32
    if command.kind == QUOTE:
        if command.stp > DECREMENT:
            return MALFORMED
    elif command.kind in (PLACE, PLACE_LIST):
        reason = place_form(command) if command.kind == PLACE else list_form(command)
        if reason:
            return reason
    else:
        index = find_order(core, command.order_id)
        if command.kind == CANCEL and command.flags & OPERATOR and command.user_id:
            return MALFORMED
    user: u32 = find_sender(core, command, index)
    if not user:
        return UNKNOWN_USER
    if not (command.request_low | command.request_high):
        return handle(core, command, user, index)
    return apply_once(core, command, user, index)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def apply_cancel_all(core: CorePtr, command: CommandPtr) -> u32:
    """CANCEL_ALL: a user's orders, by himself or an operator, or an operator's for everybody."""
    if command.quantity < 0 or command.quantity > 2:
        return MALFORMED
    sender: u32 = find_user(core, command.user_id)
    if not sender and (command.user_id or not command.flags):
        return UNKNOWN_USER
    if command.flags:
        sender = HOUSE
    if not (command.request_low | command.request_high):
        return mass_cancel(core, command)
    return apply_once(core, command, sender, 0)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def apply_once(core: CorePtr, command: CommandPtr, user_index: u32, index: u32) -> u32:
    """Apply a command with a request id, or tell the outcome that this id had before."""
    user: UserPtr = core.users + user_index
    content: u64 = content_of(core, command)
    entry: RememberedPtr
    window_place: u32
    for window_place in range(user.window_count):
        entry = user.window + window_place
        if entry.request_low != command.request_low or entry.request_high != command.request_high:
            continue
        if entry.fingerprint != content:
            return REQUEST_ID_REUSED
        emit_replayed(core, command, entry.order_id, entry.first_event_seq, entry.reason)
        return OK
    if not reserve_window(core, user):
        return OK
    first_event_seq: u64 = core.event_seq + 1
    reason: u32 = handle(core, command, user_index, index)
    if user.window_count < REQUEST_WINDOW:
        entry = user.window + user.window_count
        user.window_count += 1
    else:
        entry = user.window + user.window_start
        user.window_start = (user.window_start + 1) % REQUEST_WINDOW
    entry.request_low = command.request_low
    entry.request_high = command.request_high
    entry.fingerprint = content
    entry.order_id = command.order_id
    entry.first_event_seq = first_event_seq
    entry.reason = reason
    return reason


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def handle(core: CorePtr, command: CommandPtr, user: u32, index: u32) -> u32:
    if command.kind == MOVE:
        return move(core, command, user, index)
    if command.kind == PLACE:
        return place(core, command, user)
    if command.kind == AMEND:
        return amend(core, command, user, index)
    if command.kind == QUOTE:
        return quote(core, command, user)
    if command.kind == REPLACE:
        return replace(core, command, user, index)
    if command.kind == PLACE_LIST:
        return place_list(core, command, user)
    if command.kind == CANCEL_ALL:
        return mass_cancel(core, command)
    return handle_end(core, command, user, index)


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def handle_end(core: CorePtr, command: CommandPtr, user: u32, index: u32) -> u32:
    """CANCEL or REDUCE: by the owner where the market lets him, or an operator's CANCEL."""
    market: u32 = find_market(core, command.market_id)
    if not market:
        return UNKNOWN_MARKET
    if core.markets[market].gate and not command.flags & OPERATOR:
        reason: u32 = owner_refusal(core, core.markets + market)
        if reason:
            return reason
    if not index or core.markets[core.orders[index].market].market_id != command.market_id:
        return UNKNOWN_ORDER
    if core.orders[index].user != user and not command.flags & OPERATOR:
        return UNKNOWN_ORDER
    if command.kind == REDUCE:
        return reduce(core, command, index)
    if command.flags and is_restricted(core, index, command.flags):
        return CANCEL_RESTRICTED
    return cancel(core, command, index)
