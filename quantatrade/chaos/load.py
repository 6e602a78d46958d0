"""A load of mixed commands from many users, with a memory of everything that was acknowledged.

Each user sends one command at a time, with a request id or a business id of its own, and sends it
again until it is answered. Invariant: `acknowledged` holds exactly the events of commands that the
engine answered, as bytes; whatever happens afterwards, these events must be found in the books.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

from engine.client import (
    EngineClient,
    EngineRefused,
    EngineUnavailable,
    Outcome,
    OutcomeUnknown,
)
from engine.proto.records import OrderType, Reason, Side, TimeInForce

USERS: Final = 12
FIRST_USER: Final = 1_000_001  # far from the numbers of people who register meanwhile
COIN, CASH, GOLD = 1, 2, 3
DECIMALS: Final = 8
MAX_TOTAL_ATOMS: Final = 10**17
FIRST_DEPOSIT_ATOMS: Final = 10**13
MARKETS: Final = (1, 2)
PRICE_TICKS: Final = 10_000
SPREAD_TICKS: Final = 40
LOTS_MAX: Final = 20
OPEN_ORDERS_KEPT: Final = 30
PAUSE_S: Final = 0.04
RETRY_S: Final = 0.02
ANSWER_TIMEOUT_S: Final = 5.0

Ask = Callable[[], Awaitable[Outcome]]


class OpenOrder(NamedTuple):
    market_id: int
    order_id: int
    side: Side


class Load:
    """Runs until `stop`. All randomness comes from `seed`, all identities are used once."""

    def __init__(self, address: str, seed: int, *, users: int = USERS) -> None:
        self._users = range(FIRST_USER, FIRST_USER + users)
        self._client = EngineClient(address, timeout_s=ANSWER_TIMEOUT_S)
        self._random = random.Random(seed)  # noqa: S311 - repeatable on purpose
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = asyncio.Event()
        self.acknowledged: list[bytes] = []
        self.commands = 0
        self.retries = 0

    async def begin(self, ready_timeout_s: float) -> None:
        """List the assets and markets, fund the users, and start their tasks."""
        client = self._client
        await client.wait_ready(ready_timeout_s)
        for asset_id, code in ((COIN, "COIN"), (CASH, "CASH"), (GOLD, "GOLD")):
            await client.add_asset(
                asset_id=asset_id, code=code, decimals=DECIMALS, max_total_atoms=MAX_TOTAL_ATOMS
            )
        for market_id, base, in_quote in ((1, COIN, False), (2, GOLD, True)):
            await client.add_market(
                market_id=market_id,
                symbol=f"{'COIN' if base == COIN else 'GOLD'}CASH",
                base_asset_id=base,
                quote_asset_id=CASH,
                tick_atoms=10**6,
                lot_atoms=10**5,
                maker_fee=700,
                taker_fee=1_900,
                fee_in_quote=in_quote,
            )
        for user_id in self._users:
            await client.add_user(user_id=user_id)
            for asset_id in (COIN, CASH, GOLD):
                await self._fund(user_id, asset_id, FIRST_DEPOSIT_ATOMS)
        self._tasks = [
            asyncio.create_task(self._trade(user_id, random.Random(self._random.random())))  # noqa: S311
            for user_id in self._users
        ]

    async def probe(self) -> int:
        """Get one deposit acknowledged; returns the sequence of its last event."""
        outcome = await self._fund(FIRST_USER, COIN, 1)
        return outcome.events[-1][0].event_seq

    async def stop(self) -> None:
        """Let every user finish the command in hand. Raises what a user's task raised."""
        self._stopping.set()
        await asyncio.gather(*self._tasks)
        await self._client.close()

    def check(self) -> None:
        """Raise what ended a user's task, if one ended."""
        for task in self._tasks:
            if task.done() and not self._stopping.is_set():
                task.result()

    # --- users ----------------------------------------------------------------------------------

    async def _trade(self, user_id: int, dice: random.Random) -> None:
        orders: list[OpenOrder] = []
        while not self._stopping.is_set():
            throw = dice.random()
            if throw < 0.04:
                await self._move_money(user_id, dice)
            elif throw < 0.55 or not orders:
                await self._place(user_id, dice, orders)
            else:
                await self._change(user_id, dice, orders)
            await asyncio.sleep(PAUSE_S * dice.random())

    async def _place(self, user_id: int, dice: random.Random, orders: list[OpenOrder]) -> None:
        side, market_id = Side(dice.randrange(2)), dice.choice(MARKETS)
        away = dice.randint(-4, SPREAD_TICKS)
        price = PRICE_TICKS - away if side is Side.BID else PRICE_TICKS + away
        order_type, tif = dice.choices(
            (
                (OrderType.LIMIT, TimeInForce.GTC),
                (OrderType.LIMIT, TimeInForce.IOC),
                (OrderType.LIMIT, TimeInForce.FOK),
                (OrderType.LIMIT_MAKER, TimeInForce.NONE),
                (OrderType.MARKET, TimeInForce.NONE),
            ),
            weights=(60, 10, 5, 15, 10),
        )[0]
        identity, lots = dice.randbytes(16), dice.randint(1, LOTS_MAX)
        outcome = await self._until_answered(
            lambda: self._client.place(
                user_id=user_id,
                market_id=market_id,
                side=side,
                order_type=order_type,
                time_in_force=tif,
                price_ticks=0 if order_type is OrderType.MARKET else price,
                quantity_lots=lots,
                client_order_id=identity.hex(),
                request_id=identity,
            )
        )
        if outcome.leaves_lots:
            orders.append(OpenOrder(market_id, outcome.order_id, side))

    async def _change(self, user_id: int, dice: random.Random, orders: list[OpenOrder]) -> None:
        """Cancel, reduce or move one of the user's orders, which may have ended meanwhile."""
        market_id, order_id, side = orders[dice.randrange(len(orders))]
        identity = dice.randbytes(16)
        client, throw = self._client, dice.random()
        is_crowded = len(orders) > OPEN_ORDERS_KEPT
        ask: Ask
        if throw < 0.3 or is_crowded:
            ask = lambda: client.cancel(  # noqa: E731 - one of three ways to say the same
                user_id=user_id, market_id=market_id, order_id=order_id, request_id=identity
            )
        elif throw < 0.5:
            ask = lambda: client.reduce(  # noqa: E731
                user_id=user_id,
                market_id=market_id,
                order_id=order_id,
                quantity_lots=3,
                request_id=identity,
            )
        else:
            away = dice.randint(-4, SPREAD_TICKS)
            price = PRICE_TICKS - away if side is Side.BID else PRICE_TICKS + away
            ask = lambda: client.move(  # noqa: E731
                user_id=user_id,
                market_id=market_id,
                order_id=order_id,
                price_ticks=price,
                request_id=identity,
            )
        outcome = await self._until_answered(ask)
        if not outcome.leaves_lots and outcome.reason in (Reason.NONE, Reason.UNKNOWN_ORDER):
            orders[:] = [order for order in orders if order.order_id != order_id]

    async def _move_money(self, user_id: int, dice: random.Random) -> None:
        asset_id, amount = dice.choice((COIN, CASH, GOLD)), dice.randint(1, 10**9)
        if dice.random() < 0.5:
            await self._fund(user_id, asset_id, amount, dice.randbytes(16))
            return
        identity = dice.randbytes(16)
        await self._until_answered(
            lambda: self._client.withdraw(
                user_id=user_id, asset_id=asset_id, amount_atoms=amount, business_id=identity
            )
        )

    async def _fund(
        self, user_id: int, asset_id: int, amount_atoms: int, identity: bytes = b""
    ) -> Outcome:
        business_id = identity or self._random.randbytes(16)
        return await self._until_answered(
            lambda: self._client.deposit(
                user_id=user_id,
                asset_id=asset_id,
                amount_atoms=amount_atoms,
                business_id=business_id,
            )
        )

    # --- answers --------------------------------------------------------------------------------

    async def _until_answered(self, ask: Ask) -> Outcome:
        """Send one command until its outcome is known, and remember it."""
        while True:
            try:
                outcome = await ask()
            except EngineRefused as refusal:
                outcome = refusal.outcome
            except (EngineUnavailable, OutcomeUnknown):
                self.retries += 1
                await asyncio.sleep(RETRY_S)
                continue
            self.commands += 1
            self.acknowledged.append(outcome.records)
            return outcome
