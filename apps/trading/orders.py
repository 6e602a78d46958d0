"""The life of orders as the engine's events tell it. Pure: no database.

`OrderBook` starts from the open orders that the coming events may name and carries them forward,
noting what became of each. Invariant: every reservation that an event states is turned into exactly
one difference, so the sum over all differences is what open orders reserve now.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from apps.markets.types import MarketTerms
from apps.trading.types import (
    NO_CONDITIONS,
    ORDER_EFFECTS,
    ClosedOrder,
    ClosedStatus,
    Conditions,
    Fill,
    Order,
    ReserveChange,
)
from engine.proto.records import (
    EventFlag,
    EventHeader,
    OrderAccepted,
    OrderChanged,
    OrderPrevented,
    OrderTerms,
    OrderType,
    TimeInForce,
    Trade,
)

# Plain integers: an operation on an enum's member costs a microsecond.
_BID: Final = int(EventFlag.BID)
_DONE: Final = int(EventFlag.DONE)
_MAKER_DONE: Final = int(EventFlag.MAKER_DONE)
_BY_OPERATOR: Final = int(EventFlag.OPERATOR)
_PARKED: Final = int(EventFlag.PARKED)
_TERMS: Final = {
    kind | tif << 8: (int(kind), int(tif)) for kind in OrderType for tif in TimeInForce
}


class ContradictionError(ValueError):
    """An event does not fit what earlier events say."""


class OrderBook:
    """Open orders by id, and which of them are new, changed or gone since the last `drain`."""

    def __init__(self, stored: Iterable[Order] = ()) -> None:
        self.open: dict[int, Order] = {order.order_id: order for order in stored}
        self.opened: set[int] = set()  # open now, not stored yet
        self.changed: set[int] = set()  # open now, stored otherwise
        self.gone: set[int] = set()  # stored, no longer open
        self.closed: list[ClosedOrder] = []

    def accept(
        self,
        header: EventHeader,
        body: OrderAccepted,
        market: MarketTerms,
        terms: OrderTerms | None = None,
    ) -> ReserveChange:
        """Take in ORDER_ACCEPTED, and the ORDER_TERMS before it if there were any."""
        if body.order_id in self.open:
            raise ContradictionError(f"order {body.order_id} was accepted while open")
        order_type, time_in_force = _TERMS[body.terms]
        order = Order(
            order_id=body.order_id,
            market=market,
            user_id=body.user_id,
            is_bid=bool(header.flags & _BID),
            order_type=order_type,
            time_in_force=time_in_force,
            price_ticks=body.price_ticks,
            bound=body.bound,
            quantity_lots=body.quantity_lots,
            client_order_id=body.text.decode("ascii"),
            accepted_event_seq=header.event_seq,
            accepted_us=header.time_us,
            reserved_atoms=0,
            last_event_seq=header.event_seq,
            is_parked=bool(header.flags & _PARKED),
            conditions=NO_CONDITIONS if terms is None else conditions_of(terms),
        )
        self.open[order.order_id] = order
        self.opened.add(order.order_id)
        return _reserve(order, body.reserved_atoms)

    def change(self, header: EventHeader, body: OrderChanged | OrderPrevented) -> ReserveChange:
        """Take in an event about one order that is no trade: one of `ORDER_EFFECTS`."""
        order = self._known(body.order_id, body.user_id, header)
        effect, ends = ORDER_EFFECTS[header.type], bool(header.flags & _DONE)
        order.price_ticks = body.price_ticks
        if effect.is_resize and not ends:
            order.quantity_lots -= body.removed_lots
        else:
            order.removed_lots += body.removed_lots
        if effect.is_trigger:
            order.is_parked = bool(header.flags & _PARKED)  # a pending stop still waits
            order.triggered_event_seq = header.event_seq
        if order.leaves_lots != body.leaves_lots:
            raise ContradictionError(
                f"order {order.order_id} has {order.leaves_lots} lots left by its earlier events, "
                f"event {header.event_seq} says {body.leaves_lots}"
            )
        reserve = _reserve(order, body.reserved_atoms)
        self._note(header, order, ends=ends)
        return reserve

    def trade(
        self, header: EventHeader, body: Trade, market: MarketTerms
    ) -> tuple[Fill, ReserveChange, ReserveChange]:
        """Take in TRADE; the changes are the maker's and the taker's."""
        maker = self._known(body.maker_order_id, body.maker_user_id, header)
        taker = self._known(body.taker_order_id, body.taker_user_id, header)
        quote_atoms = body.price_ticks * body.quantity_lots * market.tick_lot_atoms
        if not taker.leaves_lots and taker.conditions.quote_atoms:
            taker.quantity_lots += body.quantity_lots  # how much it buys shows as it trades
        for order in (maker, taker):
            order.executed_lots += body.quantity_lots
            order.executed_quote_atoms += quote_atoms
        maker.maker_fee_atoms += body.maker_fee_atoms
        taker.taker_fee_atoms += body.taker_fee_atoms
        maker_reserve = _reserve(maker, body.maker_reserved_atoms)
        taker_reserve = _reserve(taker, body.taker_reserved_atoms)
        self._note(header, maker, ends=bool(header.flags & _MAKER_DONE))
        self._note(header, taker, ends=bool(header.flags & _DONE))
        return _fill(header, body, market), maker_reserve, taker_reserve

    def drain(self) -> None:
        """Forget what was noted: it is stored."""
        self.opened.clear()
        self.changed.clear()
        self.gone.clear()
        self.closed.clear()

    def _known(self, order_id: int, user_id: int, header: EventHeader) -> Order:
        order = self.open.get(order_id)
        if order is None or order.user_id != user_id:
            owner = "not open" if order is None else f"of user {order.user_id}"
            raise ContradictionError(
                f"order {order_id} is {owner}, event {header.event_seq} names it as an open one "
                f"of user {user_id}"
            )
        return order

    def _note(self, header: EventHeader, order: Order, *, ends: bool) -> None:
        order.last_event_seq = header.event_seq
        if ends:
            self._close(header, order)
        elif order.leaves_lots < (0 if order.conditions.quote_atoms else 1):
            raise ContradictionError(
                f"order {order.order_id} has {order.leaves_lots} lots left after event "
                f"{header.event_seq}, which leaves it open"
            )
        elif order.order_id not in self.opened:
            self.changed.add(order.order_id)

    def _close(self, header: EventHeader, order: Order) -> None:
        if order.leaves_lots or order.reserved_atoms:
            raise ContradictionError(
                f"order {order.order_id} ended by event {header.event_seq} with "
                f"{order.leaves_lots} lots and {order.reserved_atoms} atoms, expected none"
            )
        del self.open[order.order_id]
        self.changed.discard(order.order_id)
        if order.order_id in self.opened:
            self.opened.discard(order.order_id)
        else:
            self.gone.add(order.order_id)
        effect = ORDER_EFFECTS.get(header.type)
        self.closed.append(
            ClosedOrder(
                order=order,
                status=ClosedStatus.FILLED if effect is None else effect.ended_as,
                reason=header.reason,
                by_operator=bool(effect and header.flags & _BY_OPERATOR),
                closed_event_seq=header.event_seq,
                closed_us=header.time_us,
            )
        )


def conditions_of(terms: OrderTerms) -> Conditions:
    """Return what ORDER_TERMS states."""
    return Conditions(
        stop_price_ticks=terms.stop_price_ticks,
        trailing_bips=terms.delta_bips,
        display_lots=terms.display_lots,
        expires_us=terms.expire_time_us,
        list_id=terms.list_id,
        quote_atoms=terms.quote_atoms,
        stp_mode=terms.stp,
        session_id=terms.session_id,
    )


def _reserve(order: Order, atoms: int) -> ReserveChange:
    change = ReserveChange(order.user_id, order.held_asset.asset_id, atoms - order.reserved_atoms)
    order.reserved_atoms = atoms
    return change


def _fill(header: EventHeader, body: Trade, market: MarketTerms) -> Fill:
    return Fill(
        event_seq=header.event_seq,
        time_us=header.time_us,
        market=market,
        trade_id=body.trade_id,
        taker_is_bid=bool(header.flags & _BID),
        maker_order_id=body.maker_order_id,
        taker_order_id=body.taker_order_id,
        maker_user_id=body.maker_user_id,
        taker_user_id=body.taker_user_id,
        price_ticks=body.price_ticks,
        quantity_lots=body.quantity_lots,
        maker_fee_atoms=body.maker_fee_atoms,
        taker_fee_atoms=body.taker_fee_atoms,
    )
