"""Form checks: is a record one this version understands at all, before its content is looked at.

Invariant: a field that a command type does not use is zero, else MALFORMED; so a later version can
give it a meaning without old journals reading differently.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from engine.kernel.codes import (
    BID,
    DECREMENT,
    FOK_BUDGET,
    GTC,
    GTD,
    ICEBERG,
    IN_SESSION,
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
from engine.kernel.forms import FORMS, Form
from engine.kernel.limits import ASSET_CODE_CHARS_MAX, SYMBOL_CHARS_MAX
from engine.kernel.states import SETTABLE
from engine.proto.records import (
    CLIENT_ORDER_ID_CHARS_MAX,
    COMMAND,
    TEXT_BYTES,
    Command,
    CommandType,
    ListType,
    Reason,
    SessionState,
    UserStatus,
)

Fields = tuple[Any, ...]  # a command unpacked, in the order of `records.Command`

NO_TEXT: Final = bytes(TEXT_BYTES)
_ZEROS: Final = COMMAND.unpack(bytes(COMMAND.size))
_MARKET_STATES: Final = frozenset(map(int, SETTABLE))
_LIST_TYPES: Final = frozenset(map(int, ListType))
_USER_STATUSES: Final = frozenset(map(int, UserStatus))
_PADDED: Final = re.compile(rb"[a-zA-Z0-9\-_.:/]{0,%d}\0+" % CLIENT_ORDER_ID_CHARS_MAX).fullmatch
_CODE: Final = re.compile(rb"[A-Z0-9]{1,%d}\0+" % ASSET_CODE_CHARS_MAX).fullmatch
_SYMBOL: Final = re.compile(rb"[A-Z0-9]{1,%d}\0+" % SYMBOL_CHARS_MAX).fullmatch


def is_asset_code(text: bytes) -> bool:
    return _CODE(text) is not None


def is_symbol(text: bytes) -> bool:
    return _SYMBOL(text) is not None


def place_form(fields: Fields) -> int:
    """Check the combination of order type, time in force, budget and ceiling of a PLACE."""
    (_, side, order_type, tif, flags, stp, _, asset_id, _, _, price, quantity, amount, ceiling,
     spare, _, text) = fields  # fmt: skip
    if side > BID or flags & ~(IN_SESSION | ICEBERG) or stp > DECREMENT:
        return MALFORMED
    if (spare and tif != GTD) or (asset_id and order_type < STOP_LOSS):
        return MALFORMED
    if text != NO_TEXT and not _PADDED(text):
        return MALFORMED
    if flags & ICEBERG:
        return iceberg_form(order_type, tif, amount, ceiling)
    if order_type == LIMIT:
        is_formed = GTC <= tif <= GTD and not amount and (side == BID or not ceiling)
        return OK if is_formed else MALFORMED
    if STOP_LOSS <= order_type <= TAKE_PROFIT_LIMIT:
        is_limit = order_type in (STOP_LOSS_LIMIT, TAKE_PROFIT_LIMIT)
        is_formed = GTC <= tif <= GTD if is_limit else not tif and not price
        return OK if is_formed and not ceiling else MALFORMED
    if tif or ceiling:
        return MALFORMED
    if order_type == LIMIT_MAKER:
        return MALFORMED if amount else OK
    if order_type not in (MARKET, FOK_BUDGET) or price:
        return MALFORMED
    if order_type == MARKET:
        return market_form(quantity, amount)
    return Reason.INVALID_AMOUNT if amount <= 0 else OK


def iceberg_form(order_type: int, tif: int, amount: int, displayed: int) -> int:
    """Check that an iceberg is an order that can rest, with its displayed lots as its ceiling."""
    is_resting = tif in (GTC, GTD) if order_type == LIMIT else order_type == LIMIT_MAKER and not tif
    if amount or not is_resting:
        return MALFORMED
    return Reason.INVALID_ICEBERG if displayed <= 0 else OK


def market_form(quantity: int, amount: int) -> int:
    """Check that a MARKET order states a quantity or an amount, and not both."""
    if amount and quantity:
        return MALFORMED
    return Reason.INVALID_AMOUNT if amount < 0 else OK


def _form_of(form: Form) -> Callable[[Fields], int]:
    """Return the check that all fields and flag bits which a form does not use are zero."""
    unused = [
        (index, zero)
        for index, (name, zero) in enumerate(zip(Command._fields, _ZEROS, strict=True))
        if name not in ("type", "flags", *form.fields)
    ]

    def check(fields: Fields) -> int:
        has_stray_field = any(fields[index] != zero for index, zero in unused)
        return MALFORMED if has_stray_field or fields[4] & ~form.flags else OK

    return check


def _then(
    first: Callable[[Fields], int], is_formed: Callable[[Fields], bool]
) -> Callable[[Fields], int]:
    return lambda fields: first(fields) or (OK if is_formed(fields) else MALFORMED)


def _is_market_state(fields: Fields) -> bool:
    return fields[11] in _MARKET_STATES


def _is_user_status(fields: Fields) -> bool:
    return fields[11] in _USER_STATUSES


def _is_session_state(fields: Fields) -> bool:
    return fields[11] in (SessionState.OPEN, SessionState.CLOSED)


def _is_list(fields: Fields) -> bool:
    return fields[2] in _LIST_TYPES and _PADDED(fields[16]) is not None


def _has_reference(fields: Fields) -> bool:
    return _PADDED(fields[16]) is not None


_MORE: Final[dict[int, Callable[[Fields], bool]]] = {
    CommandType.SET_MARKET_STATE: _is_market_state,
    CommandType.SET_USER_STATUS: _is_user_status,
    CommandType.PLACE_LIST: _is_list,
    CommandType.SET_SESSION: _is_session_state,
    CommandType.DEPOSIT: _has_reference,
    CommandType.WITHDRAW: _has_reference,
    CommandType.ADJUST: _has_reference,
    CommandType.TRANSFER_LEG: _has_reference,
    CommandType.HOLD: _has_reference,
}
ADMIN_FORMS: Final[dict[int, Callable[[Fields], int]]] = {
    int(kind): _then(_form_of(form), _MORE[kind]) if kind in _MORE else _form_of(form)
    for kind, form in FORMS.items()
}

_FNV_OFFSET: Final = 0xCBF29CE484222325
_FNV_PRIME: Final = 0x100000001B3
_MASK64: Final = 2**64 - 1
_ORDER_ID_WORD: Final = 3
_NUMBERED: Final = frozenset((PLACE, PLACE_LEG, QUOTE))


def fingerprint(fields: Fields) -> int:
    """Return FNV-1a over the record's sixteen 64-bit words.

    A PLACE, PLACE_LEG or QUOTE counts without its order id, which the sequencer gives anew to every
    retry.
    """
    record = COMMAND.pack(*fields)
    result = _FNV_OFFSET
    for index in range(COMMAND.size // 8):
        word = int.from_bytes(record[index * 8 : index * 8 + 8], "little")
        if index == _ORDER_ID_WORD and fields[0] in _NUMBERED:
            word = 0
        result = (result ^ word) * _FNV_PRIME & _MASK64
    return result


def joined_fingerprint(fingerprints: list[int]) -> int:
    """Return FNV-1a over the fingerprints of several records as 64-bit words."""
    result = _FNV_OFFSET
    for word in fingerprints:
        result = (result ^ word) * _FNV_PRIME & _MASK64
    return result
