"""The four public channels of one market: book, trades, ticker and status.

Trades and status go out with the batch of events that brought them; book and ticker are conflated:
at each tick they say what has changed since the one before. Invariant: a book is published only
while it is the engine's own (loaded, and not in the middle of a command). It may be crossed where
orders rest without meeting: in an auction, and where an auction was interrupted.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final

from apps.markets.types import MarketTerms
from apps.realtime import payloads
from apps.realtime.book import MarketBook
from apps.realtime.channels import Channel
from apps.realtime.encoding import time_text
from apps.realtime.limits import RealtimeLimits
from apps.realtime.ticker import Minute, Ticker
from engine.proto.records import EventBody, EventHeader, MarketState, Side, Trade

Published = dict[int, int]
_MATCHING: Final = frozenset(
    state.name for state in (MarketState.TRADING, MarketState.POST_ONLY, MarketState.LIMIT_ONLY)
)


class MarketFeed:
    """One market's channels and what they are made from."""

    def __init__(self, terms: MarketTerms, limits: RealtimeLimits) -> None:
        self.terms = terms
        self.book = MarketBook()
        self.ticker = Ticker()
        self._limits = limits
        self._event_seq = 0
        self._time_us = 0
        self._last_ticks = 0
        self._now_us = 0
        self._shown: dict[Side, Published] = {Side.BID: {}, Side.ASK: {}}
        self._recent: deque[dict[str, Any]] = deque(maxlen=limits.trades_remembered)
        self._new_trades: list[dict[str, Any]] = []
        self._status_changed = False
        self._ticker_shown: dict[str, Any] = {}
        symbol = terms.symbol
        self.book_channel = Channel(f"book.{symbol}", self._book_snapshot)
        self.trades_channel = Channel(f"trades.{symbol}", self._trades_snapshot)
        self.ticker_channel = Channel(f"ticker.{symbol}", self._ticker_snapshot)
        self.market_channel = Channel(f"market.{symbol}", self._status)

    @property
    def channels(self) -> tuple[Channel, ...]:
        """All four."""
        return (self.book_channel, self.trades_channel, self.ticker_channel, self.market_channel)

    def restart(
        self,
        terms: MarketTerms,
        *,
        event_seq: int,
        time_us: int,
        last_ticks: int,
        last_trade_id: int,
    ) -> None:
        """Begin again from what the engine says now; events may have been missed."""
        self.terms = terms
        self._event_seq, self._time_us = event_seq, time_us
        self._last_ticks = last_ticks
        self.book.invalidate(forget=True)
        self.ticker.restart(last_trade_id)
        self._recent.clear()
        self._new_trades.clear()
        self.book_channel.wait_again()
        self.trades_channel.reset()
        self.market_channel.reset()

    def load_past(self, minutes: list[Minute], trades: list[dict[str, Any]]) -> None:
        """Put what the books know in front of what was heard, and send it to who listens."""
        self.ticker.load(minutes)
        heard = list(self._recent)
        self._recent.clear()
        self._recent.extend([*trades, *heard])
        self.trades_channel.reset()

    def refresh(self) -> None:
        """Send everybody a snapshot at the next tick; nothing was missed."""
        self.book_channel.wait_again()
        self.trades_channel.reset()
        self.market_channel.reset()

    def apply(self, header: EventHeader, body: EventBody) -> None:
        """Move on by one event of this market."""
        self._event_seq, self._time_us = header.event_seq, header.time_us
        self.book.apply(header, body)
        if isinstance(body, Trade) and self.ticker.add(
            trade_id=body.trade_id,
            time_us=header.time_us,
            price_ticks=body.price_ticks,
            lots=body.quantity_lots,
        ):
            self._last_ticks = body.price_ticks
            self._new_trades.append(payloads.public_trade(header, body, self.terms))

    def set_terms(self, header: EventHeader, terms: MarketTerms) -> None:
        """Take new terms from an event of this market."""
        self._event_seq, self._time_us = header.event_seq, header.time_us
        self.terms = terms
        self._status_changed = True

    def end_batch(self) -> None:
        """Publish what is not conflated."""
        if self._new_trades:
            trades, self._new_trades = self._new_trades, []
            self._recent.extend(trades)
            self.trades_channel.publish("trades", {"event_seq": self._event_seq, "trades": trades})
        if self._status_changed:
            self._status_changed = False
            self.market_channel.publish("update", self._status())

    def tick_book(self) -> None:
        """Publish how the book has changed, and admit those who wait for it."""
        self.book.require_depth(self._limits.book_depth)
        if not self.book_channel.is_wanted or self.book.is_stale:
            return
        if self.book.is_crossed and self.terms.state in _MATCHING:
            return
        changes = {side: self._show(side) for side in (Side.BID, Side.ASK)}
        if any(changes.values()):
            self.book_channel.publish("delta", self._book_message(changes))
        self.book_channel.admit()

    def tick_ticker(self, now_us: int) -> None:
        """Publish the last 24 hours if they have changed."""
        self._now_us = now_us
        if not self.ticker_channel.is_wanted:
            return
        fields = self._ticker_fields()
        if fields != self._ticker_shown:
            self._ticker_shown = fields
            self.ticker_channel.publish("update", {"event_seq": self._event_seq, **fields})

    def _show(self, side: Side) -> list[tuple[int, int]]:
        shown, now = self._shown[side], dict(self.book.top(side, self._limits.book_depth))
        if shown == now:
            return []
        self._shown[side] = now
        changed = [(ticks, lots) for ticks, lots in now.items() if shown.get(ticks) != lots]
        return changed + [(ticks, 0) for ticks in shown if ticks not in now]

    def _book_snapshot(self) -> dict[str, Any]:
        return self._book_message(
            {side: list(shown.items()) for side, shown in self._shown.items()}
        )

    def _book_message(self, levels: dict[Side, list[tuple[int, int]]]) -> dict[str, Any]:
        return {
            "event_seq": self.book.event_seq,
            "time": time_text(self._time_us),
            "bids": payloads.levels(self.terms, levels[Side.BID]),
            "asks": payloads.levels(self.terms, levels[Side.ASK]),
        }

    def _trades_snapshot(self) -> dict[str, Any]:
        return {"event_seq": self._event_seq, "trades": list(self._recent)}

    def _ticker_fields(self) -> dict[str, Any]:
        return payloads.ticker(
            self.terms,
            self.ticker.day(self._now_us),
            last=self._last_ticks,
            bid=self.book.best(Side.BID),
            ask=self.book.best(Side.ASK),
            complete=self.ticker.is_complete,
        )

    def _ticker_snapshot(self) -> dict[str, Any]:
        self._ticker_shown = self._ticker_fields()
        return {"event_seq": self._event_seq, **self._ticker_shown}

    def _status(self) -> dict[str, Any]:
        return {"event_seq": self._event_seq, **payloads.market_status(self.terms)}
