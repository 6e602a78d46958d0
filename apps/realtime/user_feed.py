"""The private channels of one user who has a socket open: orders, fills and balances.

Orders and fills follow from the engine's events. Events do not state balances, so they only say
that something may have changed; the engine is then asked, at most once in an interval. Invariant:
nothing of another user is ever in here, and what was in a snapshot is not told again as an update.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from apps.core.amounts import atoms_text
from apps.markets.grid import price_text, quantity_text
from apps.markets.types import AssetTerms, MarketTerms
from apps.realtime import payloads
from apps.realtime.channels import Channel
from apps.realtime.encoding import time_text
from apps.realtime.limits import RealtimeLimits
from apps.trading.orders import conditions_of
from apps.trading.types import NO_CONDITIONS, ORDER_EFFECTS, Conditions
from engine.client import Balances, OpenOrder, OpenOrders
from engine.proto.records import (
    EventBody,
    EventFlag,
    EventHeader,
    EventType,
    OrderAccepted,
    OrderChanged,
    OrderPrevented,
    OrderTerms,
    OrderType,
    Reason,
    Side,
    StpMode,
    TimeInForce,
    Trade,
)

_GTC_TYPES: Final = frozenset(
    map(int, (OrderType.LIMIT, OrderType.STOP_LOSS_LIMIT, OrderType.TAKE_PROFIT_LIMIT))
)


@dataclass(slots=True, kw_only=True)
class OwnOrder:
    """One order as its owner sees it. None is what was never heard of it."""

    order_id: int
    market: MarketTerms
    side: Side
    order_type: str | None = None
    time_in_force: str | None = None
    client_order_id: str | None = None
    price_ticks: int = 0
    quantity_lots: int | None = None
    leaves_lots: int | None = None
    is_parked: bool = False
    conditions: Conditions = NO_CONDITIONS

    def payload(self, status: str, *, reason: str | None, time_us: int | None) -> dict[str, Any]:
        """Return what its owner is told."""
        market = self.market
        return {
            "order_id": self.order_id,
            "client_order_id": self.client_order_id,
            "symbol": market.symbol,
            "side": payloads.SIDE_TEXT[self.side],
            "type": self.order_type,
            "time_in_force": self.time_in_force,
            "price": price_text(self.price_ticks, market) if self.price_ticks else None,
            "quantity": _quantity(self.quantity_lots, market),
            "remaining": _quantity(self.leaves_lots, market),
            "status": status,
            "reason": reason,
            "time": None if time_us is None else time_text(time_us),
            **({"waiting": True} if self.is_parked else {}),
            **_conditions(self.conditions, market),
        }


def _conditions(stated: Conditions, market: MarketTerms) -> dict[str, Any]:
    """Return what an order has beyond the common, and nothing of what it does not have."""
    told: dict[str, Any] = {}
    if stated.stop_price_ticks:
        told["stop_price"] = price_text(stated.stop_price_ticks, market)
    if stated.trailing_bips:
        told["trailing_delta_bips"] = stated.trailing_bips
    if stated.display_lots:
        told["display_quantity"] = quantity_text(stated.display_lots, market)
    if stated.expires_us:
        told["expires_at"] = time_text(stated.expires_us)
    if stated.list_id:
        told["list_id"] = stated.list_id
    if stated.quote_atoms:
        told["quote_amount"] = atoms_text(stated.quote_atoms, market.quote.decimals)
    if stated.stp_mode:
        told["self_trade_prevention"] = StpMode(stated.stp_mode).name
    return told


def _quantity(lots: int | None, market: MarketTerms) -> str | None:
    return None if lots is None else quantity_text(lots, market)


class UserFeed:
    """One user's three channels. `wants_orders` and `wants_balances` say what to ask for."""

    def __init__(
        self,
        user_id: int,
        limits: RealtimeLimits,
        markets: Mapping[int, MarketTerms],
        assets: Mapping[int, AssetTerms],
    ) -> None:
        self.user_id = user_id
        self._limits = limits
        self._markets = markets
        self._assets = assets
        self._orders: dict[int, OwnOrder] = {}
        self._orders_seq = 0  # the snapshot's event; what came before is in it
        self._is_truncated = False
        self._pending: list[tuple[EventHeader, EventBody]] = []
        self._terms: OrderTerms | None = None  # of the order that is accepted next
        self.generation = 0  # rises when an answer that is under way would come too late
        self._event_seq = 0
        self._balances: dict[int, tuple[int, int]] = {}
        self._balances_seq = 0
        self.wants_orders = True
        self.wants_balances = True
        self.orders = Channel("orders", self._orders_snapshot)
        self.fills = Channel("fills", self._fills_snapshot)
        self.balances = Channel("balances", self._balances_snapshot)

    @property
    def channels(self) -> tuple[Channel, ...]:
        """All three."""
        return (self.orders, self.fills, self.balances)

    def restart(self, markets: Mapping[int, MarketTerms], assets: Mapping[int, AssetTerms]) -> None:
        """Ask for everything again: events may have been missed."""
        self._markets, self._assets = markets, assets
        self.wants_orders = self.wants_balances = True
        self.generation += 1
        self._pending.clear()
        for channel in self.channels:
            channel.wait_again()

    def load_orders(self, answer: OpenOrders, generation: int) -> None:
        """Take the engine's list, and what happened since; nothing if of an older generation."""
        if generation != self.generation:
            return
        self._orders = {
            order.order_id: OwnOrder(
                order_id=order.order_id,
                market=self._markets[order.market_id],
                side=Side(order.side),
                order_type=OrderType(order.order_type).name,
                time_in_force=_time_in_force(order),
                client_order_id=order.client_order_id or None,
                price_ticks=order.price_ticks,
                quantity_lots=order.quantity_lots,
                leaves_lots=order.leaves_lots,
                is_parked=bool(order.wait),
                conditions=Conditions(
                    stop_price_ticks=order.stop_price_ticks,
                    trailing_bips=order.delta_bips,
                    expires_us=order.expire_time_us,
                    list_id=order.list_id,
                ),
            )
            for order in answer.orders
            if order.market_id in self._markets
        }
        self._is_truncated = len(answer.orders) >= self._limits.user_orders_max
        self._orders_seq = answer.event_seq
        self.wants_orders = False
        self.orders.admit()
        self.fills.admit()
        pending, self._pending = self._pending, []
        for header, body in pending:
            self.apply(header, body)

    def load_balances(self, answer: Balances) -> None:
        """Publish what differs from what was published, and admit those who wait."""
        self._balances_seq = answer.event_seq
        now = {each.asset_id: (each.available_atoms, each.locked_atoms) for each in answer.balances}
        changed = {key: value for key, value in now.items() if self._balances.get(key) != value}
        self._balances = now
        if changed:
            self.balances.publish("update", self._balances_message(changed))
        self.balances.admit()

    def apply(self, header: EventHeader, body: EventBody) -> None:
        """Move on by one event that concerns this user."""
        if header.event_seq > self._balances_seq:
            self.wants_balances = True
        if self.wants_orders:
            self._keep(header, body)
            return
        self._event_seq = max(self._event_seq, header.event_seq)
        if isinstance(body, Trade):
            self._trade(header, body)
        elif isinstance(body, OrderTerms):
            self._terms = body
        elif isinstance(body, OrderAccepted):
            self._accepted(header, body)
        elif isinstance(body, OrderChanged | OrderPrevented):
            self._changed(header, body)

    def _keep(self, header: EventHeader, body: EventBody) -> None:
        self._pending.append((header, body))
        if len(self._pending) > self._limits.user_pending_max:
            self.restart(self._markets, self._assets)

    def _accepted(self, header: EventHeader, body: OrderAccepted) -> None:
        terms, self._terms = self._terms, None
        if header.event_seq <= self._orders_seq or header.market_id not in self._markets:
            return
        order = OwnOrder(
            order_id=body.order_id,
            market=self._markets[header.market_id],
            side=_side(header),
            order_type=OrderType(body.terms & 0xFF).name,
            time_in_force=TimeInForce(body.terms >> 8).name,
            client_order_id=body.text.decode("ascii") or None,
            price_ticks=body.price_ticks,
            quantity_lots=body.quantity_lots,
            leaves_lots=body.quantity_lots,
            is_parked=bool(header.flags & EventFlag.PARKED),
            conditions=NO_CONDITIONS if terms is None else conditions_of(terms),
        )
        self._orders[order.order_id] = order
        self._tell(header, order, "open")

    def _changed(self, header: EventHeader, body: OrderChanged | OrderPrevented) -> None:
        if header.event_seq <= self._orders_seq or header.market_id not in self._markets:
            return
        order, effect = (
            self._order(header, body.order_id, _side(header)),
            ORDER_EFFECTS[header.type],
        )
        order.leaves_lots = body.leaves_lots
        order.price_ticks = body.price_ticks
        order.is_parked = bool(header.flags & EventFlag.PARKED)
        is_done, status = bool(header.flags & EventFlag.DONE), "open"
        if is_done:
            self._orders.pop(order.order_id, None)
            status = effect.ended_as.name.lower()
        elif effect.is_resize and order.quantity_lots is not None:
            order.quantity_lots -= body.removed_lots
        self._tell(header, order, status)

    def _trade(self, header: EventHeader, trade: Trade) -> None:
        if header.market_id not in self._markets:
            return
        taker_side = _side(header)
        maker_side = Side.ASK if taker_side is Side.BID else Side.BID
        sides = (
            (trade.maker_user_id, trade.maker_order_id, maker_side, EventFlag.MAKER_DONE, True),
            (trade.taker_user_id, trade.taker_order_id, taker_side, EventFlag.DONE, False),
        )
        for user_id, order_id, side, done, is_maker in sides:
            if user_id == self.user_id:
                order = self._order(header, order_id, side)
                self._fill(header, trade, order, is_maker=is_maker)
                self._traded(header, trade, order, is_done=bool(header.flags & done))

    def _fill(self, header: EventHeader, trade: Trade, order: OwnOrder, *, is_maker: bool) -> None:
        told = payloads.fill(
            header, trade, order.market, is_maker=is_maker, client_id=order.client_order_id
        )
        self.fills.publish("fill", {"event_seq": header.event_seq, "fill": told})

    def _traded(self, header: EventHeader, trade: Trade, order: OwnOrder, *, is_done: bool) -> None:
        if header.event_seq <= self._orders_seq:
            return
        if order.leaves_lots is not None:
            order.leaves_lots -= trade.quantity_lots
        if is_done:
            order.leaves_lots = 0
            self._orders.pop(order.order_id, None)
        self._tell(header, order, "filled" if is_done else "partially_filled")

    def _order(self, header: EventHeader, order_id: int, side: Side) -> OwnOrder:
        known = self._orders.get(order_id)
        if known is None:
            market = self._markets[header.market_id]
            return OwnOrder(order_id=order_id, market=market, side=side)
        return known

    def _tell(self, header: EventHeader, order: OwnOrder, status: str) -> None:
        reason = Reason(header.reason).name.lower() if header.reason else None
        if header.flags & EventFlag.OPERATOR and header.type == EventType.ORDER_CANCELED:
            reason = "operator"
        told = order.payload(status, reason=reason, time_us=header.time_us)
        self.orders.publish("update", {"event_seq": header.event_seq, "order": told})

    def _orders_snapshot(self) -> dict[str, Any]:
        return {
            "event_seq": max(self._event_seq, self._orders_seq),
            "truncated": self._is_truncated,
            "orders": [
                order.payload(_resting_status(order), reason=None, time_us=None)
                for order in self._orders.values()
            ],
        }

    def _fills_snapshot(self) -> dict[str, Any]:
        return {"event_seq": max(self._event_seq, self._orders_seq), "fills": []}

    def _balances_snapshot(self) -> dict[str, Any]:
        return self._balances_message(self._balances)

    def _balances_message(self, accounts: Mapping[int, tuple[int, int]]) -> dict[str, Any]:
        return {
            "event_seq": self._balances_seq,
            "balances": [
                payloads.balance(self._assets[asset_id], available, locked)
                for asset_id, (available, locked) in sorted(accounts.items())
                if asset_id in self._assets
            ],
        }


def _side(header: EventHeader) -> Side:
    return Side.BID if header.flags & EventFlag.BID else Side.ASK


def _time_in_force(order: OpenOrder) -> str | None:
    """Return what the engine's list says of it; None where it says nothing."""
    if order.expire_time_us:
        return TimeInForce.GTD.name
    if order.wait:
        return None  # what it will be once it has triggered
    return (TimeInForce.GTC if order.order_type in _GTC_TYPES else TimeInForce.NONE).name


def _resting_status(order: OwnOrder) -> str:
    return "open" if order.leaves_lots == order.quantity_lots else "partially_filled"
