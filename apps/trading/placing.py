"""An order request as the engine's command, and the engine's events as the trader's answer.

Pure: no engine, no database, so that every process that takes orders shares it. Invariant: the
answer states nothing but what the events of this very command say.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from apps.core.amounts import atoms_text
from apps.markets.grid import lots_of, price_text, quantity_text, quote_text, ticks_of
from apps.markets.types import MarketTerms
from apps.trading.errors import OrderTermsError
from apps.trading.statements import OrderFill, OrderStatement, OrderStatus, PlacedOrder, Role
from engine.client import Outcome
from engine.proto.records import (
    CLIENT_ORDER_ID_CHARS_MAX,
    NO_REQUEST_ID,
    Command,
    CommandType,
    EventFlag,
    EventHeader,
    EventType,
    OrderAccepted,
    OrderChanged,
    OrderType,
    Reason,
    Side,
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


def placed_order(outcome: Outcome, market: MarketTerms) -> PlacedOrder:
    """Return the answer to an accepted PLACE."""
    (header, accepted), *others = outcome.events
    assert isinstance(accepted, OrderAccepted), f"a PLACE began with {header}"
    is_bid = bool(header.flags & EventFlag.BID)
    fee_asset = market.fee_asset(is_bid=is_bid)
    fills: list[OrderFill] = []
    ended: EventHeader | None = None
    executed = removed = quote_atoms = fee_atoms = 0
    for event, body in others:
        if isinstance(body, Trade):
            executed += body.quantity_lots
            quote_atoms += body.price_ticks * body.quantity_lots * market.tick_lot_atoms
            fee_atoms += body.taker_fee_atoms
            fills.append(_taken(event, body, market, is_bid=is_bid))
        elif isinstance(body, OrderChanged):
            removed += body.removed_lots
            ended = event
    leaves = accepted.quantity_lots - executed - removed
    if not leaves and ended is None:
        ended = others[-1][0]
    order = OrderStatement(
        order_id=accepted.order_id,
        client_order_id=accepted.text.decode("ascii"),
        market=market.symbol,
        side=Side(is_bid).name,
        type=OrderType(accepted.terms & 0xFF).name,
        time_in_force=TimeInForce(accepted.terms >> 8).name,
        status=_status(ended).name,
        reason=Reason(ended.reason).name if ended is not None else Reason.NONE.name,
        price=price_text(accepted.price_ticks, market) if accepted.price_ticks else None,
        quantity=quantity_text(accepted.quantity_lots, market),
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
    )
    return PlacedOrder(order=order, is_replayed=outcome.replayed, event_seq=header.event_seq)


def _status(ended: EventHeader | None) -> OrderStatus:
    if ended is None:
        return OrderStatus.OPEN
    return OrderStatus.EXPIRED if ended.type == EventType.ORDER_EXPIRED else OrderStatus.FILLED


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
