# mypy: ignore-errors
"""Drafts: legs that are held back until the command that takes them all at once.

A leg does nothing: it is kept as it came, with its form checked. The command that takes the legs
must follow at once; whatever else follows, a refused leg included, drops them without a word.
Invariant: all legs of a draft are of one type and belong together, and there are at most LEGS_MAX.
"""

import cython

from engine.kernel.codes import (
    CAPACITY,
    LEG_TAKEN,
    LEGS_MAX,
    NO_DRAFT,
    OK,
    PLACE_LEG,
    PLACE_LIST,
    REPLACE,
    TRANSFER,
    TRANSFER_LEG,
)
from engine.kernel.compiled.events import emit_clear, put_request_id, put_text
from engine.kernel.compiled.forms import fingerprint_of
from engine.kernel.compiled.layout import CommandPtr, CorePtr, EventPtr, u32, u64


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def is_leg(kind: u32) -> cython.bint:
    return kind in (PLACE_LEG, TRANSFER_LEG)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def belongs_to(leg: CommandPtr, command: CommandPtr) -> cython.bint:
    """Whether a command, a leg or its taker, belongs to the draft that begins with this leg."""
    if leg.kind == TRANSFER_LEG:
        return leg.request_low == command.request_low and leg.request_high == command.request_high
    return leg.market_id == command.market_id and leg.user_id == command.user_id


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def take_leg(core: CorePtr, command: CommandPtr) -> u32:
    """Hold a well-formed leg back; one that belongs elsewhere begins a draft of its own."""
    first: CommandPtr = core.draft
    if core.draft_count and (first.kind != command.kind or not belongs_to(first, command)):
        core.draft_count = 0
    if core.draft_count == LEGS_MAX:
        return CAPACITY
    core.draft[core.draft_count] = command[0]
    core.draft_count += 1
    event: EventPtr = emit_clear(core, LEG_TAKEN, command.market_id)
    event.body[0] = command.kind
    event.body[1] = command.user_id
    event.body[2] = command.order_id
    event.body[3] = core.draft_count
    put_request_id(event, 5, command.request_low, command.request_high)
    put_text(event, command.text)
    return OK


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def draft_refusal(core: CorePtr, leg_type: u32, command: CommandPtr) -> u32:
    """Whether the draft is not what this command takes: `quantity` legs that belong to it."""
    first: CommandPtr = core.draft
    if not core.draft_count or core.draft_count != command.quantity or first.kind != leg_type:
        return NO_DRAFT
    return OK if belongs_to(first, command) else NO_DRAFT


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def content_of(core: CorePtr, command: CommandPtr) -> u64:
    """Return the fingerprint of a command together with the legs that it takes."""
    if command.kind not in (TRANSFER, PLACE_LIST, REPLACE):
        return fingerprint_of(command)
    result: u64 = 0xCBF29CE484222325
    result = (result ^ fingerprint_of(command)) * cython.cast(u64, 0x100000001B3)
    place: u32
    for place in range(core.draft_count):
        leg: CommandPtr = core.draft + place
        result = (result ^ fingerprint_of(leg)) * cython.cast(u64, 0x100000001B3)
    return result
