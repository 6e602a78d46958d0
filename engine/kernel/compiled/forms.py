# mypy: ignore-errors
"""Form checks on a record's raw words, before its content is looked at, and its fingerprint.

Invariant: a bit that a command type does not use is zero, else MALFORMED.
"""

import cython

from engine.kernel.codes import (
    BID,
    DECREMENT,
    FOK_BUDGET,
    GTC,
    GTD,
    ICEBERG,
    INVALID_AMOUNT,
    INVALID_ICEBERG,
    LIMIT,
    LIMIT_MAKER,
    MALFORMED,
    MARKET,
    OK,
    PLACE,
    PLACE_LEG,
    QUOTE,
    STOP_LOSS,
    STOP_LOSS_LIMIT,
    TAKE_PROFIT_LIMIT,
)
from engine.kernel.compiled.layout import CommandPtr, CorePtr, FormPtr, u32, u64
from engine.kernel.compiled.symbols import COMMAND_TYPES
from engine.kernel.compiled.texts import has_text, is_plain_text


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def has_form(core: CorePtr, command: CommandPtr) -> cython.bint:
    """Whether the type is known and every field that it does not use is zero."""
    if not command.kind or command.kind >= COMMAND_TYPES:
        return False
    form: FormPtr = core.forms + command.kind
    words: cython.pointer(u64) = cython.cast(cython.pointer(u64), command)
    stray: u64 = 0
    word: u32
    for word in range(16):
        stray |= words[word] & form.forbidden[word]
    return stray == 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def market_form(command: CommandPtr) -> u32:
    """Check that a MARKET order states a quantity or an amount, and not both."""
    if command.price or (command.amount and command.quantity):
        return MALFORMED
    return INVALID_AMOUNT if command.amount < 0 else OK


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def stop_form(command: CommandPtr) -> u32:
    """The same of a type with a stop price."""
    if command.flags & ICEBERG or command.ceiling:
        return MALFORMED
    if command.spare and command.time_in_force != GTD:
        return MALFORMED
    if command.order_type == STOP_LOSS_LIMIT or command.order_type == TAKE_PROFIT_LIMIT:
        return OK if GTC <= command.time_in_force <= GTD else MALFORMED
    return MALFORMED if command.time_in_force or command.price else OK


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def place_form(command: CommandPtr) -> u32:
    """Check the combination of order type, time in force, budget and ceiling of a PLACE."""
    if command.side > BID or command.stp > DECREMENT:
        return MALFORMED
    if has_text(command.text) and not is_plain_text(command.text):
        return MALFORMED
    if STOP_LOSS <= command.order_type <= TAKE_PROFIT_LIMIT:
        return stop_form(command)
    if command.asset_id or (command.spare and command.time_in_force != GTD):
        return MALFORMED
    if command.flags & ICEBERG:
        return iceberg_form(command)
    if command.order_type == LIMIT:
        if command.time_in_force < GTC or command.time_in_force > GTD or command.amount:
            return MALFORMED
        return MALFORMED if command.ceiling and command.side != BID else OK
    if command.time_in_force or command.ceiling:
        return MALFORMED
    if command.order_type == LIMIT_MAKER:
        return MALFORMED if command.amount else OK
    if command.order_type == MARKET:
        return market_form(command)
    if command.order_type != FOK_BUDGET or command.price:
        return MALFORMED
    return INVALID_AMOUNT if command.amount <= 0 else OK


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def iceberg_form(command: CommandPtr) -> u32:
    """Check that an iceberg is an order that can rest, with its displayed lots as its ceiling."""
    tif: u32 = command.time_in_force
    is_resting: cython.bint = command.order_type == LIMIT and tif in (GTC, GTD)
    if command.order_type == LIMIT_MAKER and not tif:
        is_resting = True
    if command.amount or not is_resting:
        return MALFORMED
    return INVALID_ICEBERG if command.ceiling <= 0 else OK


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def fingerprint_of(command: CommandPtr) -> u64:
    """Return FNV-1a over the sixteen words; PLACE, PLACE_LEG and QUOTE count without id."""
    words: cython.pointer(u64) = cython.cast(cython.pointer(u64), command)
    result: u64 = 0xCBF29CE484222325
    word: u32
    for word in range(16):
        is_given: cython.bint = word == 3 and command.kind in (PLACE, PLACE_LEG, QUOTE)
        value: u64 = 0 if is_given else words[word]
        result = (result ^ value) * cython.cast(u64, 0x100000001B3)
    return result
