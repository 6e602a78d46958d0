"""One demo trader: sees the market through its socket, trades through REST.

Most of the time it takes what stands in the book, sometimes it offers something near the middle and
takes it back when nobody wants it. Invariants: what it does follows from what the socket told it;
it buys the less, the more of an asset it has; it has few open orders.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

from quantatrade.demo.feed import Best, Feed
from quantatrade.demo.grid import Grid
from quantatrade.demo.quoting import NOTIONAL_DEFAULT
from quantatrade.demo.rest import Account, RefusedError
from quantatrade.demo.steady import ORDERS, Progress

PAUSE_S: Final = (1.2, 4.8)
TAKES_PERCENT: Final = 72
MARKET_PERCENT: Final = 25  # of what it takes
SIZE_NOTIONALS: Final = (2, 25)
FUNDS_NOTIONALS: Final = 600  # of each side of a market, in least notionals
BUYS_PERCENT: Final = (15, 85)
OPEN_ORDERS_MAX: Final = 4
OFFER_AGE_MAX_S: Final = 30.0
SLIPPAGE_STEPS: Final = 3
SPENDABLE: Final = Decimal("0.9")  # of what is available: fees and moves of the price have room
# What the state of things can be against, without anything being wrong.
EXPECTED: Final = frozenset(
    (
        "insufficient_balance", "market_not_trading", "user_suspended", "would_take",
        "kill_switch", "max_num_orders", "max_position", "percent_price",
        "unknown_order", "notional", "lot_size", "price_filter", "nothing_changes",
    )
)  # fmt: skip


def trader_funds(grids: Sequence[Grid], prices: dict[str, Decimal]) -> dict[str, Decimal]:
    """Return what a trader of these markets starts with, by asset."""
    funds: dict[str, Decimal] = {}
    for grid in grids:
        worth = (grid.min_notional or NOTIONAL_DEFAULT) * FUNDS_NOTIONALS
        funds[grid.quote] = funds.get(grid.quote, Decimal(0)) + worth
        base = worth / prices[grid.symbol]
        funds[grid.base] = funds.get(grid.base, Decimal(0)) + round(base, 4)
    return funds


class Trader:
    """Acts in its markets; `act` does one thing."""

    def __init__(
        self,
        account: Account,
        feed: Feed,
        grids: Sequence[Grid],
        *,
        progress: Progress,
        seed: str,
    ) -> None:
        self._account = account
        self._feed = feed
        self._grids = {grid.symbol: grid for grid in grids}
        self._progress = progress
        self._dice = random.Random(seed)  # noqa: S311 - repeatable on purpose

    def pause_s(self) -> float:
        """Return the time until it acts again."""
        return self._dice.uniform(*PAUSE_S)

    async def act(self) -> None:
        """Take back an old offer, or trade in one market. NotNowError if the API cannot now."""
        if not self._feed.is_whole:
            return
        old = self._old_offer()
        if old is not None:
            await self._cancel(old)
            return
        grid = self._dice.choice(list(self._grids.values()))
        best = self._feed.best(grid.symbol)
        if best is None:
            return
        order = self.decide(grid, best)
        if order is not None:
            await self._place(order)

    def decide(self, grid: Grid, best: Best) -> dict[str, Any] | None:
        """Return the order to place; None if there is nothing to trade with."""
        buys = self._dice.randrange(100) < self._buys_percent(grid, best)
        takes = self._dice.randrange(100) < TAKES_PERCENT
        takes = takes or len(self._feed.orders) >= OPEN_ORDERS_MAX
        ticks = self._price_ticks(grid, best, buys=buys, takes=takes)
        lots = self._lots(grid, best, ticks, buys=buys)
        if not lots or not grid.is_price(ticks):
            return None
        order: dict[str, Any] = {
            "market": grid.symbol,
            "side": "BID" if buys else "ASK",
            "quantity": grid.quantity_text(lots),
        }
        if takes and self._dice.randrange(100) < MARKET_PERCENT:
            return {**order, "type": "MARKET"}
        order["price"] = grid.price_text(ticks)
        if takes:
            return {**order, "type": "LIMIT", "time_in_force": "IOC"}
        return {**order, "type": "LIMIT", "time_in_force": "GTC"}

    def _buys_percent(self, grid: Grid, best: Best) -> int:
        """The more of its money is in the base, the less it buys."""
        base = sum(self._feed.balances.get(grid.base, (Decimal(0),))) * best.bid
        quote = sum(self._feed.balances.get(grid.quote, (Decimal(0),)))
        if base + quote <= 0:
            return 50
        least, most = BUYS_PERCENT
        return max(least, min(most, 100 - int(base * 100 / (base + quote))))

    def _price_ticks(self, grid: Grid, best: Best, *, buys: bool, takes: bool) -> int:
        bid, ask = grid.ticks_of(best.bid), grid.ticks_of(best.ask)
        step = grid.tick_step
        if takes:
            return ask + SLIPPAGE_STEPS * step if buys else bid - SLIPPAGE_STEPS * step
        room = max(0, ask - bid - step)
        inside = self._dice.randint(0, room // 2) if room > 1 else 0
        inside -= inside % step
        return bid + inside if buys else ask - inside

    def _lots(self, grid: Grid, best: Best, ticks: int, *, buys: bool) -> int:
        unit = grid.min_notional or NOTIONAL_DEFAULT
        worth = unit * self._dice.randint(*SIZE_NOTIONALS)
        asset = grid.quote if buys else grid.base
        available = self._feed.balances.get(asset, (Decimal(0), Decimal(0)))[0] * SPENDABLE
        if not buys:
            available *= best.bid
        return grid.lots_worth(min(worth, available), ticks)

    def _old_offer(self) -> int | None:
        before_s = time.monotonic() - OFFER_AGE_MAX_S
        for order_id, order in self._feed.orders.items():
            if order.seen_s < before_s and order.symbol in self._grids:
                return order_id
        return None

    async def _cancel(self, order_id: int) -> None:
        try:
            await self._account.cancel(order_id, self._feed.orders[order_id].symbol)
        except RefusedError as error:
            self._note(error)
            return
        self._progress.note()
        ORDERS.labels("rest", "canceled").inc()

    async def _place(self, order: dict[str, Any]) -> None:
        try:
            await self._account.post("orders", order)
        except RefusedError as error:
            self._note(error)
            return
        self._progress.note()
        ORDERS.labels("rest", "accepted").inc()

    def _note(self, error: RefusedError) -> None:
        if error.code not in EXPECTED:
            raise error
        self._progress.note()
        ORDERS.labels("rest", error.code).inc()
