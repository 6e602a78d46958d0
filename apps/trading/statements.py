"""What traders are told about orders, fills and markets, as frozen values.

Amounts are decimal text, exact and without an exponent. Invariant: a public statement
(`PublicTrade`, `Ticker`, `Candle`) has no field that names a user or an order.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from apps.trading.types import ClosedStatus
from engine.proto.records import StpMode


class OrderStatus(Enum):
    """Where an order is. OPEN rests in the book, partly executed or not."""

    OPEN = 0
    FILLED = ClosedStatus.FILLED.value
    CANCELED = ClosedStatus.CANCELED.value
    EXPIRED = ClosedStatus.EXPIRED.value


class Role(Enum):
    """Of an order in a trade."""

    MAKER = 0
    TAKER = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFill:
    """One fill of one order. The fee is exact; `fee_asset` names what it was taken from."""

    trade_id: int
    role: str
    price: str
    quantity: str
    quote_quantity: str
    fee: str
    fee_asset: str
    executed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnTrade(OrderFill):
    """A fill in a trader's own list; `key` is its place there."""

    market: str
    order_id: int
    side: str
    key: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderStatement:
    """An order. `quantity` = executed + removed + leaves; `fee` is the sum over all its fills.

    `price` is None for an order without a limit. `fills` is None where fills are not told (lists).
    `is_waiting`: it is not in the book until its trigger or its list comes. The last fields are
    None where the order has no such thing; `list_id` is the first order of its list.
    """

    order_id: int
    client_order_id: str
    market: str
    side: str
    type: str
    time_in_force: str
    status: str
    reason: str
    price: str | None
    quantity: str
    executed_quantity: str
    removed_quantity: str
    leaves_quantity: str
    executed_quote: str
    fee: str
    fee_asset: str
    by_operator: bool
    accepted_at: datetime
    closed_at: datetime | None
    fills: tuple[OrderFill, ...] | None
    is_waiting: bool = False
    self_trade_prevention: str = StpMode.NONE.name
    stop_price: str | None = None
    trailing_delta_bips: int | None = None
    display_quantity: str | None = None
    expires_at: datetime | None = None
    list_id: int | None = None
    quote_amount: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedOrder:
    """The durable outcome of placing: the order as this command left it.

    `is_replayed`: the same request had been executed before, and this is what it led to then.
    """

    order: OrderStatement
    is_replayed: bool
    event_seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CanceledOrder:
    """The durable outcome of a cancel; `order` is the whole order if the books have it already."""

    order_id: int
    market: str
    status: str
    removed_quantity: str
    canceled_at: datetime
    event_seq: int
    order: OrderStatement | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceStatement:
    """What a user has of an asset; total = available + locked."""

    asset: str
    available: str
    locked: str
    total: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BookLevel:
    """All that rests at one price."""

    price: str
    quantity: str
    orders: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BookStatement:
    """The best levels of both sides at one event sequence, best first."""

    market: str
    event_seq: int
    bids: tuple[BookLevel, ...]
    asks: tuple[BookLevel, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicTrade:
    """A trade as everybody may see it."""

    trade_id: int
    price: str
    quantity: str
    quote_quantity: str
    taker_side: str
    executed_at: datetime
