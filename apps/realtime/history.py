"""What happened in a market before the feeds began to listen, read once from the books.

Invariant: decimals of the books become whole ticks and lots exactly, or it is an error.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import structlog
from django.db import DatabaseError, InterfaceError, connection

from apps.core.amounts import decimal_atoms
from apps.markets.types import MarketTerms
from apps.realtime import payloads
from apps.realtime.ticker import Minute
from apps.trading.minutes import TradedMinute, minutes_upto
from apps.trading.public_trades import public_trades
from apps.trading.statements import PublicTrade

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LOG: Final = structlog.get_logger("quantatrade.realtime")


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """The minutes of a market up to a trade, and its newest trades, oldest first."""

    minutes: list[Minute]
    trades: list[dict[str, Any]]


async def history_read(
    market: MarketTerms, *, first_minute: int, last_trade_id: int, trades: int
) -> Past | None:
    """Return the past up to a trade; None while the books cannot tell it, or not yet."""
    start = _EPOCH + timedelta(minutes=first_minute)
    return await asyncio.to_thread(_read, market, start, last_trade_id, trades)


def _read(market: MarketTerms, start: datetime, last_trade_id: int, trades: int) -> Past | None:
    try:
        minutes = minutes_upto(market.market_id, start=start, last_trade_id=last_trade_id)
        if minutes is None:
            return None
        newest = public_trades(market.market_id, below=last_trade_id + 1, limit=trades)
    except (DatabaseError, InterfaceError) as error:
        _LOG.warning("history_not_read", symbol=market.symbol, error=type(error).__name__)
        return None
    finally:
        connection.close()  # this thread may not be here again for a long time
    return Past(
        minutes=[_minute(market, each) for each in minutes],
        trades=[_trade(each) for each in reversed(newest.items)],
    )


def _minute(market: MarketTerms, traded: TradedMinute) -> Minute:
    def ticks(price: Decimal) -> int:
        return _whole(decimal_atoms(price, market.quote.decimals), market.tick_atoms)

    quote_atoms = decimal_atoms(traded.quote_volume, market.quote.decimals)
    return Minute(
        minute=(traded.opened_at - _EPOCH) // timedelta(minutes=1),
        open_ticks=ticks(traded.open),
        high_ticks=ticks(traded.high),
        low_ticks=ticks(traded.low),
        close_ticks=ticks(traded.close),
        lots=_whole(decimal_atoms(traded.volume, market.base.decimals), market.lot_atoms),
        tick_lots=_whole(quote_atoms, market.tick_lot_atoms),
        trades=traded.trades,
    )


def _whole(atoms: int, unit_atoms: int) -> int:
    units, rest = divmod(atoms, unit_atoms)
    if rest:
        raise ValueError(f"{atoms} atoms of the books are no multiple of {unit_atoms}")
    return units


def _trade(trade: PublicTrade) -> dict[str, Any]:
    return payloads.past_trade(
        trade_id=trade.trade_id,
        price=trade.price,
        quantity=trade.quantity,
        is_bid=trade.taker_side == "BID",
        executed_at=trade.executed_at,
    )
