"""Balances and books as they are in the engine at this moment.

Invariant: each answer is one consistent and durable cut, and names the event sequence of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from apps.core.amounts import atoms_text
from apps.core.engine_gateway import engine_query
from apps.markets.grid import price_text, quantity_text
from apps.markets.listed import (
    Listing,
    listing_forget,
    listing_fresh,
    listing_now,
    market_listed,
)
from apps.markets.types import MarketTerms
from apps.trading.statements import BalanceStatement, BookLevel, BookStatement
from engine.client import Level, OpenOrder

DEPTH_DEFAULT: Final = 50
DEPTH_MAX: Final = 500


@dataclass(frozen=True, slots=True)
class BalancesStatement:
    """All that a user holds at one event sequence, by asset."""

    event_seq: int
    balances: tuple[BalanceStatement, ...]


def balances_get(user_id: int) -> BalancesStatement:
    """Return what a user holds; nothing for a user without any credit. EngineUnavailable."""
    answer = engine_query(lambda engine: engine.get_balances(user_id))
    assets = listing_now().assets
    if any(balance.asset_id not in assets for balance in answer.balances):
        listing_forget()
        assets = listing_now().assets
    statements = []
    for balance in answer.balances:
        asset = assets[balance.asset_id]
        total = balance.available_atoms + balance.locked_atoms
        statements.append(
            BalanceStatement(
                asset=asset.code,
                available=atoms_text(balance.available_atoms, asset.decimals),
                locked=atoms_text(balance.locked_atoms, asset.decimals),
                total=atoms_text(total, asset.decimals),
            )
        )
    return BalancesStatement(answer.event_seq, tuple(statements))


@dataclass(frozen=True, slots=True)
class AccountStatement:
    """All that a user holds, and the first of the open orders, about one moment."""

    balances: BalancesStatement
    orders: tuple[OpenOrder, ...]
    has_more_orders: bool
    listing: Listing

    def market_of(self, order: OpenOrder) -> MarketTerms:
        """Return the market of one of the orders."""
        return self.listing.markets[self.listing.symbols[order.market_id]]


def account_get(user_id: int, *, orders_max: int) -> AccountStatement:
    """Return a user's balances and up to `orders_max` open orders. EngineUnavailable."""
    balances = balances_get(user_id)
    answer = engine_query(
        lambda engine: engine.list_open_orders(user_id=user_id, limit=orders_max + 1)
    )
    listing = listing_now()
    if any(order.market_id not in listing.symbols for order in answer.orders):
        listing = listing_fresh()
    orders = answer.orders[:orders_max]
    return AccountStatement(balances, orders, len(answer.orders) > orders_max, listing)


def book_get(symbol: str, depth: int = DEPTH_DEFAULT) -> BookStatement:
    """Return the best levels of both sides. UnknownMarketError; EngineUnavailable."""
    if not 1 <= depth <= DEPTH_MAX:
        raise ValueError(f"depth was {depth}, expected 1 to {DEPTH_MAX}")
    market = market_listed(symbol)
    book = engine_query(lambda engine: engine.get_book(market.market_id, depth))
    return BookStatement(
        market=symbol,
        event_seq=book.event_seq,
        bids=_levels(book.bids, market),
        asks=_levels(book.asks, market),
    )


def _levels(levels: tuple[Level, ...], market: MarketTerms) -> tuple[BookLevel, ...]:
    return tuple(
        BookLevel(
            price=price_text(level.price_ticks, market),
            quantity=quantity_text(level.quantity_lots, market),
            orders=level.orders,
        )
        for level in levels
    )
