# mypy: ignore-errors
"""Form checks on a record's raw words: unused fields, texts, fingerprints.

Invariant: a bit that a command type does not use is zero, else MALFORMED.
"""

import cython

from engine.kernel.codes import CLIENT_ORDER_ID_CHARS_MAX, PLACE, TEXT_BYTES
from engine.kernel.compiled.layout import CommandPtr, CorePtr, FormPtr, u8, u32, u64
from engine.kernel.compiled.symbols import COMMAND_TYPES


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def has_form(core: CorePtr, command: CommandPtr) -> cython.bint:
    """Whether the type is known and every field that it does not use is zero."""
    if command.kind >= COMMAND_TYPES:
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
def fingerprint_of(command: CommandPtr) -> u64:
    """Return FNV-1a over the sixteen words; a PLACE counts without its order id."""
    words: cython.pointer(u64) = cython.cast(cython.pointer(u64), command)
    result: u64 = 0xCBF29CE484222325
    word: u32
    for word in range(16):
        value: u64 = 0 if word == 3 and command.kind == PLACE else words[word]
        result = (result ^ value) * cython.cast(u64, 0x100000001B3)
    return result


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def is_capital_or_digit(char: u8) -> cython.bint:
    return (48 <= char <= 57) or (65 <= char <= 90)


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def is_plain(char: u8) -> cython.bint:
    """Whether it is one of `a-z A-Z 0-9 - . / : _`."""
    return (
        is_capital_or_digit(char)
        or (97 <= char <= 122)
        or (45 <= char <= 47)
        or (char == 58 or char == 95)
    )


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def is_padded(chars: cython.pointer(u8), start: u32) -> cython.bint:
    """Whether only zero bytes follow from here."""
    place: u32
    for place in range(start, TEXT_BYTES):
        if chars[place]:
            return False
    return True


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def is_plain_text(text: cython.pointer(u64)) -> cython.bint:
    """Whether it is a client order id or a reference (or empty), padded with zero bytes."""
    chars: cython.pointer(u8) = cython.cast(cython.pointer(u8), text)
    length: u32 = 0
    while length < CLIENT_ORDER_ID_CHARS_MAX and is_plain(chars[length]):
        length += 1
    return is_padded(chars, length)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def is_code_text(text: cython.pointer(u64), chars_max: u32) -> cython.bint:
    """Whether it is an asset's code or a market's symbol of at most so many characters."""
    chars: cython.pointer(u8) = cython.cast(cython.pointer(u8), text)
    length: u32 = 0
    while length < chars_max and is_capital_or_digit(chars[length]):
        length += 1
    return length > 0 and is_padded(chars, length)
