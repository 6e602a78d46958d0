"""GET markets, tickers, and of one market: itself, ticker, book, trades, klines."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.utils.decorators import method_decorator
from django.views.decorators.gzip import gzip_page
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.api.domain_errors import DomainView, problems
from apps.api.markets.serializers import (
    BookBody,
    BookQuery,
    CandlesBody,
    CandlesQuery,
    MarketBody,
    MarketsBody,
    PageQuery,
    PublicTradesBody,
    TickerBody,
    TickersBody,
)
from apps.api.pagination import cursor_text, page_request
from apps.api.requests import valid_query
from apps.api.statements import body_of
from apps.core.amounts import atoms_text
from apps.markets.grid import fee_text, lot_text, price_text, quantity_text, tick_text
from apps.markets.selectors import market_get, markets_list
from apps.markets.types import MarketTerms
from apps.trading.candles import candles_get
from apps.trading.engine_reads import book_get
from apps.trading.public_trades import public_trades
from apps.trading.tickers import ticker_get

TAGS = ["markets"]


class PublicView(DomainView):
    """Market data is for everybody."""

    authentication_classes = ()
    permission_classes = ()


class MarketsView(PublicView):
    """All markets."""

    @extend_schema(
        responses={200: MarketsBody, **problems(503)}, tags=TAGS, operation_id="markets_list"
    )
    def get(self, _request: Request) -> Response:
        """List all markets with their grid, bounds, fees and state."""
        return Response({"items": [market_body(market) for market in markets_list()]})


class MarketView(PublicView):
    """One market."""

    @extend_schema(
        responses={200: MarketBody, **problems(404, 503)}, tags=TAGS, operation_id="markets_get"
    )
    def get(self, _request: Request, symbol: str) -> Response:
        """Show one market."""
        return Response(market_body(market_get(symbol)))


class TickersView(PublicView):
    """The tickers of all markets."""

    @extend_schema(
        responses={200: TickersBody, **problems(503)}, tags=TAGS, operation_id="tickers_list"
    )
    def get(self, _request: Request) -> Response:
        """Show the last 24 hours of every market."""
        now = datetime.now(UTC)
        tickers = [
            ticker_get(market.market_id, market.symbol, now=now) for market in markets_list()
        ]
        return Response({"items": body_of(tickers)})


class TickerView(PublicView):
    """The ticker of one market."""

    @extend_schema(
        responses={200: TickerBody, **problems(404, 503)}, tags=TAGS, operation_id="markets_ticker"
    )
    def get(self, _request: Request, symbol: str) -> Response:
        """Show the last 24 hours of one market."""
        market = market_get(symbol)
        return Response(body_of(ticker_get(market.market_id, symbol, now=datetime.now(UTC))))


class BookView(PublicView):
    """The order book of one market."""

    @extend_schema(
        parameters=[BookQuery],
        responses={200: BookBody, **problems(400, 404, 503)},
        tags=TAGS,
        operation_id="markets_book",
    )
    def get(self, request: Request, symbol: str) -> Response:
        """Show the best levels of both sides, as the engine has them now."""
        return Response(body_of(book_get(symbol, valid_query(BookQuery, request)["depth"])))


class TradesView(PublicView):
    """The trades of one market."""

    @extend_schema(
        parameters=[PageQuery],
        responses={200: PublicTradesBody, **problems(400, 404, 503)},
        tags=TAGS,
        operation_id="markets_trades",
    )
    def get(self, request: Request, symbol: str) -> Response:
        """List the trades of one market, newest first."""
        asked = page_request(request)
        page = public_trades(market_get(symbol).market_id, below=asked.before, limit=asked.limit)
        following = None if page.next_key is None else cursor_text(page.next_key)
        return Response({"items": body_of(page.items), "next_cursor": following})


@method_decorator(gzip_page, name="dispatch")  # long, public, and without any secret
class CandlesView(PublicView):
    """The candles of one market."""

    @extend_schema(
        parameters=[CandlesQuery],
        responses={200: CandlesBody, **problems(400, 404, 503)},
        tags=TAGS,
        operation_id="markets_klines",
    )
    def get(self, request: Request, symbol: str) -> Response:
        """List contiguous candles, oldest first; at most `limit`."""
        asked = valid_query(CandlesQuery, request)
        candles = candles_get(
            market_get(symbol).market_id,
            asked["interval"],
            now=datetime.now(UTC),
            start=asked.get("start"),
            end=asked.get("end"),
            limit=asked["limit"],
        )
        return Response(
            {"market": symbol, "interval": asked["interval"], "items": body_of(candles)}
        )


def market_body(market: MarketTerms) -> dict[str, Any]:
    """Return a market as JSON."""
    basis = "RECEIVED_ASSET"
    if market.fee_per_lot:
        basis = "QUOTE_PER_LOT"
    elif market.fee_in_quote:
        basis = "QUOTE_ASSET"
    notional = market.min_notional_atoms
    return {
        "symbol": market.symbol,
        "base_asset": market.base.code,
        "quote_asset": market.quote.code,
        "base_decimals": market.base.decimals,
        "quote_decimals": market.quote.decimals,
        "state": market.state,
        "tick": tick_text(market),
        "lot": lot_text(market),
        "min_price": _bound(price_text, market.min_price_ticks, market),
        "max_price": _bound(price_text, market.max_price_ticks, market),
        "min_quantity": _bound(quantity_text, market.min_quantity_lots, market),
        "max_quantity": _bound(quantity_text, market.max_quantity_lots, market),
        "min_notional": atoms_text(notional, market.quote.decimals) if notional else None,
        "maker_fee": fee_text(market.maker_fee, market),
        "taker_fee": fee_text(market.taker_fee, market),
        "fee_basis": basis,
    }


def _bound(text: Any, units: int, market: MarketTerms) -> str | None:
    return text(units, market) if units else None
