"""What console pages ask of orders and trades.

Invariant: each answer reads a bounded number of rows through an index.
"""

from __future__ import annotations

from typing import Any, Final

from django.db.models import QuerySet

from apps.markets.expressions import asset_code, base_code, market_symbol, quote_code
from apps.trading.models import OpenOrder, OrderHistory, Trade

TRADES_OF_ORDER_MAX: Final = 200


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
