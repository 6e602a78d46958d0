"""POST, GET, DELETE orders; GET one's own trades and balances."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.api.authentication import IsTrader, principal_of
from apps.api.domain_errors import DomainView, problems
from apps.api.fields import decimal_text
from apps.api.idempotency import (
    HEADER,
    REPLAYED_HEADER,
    engine_request_id,
    idempotency_key,
)
from apps.api.pagination import cursor_text, page_request
from apps.api.requests import valid_data, valid_query
from apps.api.statements import body_of
from apps.api.trading.serializers import (
    CLOSED,
    BalancesBody,
    CanceledOrderBody,
    MarketQuery,
    OrderBody,
    OrdersBody,
    OrdersQuery,
    OwnTradesBody,
    OwnTradesQuery,
    PlacedOrderBody,
    PlaceOrderRequest,
)
from apps.markets.selectors import market_get
from apps.trading.engine_reads import balances_get
from apps.trading.placing import OrderRequest
from apps.trading.selectors import Page, order_get, orders_list, own_trades
from apps.trading.services import order_cancel, order_place
from apps.trading.statements import OrderStatus
from engine.proto.records import OrderType, Side, TimeInForce

MINIMAL: Final = "return=minimal"
_KEY: Final = OpenApiParameter(
    HEADER,
    str,
    OpenApiParameter.HEADER,
    description="16 to 64 of [A-Za-z0-9_-]. The same key and content again gets the first outcome.",
)
_PREFER: Final = OpenApiParameter(
    "Prefer",
    str,
    OpenApiParameter.HEADER,
    description="`return=minimal`: answer at once, with `order` null.",
)


class TraderView(DomainView):
    """For people who have a trading account."""

    permission_classes = (IsTrader,)


class OrdersView(TraderView):
    """My orders."""

    @extend_schema(
        request=PlaceOrderRequest,
        parameters=[_KEY],
        responses={201: PlacedOrderBody, **problems(400, 401, 403, 404, 409, 503)},
        tags=["trading"],
        operation_id="orders_place",
    )
    def post(self, request: Request) -> Response:
        """Place an order. The answer is durable, with all fills and exact fees."""
        user_id = principal_of(request).user_id
        key = idempotency_key(request)
        data = valid_data(PlaceOrderRequest, request)
        placed = order_place(
            user_id=user_id,
            symbol=data["market"],
            request=_order_request(data),
            request_id=None if key is None else engine_request_id(user_id, key),
        )
        headers = {REPLAYED_HEADER: "true"} if placed.is_replayed else None
        return Response(body_of(placed), status=HTTPStatus.CREATED, headers=headers)

    @extend_schema(
        parameters=[OrdersQuery],
        responses={200: OrdersBody, **problems(400, 401, 403, 404, 503)},
        tags=["trading"],
        operation_id="orders_list",
    )
    def get(self, request: Request) -> Response:
        """List my orders, newest first."""
        asked, page = valid_query(OrdersQuery, request), page_request(request)
        status = asked.get("status")
        found = orders_list(
            principal_of(request).user_id,
            status=None if status in (None, CLOSED) else OrderStatus[status],
            is_closed=True if status == CLOSED else None,
            market_id=_market_id(asked),
            below=page.before,
            limit=page.limit,
        )
        return Response(_page_body(found))


class OrderView(TraderView):
    """One of my orders."""

    outage_methods = ("DELETE",)  # a cancel works while sessions cannot be looked up

    @extend_schema(
        responses={200: OrderBody, **problems(401, 403, 404, 503)},
        tags=["trading"],
        operation_id="orders_get",
    )
    def get(self, request: Request, order_id: int) -> Response:
        """Show one of my orders with its fills."""
        return Response(body_of(order_get(principal_of(request).user_id, order_id)))

    @extend_schema(
        parameters=[MarketQuery, _PREFER],
        responses={200: CanceledOrderBody, **problems(400, 401, 403, 404, 503)},
        tags=["trading"],
        operation_id="orders_cancel",
    )
    def delete(self, request: Request, order_id: int) -> Response:
        """Cancel one of my open orders. The answer is durable."""
        preferences = request.headers.get("Prefer", "").replace(" ", "").split(",")
        canceled = order_cancel(
            user_id=principal_of(request).user_id,
            order_id=order_id,
            symbol=valid_query(MarketQuery, request).get("market"),
            is_brief=MINIMAL in preferences,
        )
        return Response(body_of(canceled))


class OwnTradesView(TraderView):
    """My fills."""

    @extend_schema(
        parameters=[OwnTradesQuery],
        responses={200: OwnTradesBody, **problems(400, 401, 403, 404, 503)},
        tags=["trading"],
        operation_id="trades_list",
    )
    def get(self, request: Request) -> Response:
        """List my fills, newest first, with exact fees."""
        asked, page = valid_query(OwnTradesQuery, request), page_request(request)
        found = own_trades(
            principal_of(request).user_id,
            market_id=_market_id(asked),
            order_id=asked.get("order_id"),
            below=page.before,
            limit=page.limit,
        )
        body = _page_body(found)
        for item in body["items"]:
            del item["key"]
        return Response(body)


class BalancesView(TraderView):
    """My balances."""

    @extend_schema(
        responses={200: BalancesBody, **problems(401, 403, 503)},
        tags=["trading"],
        operation_id="balances_get",
    )
    def get(self, request: Request) -> Response:
        """Show all that I have, as the engine has it now."""
        return Response(body_of(balances_get(principal_of(request).user_id)))


def _order_request(data: dict[str, Any]) -> OrderRequest:
    price, time_in_force = data.get("price"), data.get("time_in_force")
    return OrderRequest(
        side=Side[data["side"]],
        order_type=OrderType[data["type"]],
        quantity=decimal_text(data["quantity"]),
        price=None if price is None else decimal_text(price),
        time_in_force=None if time_in_force is None else TimeInForce[time_in_force],
        client_order_id=data.get("client_order_id", ""),
    )


def _market_id(asked: dict[str, Any]) -> int | None:
    symbol = asked.get("market")
    return None if symbol is None else market_get(symbol).market_id


def _page_body(page: Page[Any]) -> dict[str, Any]:
    following = None if page.next_key is None else cursor_text(page.next_key)
    return {"items": body_of(page.items), "next_cursor": following}
