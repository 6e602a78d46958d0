"""Form checks: is a record one this version understands at all, before its content is looked at.

Invariant: a field that a command type does not use is zero, else MALFORMED; so a later version can
give it a meaning without old journals reading differently.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from engine.kernel.limits import ASSET_CODE_CHARS_MAX, SYMBOL_CHARS_MAX
from engine.proto.records import (
    CLIENT_ORDER_ID_CHARS_MAX,
    COMMAND,
    NO_REQUEST_ID,
    TEXT_BYTES,
    Command,
    CommandFlag,
    CommandType,
    MarketState,
    OrderType,
    Reason,
    Side,
    TimeInForce,
    UserStatus,
)

Fields = tuple[Any, ...]  # a command unpacked, in the order of `records.Command`

NO_TEXT: Final = bytes(TEXT_BYTES)
_OK: Final = int(Reason.NONE)
_MALFORMED: Final = int(Reason.MALFORMED)
_LIMIT: Final = int(OrderType.LIMIT)
_BID: Final = int(Side.BID)
_GTC: Final = int(TimeInForce.GTC)
_FOK: Final = int(TimeInForce.FOK)
_REQUEUE: Final = int(CommandFlag.REQUEUE)
_MARKET_STATES: Final = frozenset(map(int, MarketState))
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
    _, side, order_type, tif, flags, reserved, _, asset_id, *_ = fields
    price, amount, ceiling, spare, text = (
        fields[10],
        fields[12],
        fields[13],
        fields[14],
        fields[16],
    )
    if side > _BID or flags or reserved or asset_id or spare:
        return _MALFORMED
    if text != NO_TEXT and not _PADDED(text):
        return _MALFORMED
    if order_type == _LIMIT:
        is_formed = _GTC <= tif <= _FOK and not amount and (side == _BID or not ceiling)
        return _OK if is_formed else _MALFORMED
    if tif or ceiling:
        return _MALFORMED
    if order_type == OrderType.LIMIT_MAKER:
        return _MALFORMED if amount else _OK
    if order_type == OrderType.MARKET:
        return _MALFORMED if price or amount else _OK
    if order_type != OrderType.FOK_BUDGET or price:
        return _MALFORMED
    return Reason.INVALID_AMOUNT if amount <= 0 else _OK


def move_form(fields: Fields) -> int:
    (_, side, order_type, tif, flags, reserved, _, asset_id, _, _, _, quantity, amount, ceiling,
     spare, _, text) = fields  # fmt: skip
    if side or order_type or tif or reserved or asset_id or quantity or amount or ceiling or spare:
        return _MALFORMED
    return _MALFORMED if (flags and flags != _REQUEUE) or text != NO_TEXT else _OK


def _form(*names: str, flags: int = 0) -> Callable[[Fields], int]:
    """Return the check of a command type that uses these fields (type aside) and flag bits."""
    used = {Command._fields.index(name) for name in names}
    unused = [
        index
        for index, name in enumerate(Command._fields)
        if index not in used and name not in ("type", "flags", "request_id", "text")
    ]
    flags_index = Command._fields.index("flags")

    def check(fields: Fields) -> int:
        if any(fields[index] for index in unused) or fields[flags_index] & ~flags:
            return _MALFORMED
        if "request_id" not in names and fields[15] != NO_REQUEST_ID:
            return _MALFORMED
        return _MALFORMED if "text" not in names and fields[16] != NO_TEXT else _OK

    return check


def _then(
    first: Callable[[Fields], int], is_formed: Callable[[Fields], bool]
) -> Callable[[Fields], int]:
    return lambda fields: first(fields) or (_OK if is_formed(fields) else _MALFORMED)


def _is_market_state(fields: Fields) -> bool:
    return fields[11] in _MARKET_STATES


def _is_user_status(fields: Fields) -> bool:
    return fields[11] in _USER_STATUSES


def _has_reference(fields: Fields) -> bool:
    return _PADDED(fields[16]) is not None


def _names_its_owner(fields: Fields) -> bool:
    return not (fields[4] and fields[8])  # an operator's cancel carries no user


_MONEY: Final = _then(_form("user_id", "asset_id", "amount", "request_id", "text"), _has_reference)
FORMS: Final[dict[int, Callable[[Fields], int]]] = {
    CommandType.ADD_ASSET: _form("asset_id", "quantity", "amount", "text"),
    CommandType.ADD_MARKET: _form(
        "market_id", "asset_id", "order_id", "price", "quantity", "amount", "ceiling", "text",
        flags=CommandFlag.FEE_IN_QUOTE | CommandFlag.FEE_PER_LOT,
    ),
    CommandType.SET_MARKET_FILTERS: _form(
        "market_id", "price", "ceiling", "quantity", "order_id", "amount"
    ),
    CommandType.SET_MARKET_FEES: _form("market_id", "amount", "ceiling"),
    CommandType.SET_MARKET_STATE: _then(_form("market_id", "quantity"), _is_market_state),
    CommandType.ADD_USER: _form("user_id"),
    CommandType.SET_USER_STATUS: _then(_form("user_id", "quantity"), _is_user_status),
    CommandType.DEPOSIT: _MONEY,
    CommandType.WITHDRAW: _MONEY,
    CommandType.ADJUST: _MONEY,
    CommandType.PLACE: place_form,
    CommandType.CANCEL: _then(
        _form("market_id", "user_id", "order_id", "request_id", flags=CommandFlag.OPERATOR),
        _names_its_owner,
    ),
    CommandType.REDUCE: _form("market_id", "user_id", "order_id", "quantity", "request_id"),
    CommandType.MOVE: move_form,
    CommandType.CHECKPOINT: _form(),
}  # fmt: skip

_FNV_OFFSET: Final = 0xCBF29CE484222325
_FNV_PRIME: Final = 0x100000001B3
_MASK64: Final = 2**64 - 1
_ORDER_ID_WORD: Final = 3


def fingerprint(fields: Fields) -> int:
    """Return FNV-1a over the record's sixteen 64-bit words.

    A PLACE counts without its order id, which the sequencer gives anew to every retry.
    """
    record = COMMAND.pack(*fields)
    result = _FNV_OFFSET
    for index in range(COMMAND.size // 8):
        word = int.from_bytes(record[index * 8 : index * 8 + 8], "little")
        if index == _ORDER_ID_WORD and fields[0] == CommandType.PLACE:
            word = 0
        result = (result ^ word) * _FNV_PRIME & _MASK64
    return result
