# mypy: ignore-errors
"""How events leave the compiled kernel.

Invariant: whoever emits has made room before (see `memory`), writes all twelve words of the body,
and `event_seq` rises by one with each.
"""

import cython
from cython.cimports.libc.string import memset

from engine.kernel.codes import REFUSED, REQUEST_REPLAYED
from engine.kernel.compiled.icebergs import fit_shown, shown_lots
from engine.kernel.compiled.layout import CommandPtr, CorePtr, EventPtr, OrderPtr, i64, u32, u64
from engine.kernel.compiled.matching import lower
from engine.kernel.compiled.symbols import TRAIT_ICEBERG


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def emit(core: CorePtr, kind: u32, flags: u32, reason: u32, market_id: u32) -> EventPtr:
    """Append an event's header and return the event; the caller fills the body."""
    event: EventPtr = core.events + core.event_count
    core.event_count += 1
    core.event_seq += 1
    event.event_seq = core.event_seq
    event.command_seq = core.command_seq
    event.time_us = core.time_us
    event.kind = kind
    event.flags = flags
    event.reason = reason
    event.market_id = market_id
    return event


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def emit_clear(core: CorePtr, kind: u32, market_id: u32) -> EventPtr:
    """Append an event with a body of zeros, for the kinds that are rare."""
    event: EventPtr = emit(core, kind, 0, 0, market_id)
    memset(event.body, 0, cython.sizeof(event.body))
    return event


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def emit_changed(
    core: CorePtr, kind: u32, order: OrderPtr, removed_lots: i64, flags: u32, reason: u32
) -> cython.void:
    """Append an ORDER_CANCELED, _REDUCED, _MOVED or _EXPIRED about the order as it is now."""
    market_id: u32 = core.markets[order.market].market_id
    event: EventPtr = emit(core, kind, flags | order.is_bid, reason, market_id)
    event.body[0] = order.order_id
    event.body[1] = core.users[order.user].user_id
    event.body[2] = order.price
    event.body[3] = removed_lots
    event.body[4] = order.leaves
    event.body[5] = order.reserved
    memset(event.body + 6, 0, 6 * cython.sizeof(i64))
    if order.traits & TRAIT_ICEBERG and order.is_listed:
        index: u32 = cython.cast(u32, order - core.orders)
        event.body[6] = lower(shown_lots(core, index), order.leaves + removed_lots)
        fit_shown(core, index)
        event.body[7] = shown_lots(core, index)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def put_request_id(event: EventPtr, word: u32, low: u64, high: u64) -> cython.void:
    event.body[word] = cython.cast(i64, low)
    event.body[word + 1] = cython.cast(i64, high)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def put_text(event: EventPtr, text: cython.pointer(u64)) -> cython.void:
    """Write a text into the last five words of the body."""
    word: u32
    for word in range(5):
        event.body[7 + word] = cython.cast(i64, text[word])


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def emit_refused(core: CorePtr, command: CommandPtr, reason: u32) -> cython.void:
    event: EventPtr = emit_clear(core, REFUSED, command.market_id)
    event.reason = reason
    event.body[0] = command.kind
    event.body[1] = command.user_id
    event.body[2] = command.order_id
    put_request_id(event, 5, command.request_low, command.request_high)
    put_text(event, command.text)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def emit_replayed(
    core: CorePtr, command: CommandPtr, order_id: i64, first_event_seq: i64, reason: u32
) -> cython.void:
    event: EventPtr = emit_clear(core, REQUEST_REPLAYED, command.market_id)
    event.reason = reason
    event.body[0] = command.kind
    event.body[1] = command.user_id
    event.body[2] = order_id
    event.body[3] = first_event_seq
    put_request_id(event, 5, command.request_low, command.request_high)
