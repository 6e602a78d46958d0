"""The newest trades of a market as everybody may see them."""

from __future__ import annotations

from typing import Final

from apps.core.amounts import plain
from apps.trading.models import Trade
from apps.trading.selectors import Page
from apps.trading.statements import PublicTrade

PUBLIC_TRADES_DEFAULT: Final = 50
PUBLIC_TRADES_MAX: Final = 500
_COLUMNS: Final = ("trade_id", "price", "quantity", "quote_quantity", "taker_side", "executed_at")


def public_trades(
    market_id: int, *, below: int | None = None, limit: int = PUBLIC_TRADES_DEFAULT
) -> Page[PublicTrade]:
    """Return trades, newest first, below a trade id. One query, of the public columns alone."""
    if not 1 <= limit <= PUBLIC_TRADES_MAX:
        raise ValueError(f"limit was {limit}, expected 1 to {PUBLIC_TRADES_MAX}")
    rows = Trade.objects.filter(market_id=market_id)
    if below is not None:
        rows = rows.filter(trade_id__lt=below)
    found = list(rows.order_by("-trade_id").values_list(*_COLUMNS)[: limit + 1])
    trades = tuple(
        PublicTrade(
            trade_id=trade_id,
            price=plain(price),
            quantity=plain(quantity),
            quote_quantity=plain(quote_quantity),
            taker_side=taker_side,
            executed_at=executed_at,
        )
        for trade_id, price, quantity, quote_quantity, taker_side, executed_at in found[:limit]
    )
    return Page(trades, trades[-1].trade_id if len(found) > limit else None)
