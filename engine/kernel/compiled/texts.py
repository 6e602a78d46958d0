# mypy: ignore-errors
"""The forty bytes of text in a record: client order ids, references, codes and symbols.

Invariant: a text that was accepted is of the plain characters only, padded with zero bytes, so two
texts are the same if and only if their bytes are.
"""

import cython
from cython.cimports.libc.string import memcmp, memcpy

from engine.kernel.codes import CLIENT_ORDER_ID_CHARS_MAX, TEXT_BYTES
from engine.kernel.compiled.layout import u8, u32, u64
from engine.kernel.compiled.tables import mix


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def has_text(text: cython.pointer(u64)) -> cython.bint:
    return (text[0] | text[1] | text[2] | text[3] | text[4]) != 0


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def is_same_text(first: cython.pointer(u64), second: cython.pointer(u64)) -> cython.bint:
    return memcmp(first, second, TEXT_BYTES) == 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def copy_text(target: cython.pointer(u64), source: cython.pointer(u64)) -> cython.void:
    memcpy(target, source, TEXT_BYTES)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def text_key(user: u32, text: cython.pointer(u64)) -> u64:
    """Return the key of a user's client order id; different ones may share it."""
    key: u64 = user
    word: u32
    for word in range(5):
        key = mix(key ^ text[word])
    return key


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
    stray: u8 = 0
    place: u32
    for place in range(start, TEXT_BYTES):
        stray |= chars[place]
    return stray == 0


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
