"""Genuine event streams for tests: commands of all kinds through the reference kernel.

Not a fake engine: the events are what the engine's own kernel answers, so they are consistent in
every number. Invariant: the same seed gives the same bytes.
"""

from __future__ import annotations

import random
import struct
from collections import deque
from typing import Final

from engine.kernel.reference.kernel import ReferenceKernel
from engine.proto.records import (
    RECORD_BYTES,
    Command,
    CommandFlag,
    CommandType,
    OrderType,
    Side,
    TimeInForce,
    pack_command,
    unpack_event,
)
from engine.proto.stream import BATCH_EVENTS_MAX, CHAIN_GENESIS, StreamBatch, chain_extend

BTC: Final = 1
USDT: Final = 2
ETH: Final = 3
BTCUSDT: Final = 1
ETHUSDT: Final = 2  # fees in quote
ETHBTC: Final = 3  # fees per lot
START_US: Final = 1_767_225_500_000_000  # 100 seconds before 2026-01-01: a run crosses midnight
STEP_US: Final = 1_237
RESTING_REMEMBERED: Final = 300  # orders that later commands may change


class EngineScript:
    """A kernel, and every event it has given. Amounts are atoms, prices ticks, quantities lots."""

    def __init__(self) -> None:
        self.kernel = ReferenceKernel()
        self._events = bytearray()
        self._time_us = START_US
        self._next_order_id = 1
        self._next_request = 1
        self._resting: deque[tuple[int, int]] = deque(maxlen=RESTING_REMEMBERED)

    @property
    def events(self) -> bytes:
        """All events so far."""
        return bytes(self._events)

    def apply(self, command: Command) -> bytes:
        """Apply one command and return its events."""
        self._time_us += STEP_US
        events = self.kernel.apply(pack_command(command), self._time_us)
        self._events += events
        return events

    def request_id(self) -> bytes:
        """Return an id that was not used before."""
        self._next_request += 1
        return struct.pack("<QQ", self._next_request, 7)

    def list_markets(self) -> None:
        """Three assets of different decimals, and a market of each fee model."""
        for asset_id, code, decimals in ((BTC, b"BTC", 8), (USDT, b"USDT", 6), (ETH, b"ETH", 18)):
            self.apply(
                Command(
                    CommandType.ADD_ASSET,
                    asset_id=asset_id,
                    quantity=decimals,
                    amount=9 * 10**18,
                    text=code,
                )
            )
        self._list(BTCUSDT, BTC, USDT, 10**4, 10**4, 0, b"BTCUSDT")
        self._list(ETHUSDT, ETH, USDT, 10**4, 10**14, CommandFlag.FEE_IN_QUOTE, b"ETHUSDT")
        self._list(ETHBTC, ETH, BTC, 10**3, 10**15, CommandFlag.FEE_PER_LOT, b"ETHBTC")

    def _list(
        self, market_id: int, base: int, quote: int, tick: int, lot: int, flags: int, symbol: bytes
    ) -> None:
        maker, taker = (1, 2) if flags & CommandFlag.FEE_PER_LOT else (1_000, 2_500)
        self.apply(
            Command(
                CommandType.ADD_MARKET,
                market_id=market_id,
                asset_id=base,
                order_id=quote,
                price=tick,
                quantity=lot,
                amount=maker,
                ceiling=taker,
                flags=int(flags),
                text=symbol,
            )
        )

    def add_users(self, count: int) -> None:
        """Users 1..count, each with funds in every asset."""
        for user_id in range(1, count + 1):
            self.apply(Command(CommandType.ADD_USER, user_id=user_id))
            for asset_id, amount in ((BTC, 10**12), (USDT, 10**13), (ETH, 10**17)):
                self.funds(CommandType.DEPOSIT, user_id, asset_id, amount)

    def funds(self, kind: CommandType, user_id: int, asset_id: int, amount: int) -> bytes:
        """Deposit, withdraw or adjust, under an id of its own."""
        return self.apply(
            Command(
                kind,
                user_id=user_id,
                asset_id=asset_id,
                amount=amount,
                request_id=self.request_id(),
                text=b"reference",
            )
        )

    def place(
        self,
        user_id: int,
        side: Side,
        price: int,
        quantity: int,
        *,
        market_id: int = BTCUSDT,
        order_type: OrderType = OrderType.LIMIT,
        tif: TimeInForce | None = None,
        budget: int = 0,
        ceiling: int = 0,
        text: bytes = b"",
    ) -> int:
        """Place an order and return its id."""
        order_id = self._next_order_id
        self._next_order_id += 1
        if tif is None:
            tif = TimeInForce.GTC if order_type == OrderType.LIMIT else TimeInForce.NONE
        self.apply(
            Command(
                CommandType.PLACE,
                side=side,
                order_type=order_type,
                time_in_force=tif,
                market_id=market_id,
                user_id=user_id,
                order_id=order_id,
                price=price,
                quantity=quantity,
                amount=budget,
                ceiling=ceiling,
                text=text,
            )
        )
        return order_id

    def cancel(self, user_id: int, order_id: int, *, market_id: int = BTCUSDT) -> bytes:
        """Cancel an order as its owner, or as an operator if `user_id` is 0."""
        flags = 0 if user_id else CommandFlag.OPERATOR
        return self.apply(
            Command(
                CommandType.CANCEL,
                flags=int(flags),
                market_id=market_id,
                user_id=user_id,
                order_id=order_id,
            )
        )

    def reduce(self, user_id: int, order_id: int, lots: int, *, market_id: int = BTCUSDT) -> bytes:
        """Take lots off an order."""
        return self.apply(
            Command(
                CommandType.REDUCE,
                market_id=market_id,
                user_id=user_id,
                order_id=order_id,
                quantity=lots,
            )
        )

    def move(self, user_id: int, order_id: int, price: int, *, market_id: int = BTCUSDT) -> bytes:
        """Give an order another price."""
        return self.apply(
            Command(
                CommandType.MOVE,
                market_id=market_id,
                user_id=user_id,
                order_id=order_id,
                price=price,
            )
        )

    def checkpoint(self) -> bytes:
        """Journal a checkpoint."""
        return self.apply(Command(CommandType.CHECKPOINT))

    def prepare(self, users: int = 8) -> EngineScript:
        """Markets and funded users; returns itself."""
        self.list_markets()
        self.add_users(users)
        return self

    def run(
        self, commands: int, seed: int = 1, users: int = 8, checkpoint_every: int = 97
    ) -> EngineScript:
        """Mixed commands of traders and operators, a checkpoint now and then; returns itself."""
        chance = random.Random(seed)
        for number in range(1, commands + 1):
            self._random_command(chance, users)
            if number % checkpoint_every == 0:
                self.checkpoint()
        return self

    def _random_command(self, chance: random.Random, users: int) -> None:
        user = chance.randint(1, users)
        kind = chance.random()
        if kind < 0.02:
            self._random_funds(chance, user)
        elif kind < 0.25 and self._resting:
            self._random_change(chance, chance.choice(self._resting))
        else:
            self._random_order(chance, user)

    def _random_funds(self, chance: random.Random, user: int) -> None:
        kind = chance.choice([CommandType.DEPOSIT, CommandType.WITHDRAW, CommandType.ADJUST])
        amount = chance.randint(1, 10**9)
        if kind == CommandType.ADJUST and chance.random() < 0.5:
            amount = -amount
        self.funds(kind, chance.choice([0, user]), chance.choice([BTC, USDT, ETH]), amount)

    def _random_change(self, chance: random.Random, target: tuple[int, int]) -> None:
        market, order_id = target
        order = self.kernel.order(market, order_id)
        if order is None:
            self._resting.remove(target)
            return
        kind, user = chance.random(), order.user_id
        if kind < 0.3:
            self.cancel(user, order_id, market_id=market)
        elif kind < 0.4:
            self.cancel(0, order_id, market_id=market)
        elif kind < 0.7:
            self.reduce(user, order_id, chance.randint(1, 20), market_id=market)
        else:
            price = max(1, order.price_ticks + chance.randint(-30, 30))
            self.move(user, order_id, price, market_id=market)

    def _random_order(self, chance: random.Random, user: int) -> None:
        market = chance.choice([BTCUSDT, BTCUSDT, ETHUSDT, ETHBTC])
        side = chance.choice([Side.ASK, Side.BID])
        price = 1_000 + chance.randint(-25, 25)
        quantity = chance.randint(1, 60)
        shape = chance.random()
        if shape < 0.70:
            tif = chance.choice([TimeInForce.GTC] * 8 + [TimeInForce.IOC, TimeInForce.FOK])
            ceiling = price + 3 if side == Side.BID and chance.random() < 0.1 else 0
            order_id = self.place(
                user, side, price, quantity, market_id=market, tif=tif, ceiling=ceiling,
                text=b"c-%d" % self._next_order_id,
            )  # fmt: skip
            self._resting.append((market, order_id))
        elif shape < 0.85:
            kind = OrderType.MARKET
            self.place(user, side, 0, quantity, market_id=market, order_type=kind)
        elif shape < 0.93:
            kind = OrderType.LIMIT_MAKER
            self.place(user, side, price, quantity, market_id=market, order_type=kind)
        else:
            unit = self.kernel.markets()[market - 1].tick_lot_atoms
            budget = quantity * unit * (1_000 + chance.randint(-30, 30))
            kind = OrderType.FOK_BUDGET
            self.place(user, side, 0, quantity, market_id=market, order_type=kind, budget=budget)


def batches(
    events: bytes, *, size: int = 100, epoch: int = 1, first: int = 1, chain: bytes = CHAIN_GENESIS
) -> list[StreamBatch]:
    """Return events, the first of which has sequence `first`, as the stream's messages."""
    assert size <= BATCH_EVENTS_MAX
    found = []
    for offset in range(0, len(events), size * RECORD_BYTES):
        part = events[offset : offset + size * RECORD_BYTES]
        chain = chain_extend(chain, part)
        last = first + len(part) // RECORD_BYTES - 1
        found.append(StreamBatch(epoch, first, last, chain, part))
        first = last + 1
    return found


def event_types(events: bytes) -> list[int]:
    """Return the type of each event."""
    return [unpack_event(events, offset)[0].type for offset in range(0, len(events), RECORD_BYTES)]
