"""The record codes as plain ints, for the modules through which every command passes.

Reading a member of an enumeration takes CPython longer than comparing it, and joining two flags
longer than a whole match; these names cost nothing. Invariant: each is its member's value.
"""

from __future__ import annotations

from typing import Final

from engine.proto.records import (
    CommandFlag,
    CommandType,
    EventFlag,
    EventType,
    MarketState,
    OrderType,
    Reason,
    Side,
    TimeInForce,
    UserStatus,
)

OK: Final = int(Reason.NONE)
MALFORMED: Final = int(Reason.MALFORMED)

PLACE: Final = int(CommandType.PLACE)
CANCEL: Final = int(CommandType.CANCEL)
REDUCE: Final = int(CommandType.REDUCE)
MOVE: Final = int(CommandType.MOVE)

OPERATOR: Final = int(CommandFlag.OPERATOR)
REQUEUE: Final = int(CommandFlag.REQUEUE)

BID: Final = int(Side.BID)
LIMIT: Final = int(OrderType.LIMIT)
MARKET: Final = int(OrderType.MARKET)
LIMIT_MAKER: Final = int(OrderType.LIMIT_MAKER)
FOK_BUDGET: Final = int(OrderType.FOK_BUDGET)
GTC: Final = int(TimeInForce.GTC)
FOK: Final = int(TimeInForce.FOK)

TRADING: Final = int(MarketState.TRADING)
ACTIVE: Final = int(UserStatus.ACTIVE)

ORDER_ACCEPTED: Final = int(EventType.ORDER_ACCEPTED)
ORDER_CANCELED: Final = int(EventType.ORDER_CANCELED)
ORDER_REDUCED: Final = int(EventType.ORDER_REDUCED)
ORDER_MOVED: Final = int(EventType.ORDER_MOVED)
ORDER_EXPIRED: Final = int(EventType.ORDER_EXPIRED)
TRADE: Final = int(EventType.TRADE)

DONE: Final = int(EventFlag.DONE)
MAKER_DONE: Final = int(EventFlag.MAKER_DONE)
BY_OPERATOR: Final = int(EventFlag.OPERATOR)
