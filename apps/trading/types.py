"""The words of orders that are not the engine's own, what an event does to an order, and an order
as events leave it.

`ORDER_EFFECTS` is the one table of the events that change or end an order. Invariant: books, feeds,
answers and pages take from it how an event ends an order; none of them lists the types itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple

from apps.markets.types import AssetTerms, MarketTerms
from engine.proto.records import EventType


class ClosedStatus(Enum):
    """How an order ended. One that was reduced to nothing by its owner is CANCELED."""

    FILLED = 1
    CANCELED = 2
    EXPIRED = 3


class OrderEffect(NamedTuple):
    """What an event whose body is an OrderChanged does to its order.

    `ended_as`: how an order ended that this event ends. `is_resize`: `removed_lots` change what was
    ordered (negative: more), and not what became of it. `is_trigger`: it waits no longer.
    """

    ended_as: ClosedStatus
    is_resize: bool = False
    is_trigger: bool = False


ORDER_EFFECTS: Final[dict[int, OrderEffect]] = {
    int(EventType.ORDER_CANCELED): OrderEffect(ClosedStatus.CANCELED),
    int(EventType.ORDER_REDUCED): OrderEffect(ClosedStatus.CANCELED),
    int(EventType.ORDER_MOVED): OrderEffect(ClosedStatus.CANCELED),
    int(EventType.ORDER_EXPIRED): OrderEffect(ClosedStatus.EXPIRED),
    int(EventType.ORDER_TRIGGERED): OrderEffect(ClosedStatus.EXPIRED, is_trigger=True),
    int(EventType.ORDER_AMENDED): OrderEffect(ClosedStatus.CANCELED, is_resize=True),
    int(EventType.ORDER_PREVENTED): OrderEffect(ClosedStatus.EXPIRED),
}


class Conditions(NamedTuple):
    """What an order has beyond the common, as ORDER_TERMS states it. 0 = does not have it."""

    stop_price_ticks: int = 0
    trailing_bips: int = 0
    display_lots: int = 0
    expires_us: int = 0
    list_id: int = 0
    quote_atoms: int = 0
    stp_mode: int = 0
    session_id: int = 0


NO_CONDITIONS: Final = Conditions()


@dataclass(slots=True)
class Order:
    """An order in the engine's own integers. `bound` is a ceiling in ticks, or a budget in atoms
    for FOK_BUDGET; both fees are in the market's fee asset of its side. `is_parked`: it waits for
    its trigger or its list and is not in the book; the event that ended this is
    `triggered_event_seq`, 0 if there was none."""

    order_id: int
    market: MarketTerms
    user_id: int
    is_bid: bool
    order_type: int
    time_in_force: int
    price_ticks: int
    bound: int
    quantity_lots: int
    client_order_id: str
    accepted_event_seq: int
    accepted_us: int
    reserved_atoms: int
    last_event_seq: int
    executed_lots: int = 0
    removed_lots: int = 0
    executed_quote_atoms: int = 0
    maker_fee_atoms: int = 0
    taker_fee_atoms: int = 0
    is_parked: bool = False
    triggered_event_seq: int = 0
    conditions: Conditions = NO_CONDITIONS

    @property
    def leaves_lots(self) -> int:
        """What is left of it to be executed."""
        return self.quantity_lots - self.executed_lots - self.removed_lots

    @property
    def fee_asset(self) -> AssetTerms:
        """What its fees are taken from."""
        return self.market.fee_asset(is_bid=self.is_bid)

    @property
    def held_asset(self) -> AssetTerms:
        """What it reserves."""
        return self.market.held_asset(is_bid=self.is_bid)


class ClosedOrder(NamedTuple):
    """An order that has ended, and how."""

    order: Order
    status: ClosedStatus
    reason: int
    by_operator: bool
    closed_event_seq: int
    closed_us: int


class Fill(NamedTuple):
    """A trade with what the market says about it."""

    event_seq: int
    time_us: int
    market: MarketTerms
    trade_id: int
    taker_is_bid: bool
    maker_order_id: int
    taker_order_id: int
    maker_user_id: int
    taker_user_id: int
    price_ticks: int
    quantity_lots: int
    maker_fee_atoms: int
    taker_fee_atoms: int


class ReserveChange(NamedTuple):
    """By how much the reservations of an account grew (negative: shrank)."""

    user_id: int
    asset_id: int
    atoms: int
