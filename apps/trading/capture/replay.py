"""Feeds recorded depth into the engine as orders and compares the books after every step.

It shows that commands, matching rules, holds and queries of the engine carry real order flow.
Invariant: after each recorded update the engine's whole book of that market equals the recording's,
level for level; the first difference ends the replay with a named error.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from apps.markets.listings import recorded_market_listings
from apps.markets.recorded import (
    RECORDING_DIRECTORY,
    AggregateTrade,
    DepthSnapshot,
    depth_snapshots,
    stream_messages,
)
from apps.trading.capture.book import BookStep, RecordedBook, steps
from apps.trading.capture.desk import LiquidityDesk
from apps.trading.capture.errors import BookMismatchError, ReplayError
from apps.trading.capture.setting import (
    LIQUIDITY_USER_ID,
    cancel_open_orders,
    ensure_funds,
    ensure_markets,
    funds_needed,
)
from engine.client import EngineClient, Level, Outcome
from engine.proto.records import Command, Side

BOOK_DEPTH: Final = 5_000  # the most that the engine answers
COMMANDS_AT_ONCE_MAX: Final = 4_096

Say = Callable[[str], None]


@dataclass(slots=True)
class ReplaySummary:
    """What a replay did. `commands_s` counts the time commands were under way, not the checks."""

    markets: list[str] = field(default_factory=list)
    refined_markets: list[str] = field(default_factory=list)
    orders_canceled_first: int = 0
    snapshots: int = 0
    updates_dropped: int = 0
    updates_applied: int = 0
    trades_checked: int = 0
    levels_compared: int = 0
    commands_sent: int = 0
    commands_s: int = 0
    elapsed_ms: int = 0


class CaptureReplay:
    """One replay of a recording into one engine, as one account."""

    def __init__(
        self,
        engine: EngineClient,
        *,
        say: Say,
        user_id: int = LIQUIDITY_USER_ID,
        directory: Path = RECORDING_DIRECTORY,
    ) -> None:
        self._engine = engine
        self._say = say
        self._user_id = user_id
        self._directory = directory
        self._desks: dict[str, LiquidityDesk] = {}
        self._summary = ReplaySummary()
        self._sending_ns = 0

    async def run(self, *, is_real_time: bool = False) -> ReplaySummary:
        """Replay everything. ReplayError names what could not be done or did not match."""
        started_ns = time.monotonic_ns()
        snapshots = depth_snapshots(self._directory)
        messages = stream_messages(self._directory)
        await self._prepare({snapshot.symbol for snapshot in snapshots})
        feed_ns = time.monotonic_ns()
        first_us = min(item.received_us for item in (*snapshots, *messages))
        for step, book in steps(snapshots, messages):
            if is_real_time:
                due_ns = feed_ns + (step.received_us - first_us) * 1_000
                await asyncio.sleep(max(0, due_ns - time.monotonic_ns()) / 1e9)
            await self._take(step, book)
        summary = self._summary
        summary.elapsed_ms = (time.monotonic_ns() - started_ns) // 1_000_000
        summary.commands_s = summary.commands_sent * 1_000_000_000 // max(1, self._sending_ns)
        return summary

    async def _prepare(self, symbols: set[str]) -> None:
        """List markets, clear the account's orders, fund it."""
        listings = {
            symbol: listing
            for symbol, listing in recorded_market_listings(self._directory).items()
            if symbol in symbols
        }
        engine, user_id, summary = self._engine, self._user_id, self._summary
        markets = await ensure_markets(engine, listings)
        await engine.add_user(user_id=user_id)
        summary.markets = sorted(markets)
        summary.refined_markets = sorted(s for s, m in markets.items() if m.listing.is_refined)
        summary.orders_canceled_first = await cancel_open_orders(engine, user_id, markets)
        needed = funds_needed(
            markets, depth_snapshots(self._directory), stream_messages(self._directory)
        )
        deposited = await ensure_funds(engine, user_id, needed)
        self._desks = {
            symbol: LiquidityDesk(market.listing, market.market_id, user_id)
            for symbol, market in markets.items()
        }
        self._say(
            f"Markets {', '.join(summary.markets)}; account {user_id}: "
            f"{summary.orders_canceled_first} orders canceled, "
            f"{len(deposited)} of {len(needed)} assets deposited."
        )
        for symbol in summary.refined_markets:
            listing = markets[symbol].listing
            self._say(
                f"{symbol} is listed with tick {listing.tick_atoms} and lot {listing.lot_atoms} "
                f"atoms, finer than the venue's {listing.published_tick_atoms} and "
                f"{listing.published_lot_atoms}: its recorded book holds older, finer orders."
            )

    async def _take(self, step: BookStep, book: RecordedBook) -> None:
        """Bring the engine's book to where the recording is, and check that it is there."""
        summary = self._summary
        if isinstance(step.cause, AggregateTrade):
            await self._check_trade(step.cause)
            return
        if step.is_dropped:
            summary.updates_dropped += 1
            return
        await self._apply(step)
        levels = await self._compare(step, book)
        summary.levels_compared += levels
        if isinstance(step.cause, DepthSnapshot):
            summary.snapshots += 1
            self._say(f"{step.symbol} {step.label}: {levels} levels equal.")
        else:
            summary.updates_applied += 1

    async def _apply(self, step: BookStep) -> None:
        """Removals first, then additions, so that the book is never crossed in between."""
        desk = self._desks[step.symbol]
        await self._send(desk.plan_removals(step.changes), step)
        planned = desk.plan_additions(step.changes)
        outcomes = await self._send([order.command for order in planned], step)
        trims = []
        for order, outcome in zip(planned, outcomes, strict=True):
            if outcome.fills:
                raise BookMismatchError(
                    f"{step.symbol} {step.label}: the order at {order.command.price} ticks "
                    f"traded with order {outcome.fills[0].maker_order_id}, expected no trade"
                )
            trim = desk.note_placed(order, outcome.order_id)
            if trim is not None:
                trims.append(trim)
        await self._send(trims, step)

    async def _send(self, commands: Sequence[Command], step: BookStep) -> list[Outcome]:
        """Submit commands together, in order; ReplayError if the engine refuses one."""
        outcomes: list[Outcome] = []
        started_ns = time.monotonic_ns()
        for start in range(0, len(commands), COMMANDS_AT_ONCE_MAX):
            batch = commands[start : start + COMMANDS_AT_ONCE_MAX]
            outcomes += await asyncio.gather(*(self._engine.submit(c) for c in batch))
        self._sending_ns += time.monotonic_ns() - started_ns
        self._summary.commands_sent += len(commands)
        for command, outcome in zip(commands, outcomes, strict=True):
            if not outcome.is_accepted:
                raise ReplayError(
                    f"{step.symbol} {step.label}: the engine refused {command} "
                    f"with {outcome.reason.name}"
                )
        return outcomes

    async def _compare(self, step: BookStep, book: RecordedBook) -> int:
        """Compare the engine's book with the recording's and return the number of levels."""
        desk = self._desks[step.symbol]
        held = await self._engine.get_book(desk.market_id, depth=BOOK_DEPTH)
        return sum(
            self._compare_side(step, book, side, levels)
            for side, levels in ((Side.BID, held.bids), (Side.ASK, held.asks))
        )

    def _compare_side(
        self, step: BookStep, book: RecordedBook, side: Side, levels: Sequence[Level]
    ) -> int:
        listing = self._desks[step.symbol].listing
        expected = sorted(book.sides[side].items(), reverse=side is Side.BID)
        for place, (price, quantity) in enumerate(expected):
            wanted = (listing.price_ticks(price), listing.quantity_lots(quantity))
            level = levels[place] if place < len(levels) else None
            found = (level.price_ticks, level.quantity_lots) if level else None
            if found != wanted:
                raise BookMismatchError(
                    f"{step.symbol} {step.label}: {side.name.lower()} level {place + 1} is "
                    f"{found} (ticks, lots), the recording has {wanted}: {quantity:f} at {price:f}"
                )
        if len(levels) > len(expected):
            extra = levels[len(expected)]
            raise BookMismatchError(
                f"{step.symbol} {step.label}: {side.name.lower()} has {len(levels)} levels, "
                f"the recording {len(expected)}; the first beyond is at {extra.price_ticks} ticks"
            )
        return len(expected)

    async def _check_trade(self, trade: AggregateTrade) -> None:
        """Check that the engine's book could have made a recorded trade at that moment: its price
        is the best of the side it hit, and there was at least that quantity."""
        desk = self._desks[trade.symbol]
        held = await self._engine.get_book(desk.market_id, depth=1)
        side, levels = (Side.BID, held.bids) if trade.is_buyer_maker else (Side.ASK, held.asks)
        price = desk.listing.price_ticks(trade.price)
        quantity = desk.listing.quantity_lots(trade.quantity)
        best = levels[0] if levels else None
        if best is None or best.price_ticks != price or best.quantity_lots < quantity:
            raise BookMismatchError(
                f"{trade.symbol} trade {trade.trade_id} took {quantity} lots at {price} ticks, "
                f"but the best {side.name.lower()} level is {best}"
            )
        self._summary.trades_checked += 1
        self._say(
            f"{trade.symbol} trade {trade.trade_id}: {trade.quantity} at {trade.price} fits the "
            f"best {side.name.lower()} level, which holds "
            f"{desk.listing.quantity(best.quantity_lots)}."
        )
