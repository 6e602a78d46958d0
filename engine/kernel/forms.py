"""Which fields and flags each command type uses; all others must be zero.

The compiled kernel checks every type by this table; the reference takes from it the administrative
types and spells the others out, so that the two can disagree if one of them is wrong.

Invariant: both kernels refuse a record with a stray bit in an unused field as MALFORMED, so a later
version can give the field a meaning without old journals reading differently.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from engine.proto.records import CommandFlag, CommandType


class Form(NamedTuple):
    """Names as in `records.Command`, the type and `flags` aside; `flags` are the bits allowed."""

    fields: tuple[str, ...]
    flags: int = 0


_MONEY: Final = Form(("user_id", "asset_id", "amount", "request_id", "text"))
_END_OF_HOLD: Final = Form(("user_id", "request_id"))
_OF_AN_ORDER: Final = ("market_id", "user_id", "order_id", "request_id")
_PLACE: Final = Form(
    (
        *("side", "order_type", "time_in_force", "stp", *_OF_AN_ORDER),
        *("price", "quantity", "amount", "ceiling", "spare", "asset_id", "text"),
    ),
    int(CommandFlag.IN_SESSION | CommandFlag.ICEBERG),
)
FORMS: Final[dict[int, Form]] = {
    CommandType.ADD_ASSET: Form(("asset_id", "quantity", "amount", "text")),
    CommandType.ADD_MARKET: Form(
        ("market_id", "asset_id", "order_id", "price", "quantity", "amount", "ceiling", "text"),
        int(CommandFlag.FEE_IN_QUOTE | CommandFlag.FEE_PER_LOT),
    ),
    CommandType.SET_MARKET_FILTERS: Form(
        ("market_id", "price", "ceiling", "quantity", "order_id", "amount")
    ),
    CommandType.SET_MARKET_FEES: Form(("market_id", "amount", "ceiling")),
    CommandType.SET_MARKET_LIMITS: Form(
        ("market_id", "quantity", "order_id", "amount", "price", "ceiling", "spare", "side")
    ),
    CommandType.SET_USER_FEES: Form(("user_id", "market_id", "quantity", "amount", "ceiling")),
    CommandType.SET_MARKET_STATE: Form(("market_id", "quantity")),
    CommandType.ADD_USER: Form(("user_id",)),
    CommandType.SET_USER_STATUS: Form(("user_id", "quantity"), int(CommandFlag.CANCEL_RESTING)),
    CommandType.DEPOSIT: _MONEY,
    CommandType.WITHDRAW: _MONEY,
    CommandType.ADJUST: _MONEY,
    CommandType.SET_TRADE_GROUP: Form(("user_id", "quantity")),
    CommandType.TRANSFER_LEG: _MONEY,
    CommandType.TRANSFER: Form(("quantity", "request_id")),
    CommandType.HOLD: _MONEY,
    CommandType.SETTLE_HOLD: _END_OF_HOLD,
    CommandType.RELEASE_HOLD: _END_OF_HOLD,
    CommandType.SET_KILL_SWITCH: Form(("market_id", "user_id", "quantity")),
    CommandType.PLACE: _PLACE,
    CommandType.PLACE_LEG: _PLACE,
    CommandType.CANCEL: Form(
        _OF_AN_ORDER,
        int(CommandFlag.OPERATOR | CommandFlag.ONLY_NEW | CommandFlag.ONLY_PARTIALLY_FILLED),
    ),
    CommandType.REPLACE: Form(
        (*_OF_AN_ORDER, "quantity"),
        int(CommandFlag.ALLOW_FAILURE | CommandFlag.ONLY_NEW | CommandFlag.ONLY_PARTIALLY_FILLED),
    ),
    CommandType.QUOTE: Form((*_OF_AN_ORDER, "price", "quantity", "amount", "ceiling", "stp")),
    CommandType.SET_MARKET_BANDS: Form(
        ("market_id", "price", "quantity", "amount", "ceiling", "order_id", "spare")
    ),
    CommandType.AMEND: Form((*_OF_AN_ORDER, "price", "quantity")),
    CommandType.REDUCE: Form((*_OF_AN_ORDER, "quantity")),
    CommandType.MOVE: Form((*_OF_AN_ORDER, "price"), int(CommandFlag.REQUEUE)),
    CommandType.CANCEL_ALL: Form(
        ("market_id", "user_id", "quantity", "request_id"), int(CommandFlag.OPERATOR)
    ),
    CommandType.CHECKPOINT: Form(()),
    CommandType.PLACE_LIST: Form(
        ("market_id", "user_id", "order_type", "quantity", "request_id", "text")
    ),
    CommandType.TICK: Form(()),
    CommandType.SET_DEADMAN: Form(("user_id", "quantity")),
    CommandType.SET_SESSION: Form(("user_id", "order_id", "quantity", "amount")),
}
