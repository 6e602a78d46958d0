"""An order request as the engine's command, and the engine's events as the trader's answer.

Pure: no engine, no database, so that every process that takes orders shares it. Invariant: the
answer states nothing but what the events of this very command say.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from apps.core.amounts import atoms_text
from apps.markets.grid import lots_of, price_text, quantity_text, quote_text, ticks_of
from apps.markets.types import MarketTerms
from apps.trading.errors import OrderTermsError
from apps.trading.orders import conditions_of
from apps.trading.statements import OrderFill, OrderStatement, OrderStatus, PlacedOrder, Role
from apps.trading.types import NO_CONDITIONS, ORDER_EFFECTS, Conditions
from engine.client import Outcome
from engine.proto.records import (
    CLIENT_ORDER_ID_CHARS_MAX,
    NO_REQUEST_ID,
    Command,
    CommandType,
    EventFlag,
    EventHeader,
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

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_CLIENT_ORDER_ID: Final = re.compile(rf"[a-zA-Z0-9\-_.:/]{{0,{CLIENT_ORDER_ID_CHARS_MAX}}}")
ORDER_TYPES: Final = (OrderType.LIMIT, OrderType.LIMIT_MAKER, OrderType.MARKET)
TIMES_IN_FORCE: Final = (TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRequest:
    """What a trader asks for. `price` is None for MARKET; `time_in_force` matters to LIMIT only."""

    side: Side
    order_type: OrderType
    quantity: str
    price: str | None = None
    time_in_force: TimeInForce | None = None
    client_order_id: str = ""


def place_command(
    request: OrderRequest, market: MarketTerms, user_id: int, request_id: bytes = NO_REQUEST_ID
) -> Command:
    """Return the command. OrderTermsError or GridError name the field that cannot be."""
    is_limit = request.order_type is OrderType.LIMIT
    if not is_limit and request.time_in_force is not None:
        raise OrderTermsError(
            "time_in_force", request.time_in_force.name, f"none with {request.order_type.name}"
        )
    if request.order_type is OrderType.MARKET and request.price is not None:
        raise OrderTermsError("price", request.price, "none with MARKET")
    if request.order_type is not OrderType.MARKET and request.price is None:
        raise OrderTermsError("price", None, f"a limit price with {request.order_type.name}")
    if not _CLIENT_ORDER_ID.fullmatch(request.client_order_id):
        raise OrderTermsError(
            "client_order_id",
            request.client_order_id[: 2 * CLIENT_ORDER_ID_CHARS_MAX],
            f"at most {CLIENT_ORDER_ID_CHARS_MAX} of letters, digits and - _ . : /",
        )
    time_in_force = TimeInForce.NONE
    if is_limit:
        time_in_force = request.time_in_force or TimeInForce.GTC
    return Command(
        CommandType.PLACE,
        side=request.side,
        order_type=request.order_type,
        time_in_force=time_in_force,
        market_id=market.market_id,
        user_id=user_id,
        price=0 if request.price is None else ticks_of(request.price, market),
        quantity=lots_of(request.quantity, market),
        request_id=request_id,
        text=request.client_order_id.encode("ascii"),
    )


def cancel_command(
    *, user_id: int, market_id: int, order_id: int, request_id: bytes = NO_REQUEST_ID
) -> Command:
    """Return the command that takes an order out of the book."""
    return Command(
        CommandType.CANCEL,
        market_id=market_id,
        user_id=user_id,
        order_id=order_id,
        request_id=request_id,
    )


def canceled_of(outcome: Outcome, order_id: int) -> tuple[EventHeader, OrderChanged]:
    """Return what an accepted CANCEL says of its order; others of its list may end before it."""
    return next(
        (header, body)
        for header, body in outcome.events
        if isinstance(body, OrderChanged) and body.order_id == order_id
    )


def placed_order(outcome: Outcome, market: MarketTerms) -> PlacedOrder:
    """Return the answer to an accepted PLACE.

    Its events may tell of others as well: of makers that self-trade prevention ended, and of stop
    orders that its trades triggered. They are passed over.
    """
    header, accepted = next(
        (header, body) for header, body in outcome.events if isinstance(body, OrderAccepted)
    )
    order_id, is_bid = accepted.order_id, bool(header.flags & EventFlag.BID)
    fee_asset = market.fee_asset(is_bid=is_bid)
    fills: list[OrderFill] = []
    ended: EventHeader | None = None
    conditions = NO_CONDITIONS
    executed = removed = quote_atoms = fee_atoms = 0
    for event, body in outcome.events:
        if isinstance(body, Trade) and body.taker_order_id == order_id:
            executed += body.quantity_lots
            quote_atoms += body.price_ticks * body.quantity_lots * market.tick_lot_atoms
            fee_atoms += body.taker_fee_atoms
            fills.append(_taken(event, body, market, is_bid=is_bid))
            ended = event if event.flags & EventFlag.DONE else ended
        elif isinstance(body, OrderChanged | OrderPrevented) and body.order_id == order_id:
            removed += body.removed_lots
            ended = event if event.flags & EventFlag.DONE else ended
        elif isinstance(body, OrderTerms) and body.order_id == order_id:
            conditions = conditions_of(body)
    quantity = max(accepted.quantity_lots, executed + removed)  # by quote amount: as it trades
    leaves = 0 if ended is not None else quantity - executed - removed
    order = OrderStatement(
        order_id=order_id,
        client_order_id=accepted.text.decode("ascii"),
        market=market.symbol,
        side=Side(is_bid).name,
        type=OrderType(accepted.terms & 0xFF).name,
        time_in_force=TimeInForce(accepted.terms >> 8).name,
        status=_status(ended).name,
        reason=Reason(ended.reason).name if ended is not None else Reason.NONE.name,
        price=price_text(accepted.price_ticks, market) if accepted.price_ticks else None,
        quantity=quantity_text(quantity, market),
        executed_quantity=quantity_text(executed, market),
        removed_quantity=quantity_text(removed, market),
        leaves_quantity=quantity_text(leaves, market),
        executed_quote=atoms_text(quote_atoms, market.quote.decimals),
        fee=atoms_text(fee_atoms, fee_asset.decimals),
        fee_asset=fee_asset.code,
        by_operator=False,
        accepted_at=instant_of(header.time_us),
        closed_at=instant_of(ended.time_us) if ended is not None else None,
        fills=tuple(fills),
        is_waiting=ended is None and bool(header.flags & EventFlag.PARKED),
        **_stated(conditions, market),
    )
    return PlacedOrder(order=order, is_replayed=outcome.replayed, event_seq=header.event_seq)


def _stated(conditions: Conditions, market: MarketTerms) -> dict[str, Any]:
    """Return what an order has beyond the common, as fields of its statement."""
    stop, display, quote, expires_us = (
        conditions.stop_price_ticks,
        conditions.display_lots,
        conditions.quote_atoms,
        conditions.expires_us,
    )
    return {
        "stop_price": price_text(stop, market) if stop else None,
        "trailing_delta_bips": conditions.trailing_bips or None,
        "display_quantity": quantity_text(display, market) if display else None,
        "expires_at": instant_of(expires_us) if expires_us else None,
        "list_id": conditions.list_id or None,
        "quote_amount": atoms_text(quote, market.quote.decimals) if quote else None,
        "self_trade_prevention": StpMode(conditions.stp_mode).name,
    }


def _status(ended: EventHeader | None) -> OrderStatus:
    if ended is None:
        return OrderStatus.OPEN
    effect = ORDER_EFFECTS.get(ended.type)
    return OrderStatus.FILLED if effect is None else OrderStatus[effect.ended_as.name]


def _taken(header: EventHeader, trade: Trade, market: MarketTerms, *, is_bid: bool) -> OrderFill:
    fee_asset = market.fee_asset(is_bid=is_bid)
    return OrderFill(
        trade_id=trade.trade_id,
        role=Role.TAKER.name,
        price=price_text(trade.price_ticks, market),
        quantity=quantity_text(trade.quantity_lots, market),
        quote_quantity=quote_text(trade.price_ticks, trade.quantity_lots, market),
        fee=atoms_text(trade.taker_fee_atoms, fee_asset.decimals),
        fee_asset=fee_asset.code,
        executed_at=instant_of(header.time_us),
    )


def instant_of(time_us: int) -> datetime:
    """Return the engine's time stamp as an instant."""
    return _EPOCH + timedelta(microseconds=time_us)
