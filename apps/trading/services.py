"""Placing and canceling orders.

Invariants: the engine's hold is the only check of funds, so nothing here can let an order pass
while something it depends on is down; placing reads no SQL and so does not wait for the books;
every command carries a request id, so one whose answer was lost is recognised and not repeated.
"""

from __future__ import annotations

import asyncio
import secrets
from typing import Final

import structlog
from django.db import InterfaceError, OperationalError

from apps.core.engine_gateway import engine_command, engine_query
from apps.markets.grid import quantity_text
from apps.markets.listed import listing_now, market_listed
from apps.markets.types import MarketTerms
from apps.trading.errors import UnknownOrderError
from apps.trading.placing import (
    OrderRequest,
    cancel_command,
    canceled_of,
    instant_of,
    place_command,
    placed_order,
)
from apps.trading.selectors import closed_order_wait
from apps.trading.statements import CanceledOrder, OrderStatement, OrderStatus, PlacedOrder
from engine.client import EngineClient, EngineRefused, OpenOrder
from engine.proto.records import INT64_MAX, Reason

REQUEST_ID_BYTES: Final = 16
CANCEL_BOOKS_WAIT_S: Final = 1.0
_LOG: Final = structlog.get_logger("quantatrade.trading")


def order_place(
    *, user_id: int, symbol: str, request: OrderRequest, request_id: bytes | None = None
) -> PlacedOrder:
    """Place an order and return it as it is durable in the engine.

    UnknownMarketError, OrderTermsError and GridError name what is wrong with the request;
    EngineRefused carries the engine's reason; EngineUnavailable means that nothing was executed;
    OutcomeUnknown that only asking again with the same request id can tell.
    """
    market = market_listed(symbol)
    identity = request_id or secrets.token_bytes(REQUEST_ID_BYTES)
    command = place_command(request, market, user_id, identity)
    outcome = engine_command(lambda engine: engine.submit(command))
    return placed_order(outcome.expect(), market)


def order_cancel(
    *, user_id: int, order_id: int, symbol: str | None = None, is_brief: bool = False
) -> CanceledOrder:
    """Cancel one's own open order.

    With `symbol` the order is looked for in that market only. Unless `is_brief`, the whole order
    is told if the books have it within CANCEL_BOOKS_WAIT_S. UnknownOrderError covers unknown,
    ended and somebody else's orders alike; others as for `order_place`.
    """
    market = _market_of(user_id, order_id) if symbol is None else market_listed(symbol)
    if not 0 < order_id <= INT64_MAX:
        raise UnknownOrderError(order_id)
    command = cancel_command(
        user_id=user_id,
        market_id=market.market_id,
        order_id=order_id,
        request_id=secrets.token_bytes(REQUEST_ID_BYTES),
    )
    try:
        outcome = engine_command(lambda engine: engine.submit(command)).expect()
    except EngineRefused as refusal:
        if refusal.reason is Reason.UNKNOWN_ORDER:
            raise UnknownOrderError(order_id) from refusal
        raise
    header, body = canceled_of(outcome, order_id)
    whole = None if is_brief else _whole_order(user_id, order_id)
    return CanceledOrder(
        order_id=order_id,
        market=market.symbol,
        status=OrderStatus.CANCELED.name,
        removed_quantity=quantity_text(body.removed_lots, market),
        canceled_at=instant_of(header.time_us),
        event_seq=header.event_seq,
        order=whole,
    )


def _whole_order(user_id: int, order_id: int) -> OrderStatement | None:
    """Return the canceled order from the books; what happens to them does not undo the cancel."""
    try:
        return closed_order_wait(user_id, order_id, CANCEL_BOOKS_WAIT_S)
    except (OperationalError, InterfaceError) as error:
        _LOG.warning("books_unavailable", error=str(error))
        return None


def open_order_find(*, market_id: int, order_id: int) -> OpenOrder | None:
    """Return an open order of anybody, for operators; None if it is not open."""
    if not 0 < order_id <= INT64_MAX:
        return None
    return engine_query(lambda engine: engine.get_order(market_id=market_id, order_id=order_id))


def _market_of(user_id: int, order_id: int) -> MarketTerms:
    """Return the market of one's own open order, asked of the engine: the books may lag."""
    if not 0 < order_id <= INT64_MAX:
        raise UnknownOrderError(order_id)
    listing = listing_now()

    async def look(engine: EngineClient) -> list[OpenOrder | None]:
        asked = (engine.get_order(market_id=id_, order_id=order_id) for id_ in listing.symbols)
        return await asyncio.gather(*asked)

    for order in engine_query(look):
        if order is not None and order.user_id == user_id:
            return listing.markets[listing.symbols[order.market_id]]
    raise UnknownOrderError(order_id)
