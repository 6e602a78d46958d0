"""What console pages ask of orders and trades.

Invariant: each answer reads a bounded number of rows through an index.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

from django.db.models import Count, QuerySet, Sum

from apps.core.readonly.period import first_key_since
from apps.markets.expressions import asset_code, base_code, market_symbol, quote_code
from apps.trading.models import OpenOrder, OrderHistory, Trade

TRADES_OF_ORDER_MAX: Final = 200


class MarketVolume(NamedTuple):
    """What was traded in one market in a period."""

    symbol: str
    quote_code: str
    trades: int
    quote_quantity: Decimal


def named(rows: QuerySet[Any]) -> QuerySet[Any]:
    """Return orders or trades with `symbol`, `base` and `quote` read along with each."""
    found: QuerySet[Any] = rows.annotate(
        symbol=market_symbol(), base=base_code(), quote=quote_code()
    )
    return found


def trades_named() -> QuerySet[Any]:
    """Return trades, newest first, with their names and the codes of the fees' assets."""
    found: QuerySet[Any] = named(Trade.objects.order_by("-event_seq")).annotate(
        maker_fee_code=asset_code("maker_fee_asset_id"),
        taker_fee_code=asset_code("taker_fee_asset_id"),
    )
    return found


def trades_of_order(order: OpenOrder | OrderHistory) -> list[Any]:
    """Return the newest fills of an order, as maker or taker.

    They lie between its first and last event and are found by the index on (user, event).
    """
    last_event_seq = getattr(order, "closed_event_seq", None)
    found: list[Any] = []
    for role in ("maker", "taker"):
        fills = Trade.objects.filter(
            **{f"{role}_user_id": order.user_id, f"{role}_order_id": order.order_id},
            event_seq__gte=order.accepted_event_seq,
        )
        if last_event_seq is not None:
            fills = fills.filter(event_seq__lte=last_event_seq)
        found += fills.order_by("-event_seq")[:TRADES_OF_ORDER_MAX]
    found.sort(key=lambda trade: trade.event_seq, reverse=True)
    return found[:TRADES_OF_ORDER_MAX]


def volume_since(instant: datetime) -> list[MarketVolume]:
    """Return trades and quote volume of each market from `instant` on, the most traded first."""
    key = first_key_since(Trade, "executed_at", instant)
    if key is None:
        return []
    rows = (
        Trade.objects.filter(event_seq__gte=key)
        .order_by()
        .values("market_id")
        .annotate(
            symbol=market_symbol(),
            code=quote_code(),
            trades=Count("*"),
            volume=Sum("quote_quantity"),
        )
    )
    volumes = [MarketVolume(r["symbol"], r["code"], r["trades"], r["volume"]) for r in rows]
    return sorted(volumes, key=lambda volume: (-volume.trades, volume.symbol))
