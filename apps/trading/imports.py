"""Taking a market's past from elsewhere, so that its charts do not begin with its first trade.

Invariants: imported minutes are in a table of their own and touch no book, no ticker and no trade;
each minute is there once; a minute in which this exchange traded, or a later one, is not taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from django.db import IntegrityError, transaction

from apps.audit.services import audit_record
from apps.audit.types import Actor
from apps.markets.selectors import market_get
from apps.trading.bars import BARS_MAX, MINUTE, Bar
from apps.trading.candles import floor_instant
from apps.trading.models import SOURCE_CHARS_MAX, ImportedCandle, Trade

_BATCH: Final = 1_000


class ImportRefusedError(ValueError):
    """These bars cannot be this market's past; nothing was taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedHistory:
    """What was taken: `ended_at` is the end of the last minute."""

    symbol: str
    candles: int
    began_at: datetime
    ended_at: datetime


def candles_import(
    *, actor: Actor, symbol: str, bars: Sequence[Bar], source: str, request_id: str = ""
) -> ImportedHistory:
    """Take bars as the past of a market. UnknownMarketError; ImportRefusedError."""
    market = market_get(symbol)
    _check(market.market_id, symbol, bars, source)
    history = ImportedHistory(
        symbol=symbol,
        candles=len(bars),
        began_at=bars[0].opened_at,
        ended_at=bars[-1].opened_at + MINUTE,
    )
    rows = [
        ImportedCandle(
            market_id=market.market_id,
            opened_at=bar.opened_at,
            open=bar.open,
            high=bar.high,
            low=bar.low,
            close=bar.close,
            volume=bar.volume,
            source=source,
        )
        for bar in bars
    ]
    try:
        with transaction.atomic():
            ImportedCandle.objects.bulk_create(rows, batch_size=_BATCH)
            audit_record(
                actor=actor,
                action="market.import_candles",
                object_type="market",
                object_id=symbol,
                after={
                    "candles": history.candles,
                    "began_at": history.began_at.isoformat(),
                    "ended_at": history.ended_at.isoformat(),
                    "source": source,
                },
                request_id=request_id,
            )
    except IntegrityError as error:
        raise ImportRefusedError(f"{symbol} has imported candles at these times already") from error
    return history


def history_of(symbol: str) -> ImportedHistory | None:
    """Return what was imported for a market so far, None if nothing was. UnknownMarketError."""
    rows = ImportedCandle.objects.filter(market_id=market_get(symbol).market_id)
    first, last = rows.order_by("opened_at").first(), rows.order_by("opened_at").last()
    if first is None or last is None:
        return None
    return ImportedHistory(
        symbol=symbol,
        candles=rows.count(),
        began_at=first.opened_at,
        ended_at=last.opened_at + MINUTE,
    )


def _check(market_id: int, symbol: str, bars: Sequence[Bar], source: str) -> None:
    if not 1 <= len(bars) <= BARS_MAX:
        raise ImportRefusedError(f"there were {len(bars)} bars, expected 1 to {BARS_MAX}")
    if not 1 <= len(source) <= SOURCE_CHARS_MAX:
        raise ImportRefusedError(
            f"source had {len(source)} characters, expected 1 to {SOURCE_CHARS_MAX}"
        )
    ended_at = bars[-1].opened_at + MINUTE
    if ended_at > datetime.now(UTC):
        raise ImportRefusedError(f"the last bar ends at {ended_at.isoformat()}, which is to come")
    trades = Trade.objects.filter(market_id=market_id).order_by("executed_at")
    first = trades.values_list("executed_at", flat=True).first()
    if first is not None and ended_at > floor_instant(first, MINUTE):
        raise ImportRefusedError(
            f"the last bar ends at {ended_at.isoformat()}, expected before {symbol} traded here"
            f" first, at {first.isoformat()}"
        )
