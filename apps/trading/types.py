"""The words of orders that are not the engine's own, and an order as events leave it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from apps.markets.types import AssetTerms, MarketTerms


class ClosedStatus(Enum):
    """How an order ended. One that was reduced to nothing by its owner is CANCELED."""

    FILLED = 1
    CANCELED = 2
    EXPIRED = 3


@dataclass(slots=True)
class Order:
    """An order in the engine's own integers. `bound` is a ceiling in ticks, or a budget in atoms
    for FOK_BUDGET; both fees are in the market's fee asset of its side."""

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

    @property
    def leaves_lots(self) -> int:
        """What is left of it in the book."""
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
