"""What messages say. Every public and private payload is built here, field by field.

Invariant: nothing is copied wholesale from an event. A public payload names no user, no order and
no reserve; a private one speaks of the receiver's own side of a trade alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

from apps.core.amounts import atoms_text
from apps.markets.grid import fee_text, lot_text, price_text, quantity_text, quote_text, tick_text
from apps.markets.types import AssetTerms, MarketTerms
from apps.realtime.encoding import time_text
from apps.realtime.ticker import Day
from engine.proto.records import EventFlag, EventHeader, Side, Trade

SIDE_TEXT: Final = {Side.BID: "buy", Side.ASK: "sell"}


def levels(market: MarketTerms, found: Iterable[tuple[int, int]]) -> list[list[str]]:
    """Return levels as [price, quantity]; a quantity of "0" says that the level is gone."""
    return [[price_text(ticks, market), quantity_text(lots, market)] for ticks, lots in found]


def public_trade(header: EventHeader, trade: Trade, market: MarketTerms) -> dict[str, Any]:
    """Return a trade as everybody may see it; `side` is the taker's."""
    return {
        "trade_id": trade.trade_id,
        "price": price_text(trade.price_ticks, market),
        "quantity": quantity_text(trade.quantity_lots, market),
        "side": "buy" if header.flags & EventFlag.BID else "sell",
        "time": time_text(header.time_us),
    }


def past_trade(
    *, trade_id: int, price: str, quantity: str, is_bid: bool, executed_at: datetime
) -> dict[str, Any]:
    """Return a trade of the books in the form of `public_trade`."""
    return {
        "trade_id": trade_id,
        "price": price,
        "quantity": quantity,
        "side": "buy" if is_bid else "sell",
        "time": f"{executed_at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z",
    }


def ticker(
    market: MarketTerms, day: Day, *, last: int, bid: int | None, ask: int | None, complete: bool
) -> dict[str, Any]:
    """Return the last 24 hours. Prices are null where there is none."""

    def price(ticks: int | None) -> str | None:
        return price_text(ticks, market) if ticks else None

    change = last - day.open_ticks if last and day.open_ticks else 0
    sign = "-" if change < 0 else ""
    return {
        "last": price(last),
        "open": price(day.open_ticks),
        "high": price(day.high_ticks),
        "low": price(day.low_ticks),
        "change": sign + price_text(abs(change), market),
        "volume": quantity_text(day.lots, market),
        "quote_volume": quote_text(day.tick_lots, 1, market),
        "trades": day.trades,
        "bid": price(bid),
        "ask": price(ask),
        "complete": complete,
    }


def market_status(market: MarketTerms) -> dict[str, Any]:
    """Return what a market lets in, on which terms. A bound that is null does not exist."""

    def price(ticks: int) -> str | None:
        return price_text(ticks, market) if ticks else None

    def quantity(lots: int) -> str | None:
        return quantity_text(lots, market) if lots else None

    minimum = market.min_notional_atoms
    return {
        "symbol": market.symbol,
        "state": market.state,
        "base": market.base.code,
        "quote": market.quote.code,
        "tick": tick_text(market),
        "lot": lot_text(market),
        "maker_fee": fee_text(market.maker_fee, market),
        "taker_fee": fee_text(market.taker_fee, market),
        "fee_model": _fee_model(market),
        "price_min": price(market.min_price_ticks),
        "price_max": price(market.max_price_ticks),
        "quantity_min": quantity(market.min_quantity_lots),
        "quantity_max": quantity(market.max_quantity_lots),
        "notional_min": atoms_text(minimum, market.quote.decimals) if minimum else None,
    }


def _fee_model(market: MarketTerms) -> str:
    if market.fee_per_lot:
        return "per_lot"
    return "quote" if market.fee_in_quote else "received"


def fill(
    header: EventHeader, trade: Trade, market: MarketTerms, *, is_maker: bool, client_id: str | None
) -> dict[str, Any]:
    """Return one side of a trade for the user whose side it is."""
    taker_buys = bool(header.flags & EventFlag.BID)
    buys = taker_buys != is_maker
    fee_atoms = trade.maker_fee_atoms if is_maker else trade.taker_fee_atoms
    fee_asset = market.fee_asset(is_bid=buys)
    return {
        "trade_id": trade.trade_id,
        "symbol": market.symbol,
        "order_id": trade.maker_order_id if is_maker else trade.taker_order_id,
        "client_order_id": client_id,
        "side": "buy" if buys else "sell",
        "role": "maker" if is_maker else "taker",
        "price": price_text(trade.price_ticks, market),
        "quantity": quantity_text(trade.quantity_lots, market),
        "quote_quantity": quote_text(trade.price_ticks, trade.quantity_lots, market),
        "fee": atoms_text(fee_atoms, fee_asset.decimals),
        "fee_asset": fee_asset.code,
        "time": time_text(header.time_us),
    }


def balance(asset: AssetTerms, available_atoms: int, locked_atoms: int) -> dict[str, Any]:
    """Return one account of the receiver."""
    return {
        "asset": asset.code,
        "available": atoms_text(available_atoms, asset.decimals),
        "locked": atoms_text(locked_atoms, asset.decimals),
    }
