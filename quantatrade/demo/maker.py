"""The market maker: quotes all markets with one account over the engine's packed stream.

It remembers nothing of its orders: each round asks the engine what rests, compares that with what
should, and sends the difference in one go. So fills, kills, operators' cancels and its own restarts
need no special case. An offer of somebody else that the market has left behind is in the way of its
quotes, and then they take it. Invariant: within a round what leaves the middle is sent before what
comes nearer, so its own orders do not meet.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from engine.client import EngineClient, EngineError, Outcome
from engine.client import OpenOrder as EngineOrder
from engine.proto.records import Command, CommandType, OrderType, Reason, Side, TimeInForce
from quantatrade.demo.grid import Grid
from quantatrade.demo.quoting import (
    Cancel,
    Change,
    Move,
    Resting,
    changes,
    imbalance_permille,
    ladder,
    side_notional,
)
from quantatrade.demo.reference import Reference
from quantatrade.demo.steady import ORDERS, Progress

ROUND_S: Final = 1.5
CLOSED_MARKET_PAUSE_S: Final = 5.0
OPEN_ORDERS_MAX: Final = 1_000
FUNDS_SIDES: Final = 12  # of the ladder's sides: what it starts with, of each asset of a market
_CLOSED: Final = (
    Reason.MARKET_NOT_TRADING, Reason.MARKET_POST_ONLY, Reason.MARKET_IN_AUCTION,
    Reason.MARKET_CLOSED, Reason.MARKET_DELISTED, Reason.KILL_SWITCH, Reason.USER_SUSPENDED,
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Quoted:
    """A market that the maker quotes; ids are the engine's."""

    grid: Grid
    market_id: int
    base_id: int
    quote_id: int
    base_decimals: int
    reference: Reference


def maker_funds(grids: Sequence[Grid], prices: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """Return what the maker should hold of each asset."""
    funds: dict[str, Decimal] = {}
    for grid in grids:
        worth = side_notional(grid) * FUNDS_SIDES
        funds[grid.quote] = funds.get(grid.quote, Decimal(0)) + worth
        base = round(worth / prices[grid.symbol], 4)
        funds[grid.base] = funds.get(grid.base, Decimal(0)) + base
    return funds


class Maker:
    """Quotes until it is stopped; `round` is one comparison and one sending."""

    def __init__(
        self,
        engine: EngineClient,
        user_id: int,
        markets: Sequence[Quoted],
        targets: Mapping[str, Decimal],
        *,
        progress: Progress,
        seed: str,
    ) -> None:
        self._engine = engine
        self._user_id = user_id
        self._markets = markets
        self._targets = targets
        self._progress = progress
        self._seed = seed
        self._closed_until_s: dict[int, float] = {}

    async def round(self) -> None:
        """Bring all books to what they should be. EngineUnavailable; OutcomeUnknown."""
        held = await self._engine.list_open_orders(user_id=self._user_id, limit=OPEN_ORDERS_MAX)
        balances = await self._engine.get_balances(self._user_id)
        totals = {
            each.asset_id: each.available_atoms + each.locked_atoms for each in balances.balances
        }
        now_ms, now_s = time.time_ns() // 1_000_000, time.monotonic()
        commands: list[Command] = []
        for market in self._markets:
            is_funded = market.base_id in totals and market.quote_id in totals
            if not is_funded or self._closed_until_s.get(market.market_id, 0.0) > now_s:
                continue
            resting = [_resting(order) for order in held.orders if _is_of(order, market)]
            wanted = ladder(
                market.grid,
                market.reference.price_ticks(now_ms),
                imbalance=self._imbalance(market, totals),
                seed=f"{self._seed}/{market.grid.symbol}",
            )
            commands += [
                self._command(market, each) for each in changes(market.grid, wanted, resting)
            ]
        await self._send(commands)

    def _imbalance(self, market: Quoted, totals: Mapping[int, int]) -> int:
        atoms = totals.get(market.base_id, 0)
        held = Decimal(atoms).scaleb(-market.base_decimals)
        return imbalance_permille(held, self._targets[market.grid.base])

    async def _send(self, commands: Sequence[Command]) -> None:
        answers = await asyncio.gather(
            *(self._engine.submit(command) for command in commands), return_exceptions=True
        )
        lost: BaseException | None = None
        for command, answer in zip(commands, answers, strict=True):
            if isinstance(answer, Outcome):
                self._note(command, answer)
            elif lost is None or not isinstance(answer, EngineError):
                lost = answer
        if lost is not None:
            raise lost
        self._progress.note()

    def _note(self, command: Command, outcome: Outcome) -> None:
        word = "accepted" if outcome.is_accepted else outcome.reason.name.lower()
        ORDERS.labels("stream", word).inc()
        if outcome.reason in _CLOSED:
            until_s = time.monotonic() + CLOSED_MARKET_PAUSE_S
            self._closed_until_s[command.market_id] = until_s

    def _command(self, market: Quoted, change: Change) -> Command:
        if isinstance(change, Cancel):
            return Command(
                CommandType.CANCEL,
                market_id=market.market_id,
                user_id=self._user_id,
                order_id=change.order_id,
            )
        if isinstance(change, Move):
            return Command(
                CommandType.MOVE,
                market_id=market.market_id,
                user_id=self._user_id,
                order_id=change.order_id,
                price=change.ticks,
            )
        return Command(
            CommandType.PLACE,
            side=change.side,
            order_type=OrderType.LIMIT,
            time_in_force=TimeInForce.GTC,
            market_id=market.market_id,
            user_id=self._user_id,
            price=change.ticks,
            quantity=change.lots,
        )


def _is_of(order: EngineOrder, market: Quoted) -> bool:
    return order.market_id == market.market_id


def _resting(order: EngineOrder) -> Resting:
    return Resting(order.order_id, Side(order.side), order.price_ticks, order.leaves_lots)
