"""Plans the orders with which a liquidity account makes one market's levels equal given totals.

It exists to keep order bookkeeping apart from transport. A level may be made of several orders:
more is added by a new order behind the others, less is taken from the newest first, so that older
orders keep their place in the queue as they would on a real venue. Invariant: after the planned
commands were all accepted, the orders noted for a level sum to the level's total.

An addition below the market's least quantity or notional cannot be placed as such, yet real books
hold such remainders of filled orders. It is placed at the least size and reduced at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from apps.markets.listings import MarketListing
from apps.trading.capture.book import LevelChange
from engine.proto.records import Command, CommandType, OrderType, Side, TimeInForce

ORDERS_PER_ADDITION_MAX: Final = 1_000

Level = tuple[Side, int]  # side, price in ticks


@dataclass(slots=True)
class RestingOrder:
    """One order of the account: what the engine has left of it."""

    order_id: int
    leaves_lots: int


@dataclass(frozen=True, slots=True)
class PlannedOrder:
    """An order to place, and how many of its lots to take off again once it rests."""

    command: Command
    level: Level
    excess_lots: int


class LiquidityDesk:
    """The account's open orders in one market, by level."""

    def __init__(self, listing: MarketListing, market_id: int, user_id: int) -> None:
        self.listing = listing
        self.market_id = market_id
        self.user_id = user_id
        self._orders: dict[Level, list[RestingOrder]] = {}

    def total_lots(self, level: Level) -> int:
        """Return what the account's orders at a level sum to."""
        return sum(order.leaves_lots for order in self._orders.get(level, ()))

    def plan_removals(self, changes: Iterable[LevelChange]) -> list[Command]:
        """Return the cancels and reductions for levels that shrink, and note them as done."""
        commands = []
        for change in changes:
            level = self._level(change)
            surplus = self.total_lots(level) - self.listing.quantity_lots(change.after)
            if surplus > 0:
                commands.extend(self._take_off(level, surplus))
        return commands

    def plan_additions(self, changes: Iterable[LevelChange]) -> list[PlannedOrder]:
        """Return the orders for levels that grow. `note_placed` each once it is accepted."""
        planned = []
        for change in changes:
            level = self._level(change)
            lack = self.listing.quantity_lots(change.after) - self.total_lots(level)
            if lack > 0:
                planned.extend(self._pieces(level, lack))
        return planned

    def note_placed(self, planned: PlannedOrder, order_id: int) -> Command | None:
        """Remember an accepted order; return the reduction that brings it to size, if any."""
        quantity = planned.command.quantity - planned.excess_lots
        self._orders.setdefault(planned.level, []).append(RestingOrder(order_id, quantity))
        if planned.excess_lots == 0:
            return None
        return self._reduce(order_id, planned.excess_lots)

    def _take_off(self, level: Level, surplus: int) -> list[Command]:
        orders = self._orders[level]
        commands = []
        while surplus > 0:
            newest = orders[-1]
            if newest.leaves_lots > surplus:
                newest.leaves_lots -= surplus
                commands.append(self._reduce(newest.order_id, surplus))
                break
            surplus -= newest.leaves_lots
            orders.pop()
            commands.append(
                Command(
                    CommandType.CANCEL,
                    market_id=self.market_id,
                    user_id=self.user_id,
                    order_id=newest.order_id,
                )
            )
        if not orders:
            del self._orders[level]
        return commands

    def _pieces(self, level: Level, lack: int) -> list[PlannedOrder]:
        """Cut an addition into orders within the market's bounds."""
        side, price_ticks = level
        most = self.listing.max_quantity_lots or lack
        least = self._least_lots(price_ticks)
        count = -(-lack // most)
        if count > ORDERS_PER_ADDITION_MAX or least > most:
            raise ValueError(
                f"{self.listing.symbol} addition was {lack} lots at {price_ticks} ticks, "
                f"expected at most {ORDERS_PER_ADDITION_MAX} orders of {least}..{most} lots"
            )
        pieces = []
        while lack > 0:
            piece = min(lack, most)
            quantity = max(piece, least)
            lack -= piece
            command = Command(
                CommandType.PLACE,
                side=side,
                order_type=OrderType.LIMIT,
                time_in_force=TimeInForce.GTC,
                market_id=self.market_id,
                user_id=self.user_id,
                price=price_ticks,
                quantity=quantity,
            )
            pieces.append(PlannedOrder(command, level, quantity - piece))
        return pieces

    def _least_lots(self, price_ticks: int) -> int:
        by_notional = -(
            -self.listing.min_notional_atoms // (price_ticks * self.listing.tick_lot_atoms)
        )
        return max(1, self.listing.min_quantity_lots, by_notional)

    def _reduce(self, order_id: int, lots: int) -> Command:
        return Command(
            CommandType.REDUCE,
            market_id=self.market_id,
            user_id=self.user_id,
            order_id=order_id,
            quantity=lots,
        )

    def _level(self, change: LevelChange) -> Level:
        return change.side, self.listing.price_ticks(change.price)
