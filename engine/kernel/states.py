"""What a market lets in, by its state: one table for both kernels and for whoever explains it.

A row per state, a column per thing that a command asks of a market; the entry is the reason to
refuse it, NONE where it passes. Operators' cancels pass everywhere, and what an operator sets or
lists is not asked of a market. Invariant: every state has an entry for every column.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from engine.proto.records import CommandType, MarketState, OrderType, Reason, TimeInForce


class Ask(IntEnum):
    """What a command asks of a market."""

    LIMIT = 0  # GTC, GTD
    LIMIT_IOC = 1
    LIMIT_FOK = 2
    LIMIT_MAKER = 3  # also a QUOTE
    MARKET = 4
    FOK_BUDGET = 5
    STOP_MARKET = 6  # STOP_LOSS, TAKE_PROFIT
    STOP_LIMIT = 7  # STOP_LOSS_LIMIT, TAKE_PROFIT_LIMIT
    MOVE = 8  # another price, or more lots; in POST_ONLY it must not cross
    CANCEL = 9  # by the owner: also REDUCE and CANCEL_ALL


ASK_COLUMNS: Final = 16  # of a row as the compiled kernel keeps it


def _row(refused: Reason, *passing: Ask) -> dict[Ask, Reason]:
    return {ask: Reason.NONE if ask in passing else refused for ask in Ask}


MATRIX: Final[dict[MarketState, dict[Ask, Reason]]] = {
    MarketState.TRADING: _row(Reason.NONE),
    MarketState.CANCEL_ONLY: _row(Reason.MARKET_NOT_TRADING, Ask.CANCEL),
    MarketState.HALT: _row(Reason.MARKET_NOT_TRADING, Ask.CANCEL),
    MarketState.POST_ONLY: _row(Reason.MARKET_POST_ONLY, Ask.LIMIT_MAKER, Ask.MOVE, Ask.CANCEL),
    MarketState.LIMIT_ONLY: _row(
        Reason.MARKET_LIMIT_ONLY,
        *(Ask.LIMIT, Ask.LIMIT_IOC, Ask.LIMIT_FOK, Ask.LIMIT_MAKER, Ask.STOP_LIMIT),
        *(Ask.MOVE, Ask.CANCEL),
    ),
    MarketState.AUCTION: _row(
        Reason.MARKET_IN_AUCTION, Ask.LIMIT, Ask.LIMIT_MAKER, Ask.MOVE, Ask.CANCEL
    ),
    MarketState.CLOSED: _row(Reason.MARKET_CLOSED),
    MarketState.DELISTED: _row(Reason.MARKET_DELISTED),
}
# The states that SET_MARKET_STATE takes; any other number is MALFORMED.
SETTABLE: Final = frozenset(MATRIX)
# Where orders meet: a book that crosses is uncrossed when its market enters one of these.
MATCHING: Final = frozenset((MarketState.TRADING, MarketState.POST_ONLY, MarketState.LIMIT_ONLY))

_BY_FORCE: Final = {TimeInForce.IOC: Ask.LIMIT_IOC, TimeInForce.FOK: Ask.LIMIT_FOK}
_BY_TYPE: Final = {
    OrderType.LIMIT_MAKER: Ask.LIMIT_MAKER,
    OrderType.MARKET: Ask.MARKET,
    OrderType.FOK_BUDGET: Ask.FOK_BUDGET,
    OrderType.STOP_LOSS: Ask.STOP_MARKET,
    OrderType.TAKE_PROFIT: Ask.STOP_MARKET,
    OrderType.STOP_LOSS_LIMIT: Ask.STOP_LIMIT,
    OrderType.TAKE_PROFIT_LIMIT: Ask.STOP_LIMIT,
}
_MOVING: Final = frozenset((CommandType.MOVE, CommandType.AMEND))


def ask_of(kind: int, order_type: int, time_in_force: int) -> Ask:
    """Return the column of a command that enters or changes an order."""
    if kind in _MOVING:
        return Ask.MOVE
    if kind == CommandType.QUOTE:
        return Ask.LIMIT_MAKER
    if order_type in _BY_TYPE:
        return _BY_TYPE[OrderType(order_type)]
    force = TimeInForce(time_in_force)
    return _BY_FORCE.get(force, Ask.LIMIT)
