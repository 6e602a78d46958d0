"""A very deep book: an order on each of a million prices a side, and traffic all over them.

Flat arrays of prices are fast on the few hundred levels of an ordinary book and break down here; so
this is where an attacker would go. Half of the commands are new orders on random prices of their
own side, moves and cancels of random orders make up most of the rest, and one in eight takes one
lot from the best price.

Invariant: bids stay at or below the middle and asks above it, so that only the taking orders trade;
that makes the oracle a dictionary of levels, which shares nothing with a kernel.
"""

from __future__ import annotations

import heapq
import random
from collections import OrderedDict
from typing import Final, NamedTuple

from engine.bench.encode import LOT_ATOMS, TICK_LOT_ATOMS
from engine.bench.proof import BenchmarkError
from engine.kernel.interface import Kernel, LevelView
from engine.proto.records import (
    COMMAND,
    NO_REQUEST_ID,
    RECORD_BYTES,
    Command,
    CommandType,
    OrderType,
    Side,
    TimeInForce,
    pack_command,
)

BASE, QUOTE, MARKET = 1, 2, 1
USERS: Final = 100
DEPOSIT_ATOMS: Final = 10**16
LOTS_MAX: Final = 9
_CHOICES: Final = 8
_CANCEL_FROM: Final = 4
_MOVE_FROM: Final = 5
_TAKE: Final = 7


class DeepStream(NamedTuple):
    """Kernel commands: what must exist, the fill, and the traffic that is timed."""

    setup: bytes
    fill: bytes
    traffic: bytes
    book: tuple[list[LevelView], list[LevelView]]


class _Half:
    """One side: by price its orders in time order, [id, lots]; and the prices by rank, lazily."""

    def __init__(self, sign: int) -> None:
        self.sign = sign
        self.levels: dict[int, OrderedDict[int, int]] = {}
        self._best: list[int] = []

    def add(self, price: int, order_id: int, lots: int) -> None:
        level = self.levels.get(price)
        if level is None:
            level = self.levels[price] = OrderedDict()
            heapq.heappush(self._best, -price * self.sign)
        level[order_id] = lots

    def remove(self, price: int, order_id: int) -> int:
        level = self.levels[price]
        lots = level.pop(order_id)
        if not level:
            del self.levels[price]
        return lots

    def take_one(self) -> tuple[int, int] | None:
        """Take a lot from the best order; (its price, its id) if it has ended."""
        while -self._best[0] * self.sign not in self.levels:
            heapq.heappop(self._best)
        price = -self._best[0] * self.sign
        level = self.levels[price]
        order_id = next(iter(level))
        level[order_id] -= 1
        if level[order_id]:
            return None
        self.remove(price, order_id)
        return price, order_id

    def views(self) -> list[LevelView]:
        """Best first."""
        return [
            LevelView(price, sum(level.values()), len(level))
            for price, level in sorted(self.levels.items(), reverse=self.sign > 0)
        ]


class _Writer:
    """Writes commands and keeps the book that they must lead to."""

    def __init__(self, levels: int, seed: int) -> None:
        self._levels = levels
        self._random = random.Random(seed)  # noqa: S311 - a benchmark, not a secret
        self._halves = {Side.BID: _Half(1), Side.ASK: _Half(-1)}
        self._live: list[int] = []  # order ids, in any order
        self._place_of: dict[int, int] = {}  # order id: where it stands in `_live`
        self._orders: dict[int, tuple[Side, int]] = {}  # order id: side and price
        self._last_id = 0

    def fill(self) -> bytes:
        """One order on each price, worst first on both sides."""
        packed = bytearray()
        for distance in range(self._levels, 0, -1):
            for side in Side:
                packed += self._place(side, self._price(side, distance))
        return bytes(packed)

    def traffic(self, count: int) -> bytes:
        return b"".join(self._next() for _ in range(count))

    def book(self) -> tuple[list[LevelView], list[LevelView]]:
        return self._halves[Side.BID].views(), self._halves[Side.ASK].views()

    def _price(self, side: Side, distance: int) -> int:
        """The price so far from the middle, 1 being the best."""
        return self._levels + 1 - distance if side is Side.BID else self._levels + distance

    def _next(self) -> bytes:
        choice = self._random.randrange(_CHOICES)
        side = Side.BID if self._random.random() < 0.5 else Side.ASK
        if choice == _TAKE:
            return self._take(side)
        if choice < _CANCEL_FROM:
            return self._place(side, self._price(side, self._random.randint(1, self._levels)))
        order_id = self._random.choice(self._live)
        side, price = self._orders[order_id]
        if choice < _MOVE_FROM:
            self._halves[side].remove(price, order_id)
            self._forget(order_id)
            return _pack(CommandType.CANCEL, order_id=order_id, user_id=_owner(order_id))
        new_price = self._price(side, self._random.randint(1, self._levels))
        lots = self._halves[side].remove(price, order_id)
        self._halves[side].add(new_price, order_id, lots)
        self._orders[order_id] = side, new_price
        return _pack(
            CommandType.MOVE,
            order_id=order_id,
            user_id=_owner(order_id),
            price=new_price,
            flags=8 if new_price == price else 0,
        )

    def _place(self, side: Side, price: int) -> bytes:
        self._last_id += 1
        order_id, lots = self._last_id, self._random.randint(1, LOTS_MAX)
        self._halves[side].add(price, order_id, lots)
        self._orders[order_id] = side, price
        self._place_of[order_id] = len(self._live)
        self._live.append(order_id)
        return _limit(order_id, side, price, lots, TimeInForce.GTC)

    def _take(self, side: Side) -> bytes:
        """An order that takes one lot from the best price of the other side."""
        ended = self._halves[Side.ASK if side is Side.BID else Side.BID].take_one()
        if ended is not None:
            self._forget(ended[1])
        self._last_id += 1
        limit = 2 * self._levels if side is Side.BID else 1
        return _limit(self._last_id, side, limit, 1, TimeInForce.IOC)

    def _forget(self, order_id: int) -> None:
        del self._orders[order_id]
        place, last = self._place_of.pop(order_id), self._live.pop()
        if last != order_id:
            self._live[place] = last
            self._place_of[last] = place


def _owner(order_id: int) -> int:
    return order_id % USERS + 1


def _limit(order_id: int, side: Side, price: int, lots: int, tif: TimeInForce) -> bytes:
    return _pack(
        CommandType.PLACE,
        order_id=order_id,
        user_id=_owner(order_id),
        price=price,
        quantity=lots,
        side=side,
        order_type=OrderType.LIMIT,
        time_in_force=tif,
    )


def _pack(
    kind: CommandType,
    *,
    order_id: int,
    user_id: int,
    price: int = 0,
    quantity: int = 0,
    side: int = 0,
    order_type: int = 0,
    time_in_force: int = 0,
    flags: int = 0,
) -> bytes:
    return COMMAND.pack(
        *(kind, side, order_type, time_in_force, flags, 0, MARKET, 0, user_id, order_id),
        *(price, quantity, 0, 0, 0, NO_REQUEST_ID, b""),
    )


def _setup() -> bytes:
    commands = [
        Command(CommandType.ADD_ASSET, asset_id=asset, quantity=2, amount=2**63 - 1, text=text)
        for asset, text in ((BASE, b"BASE"), (QUOTE, b"QUOTE"))
    ]
    commands.append(
        Command(
            CommandType.ADD_MARKET,
            market_id=MARKET,
            asset_id=BASE,
            order_id=QUOTE,
            price=TICK_LOT_ATOMS * 100 // LOT_ATOMS,
            quantity=LOT_ATOMS,
            amount=1_000,
            ceiling=2_000,
            text=b"DEEP",
        )
    )
    for user in range(1, USERS + 1):
        commands.append(Command(CommandType.ADD_USER, user_id=user))
        commands += [
            Command(
                CommandType.DEPOSIT,
                user_id=user,
                asset_id=asset,
                amount=DEPOSIT_ATOMS,
                request_id=(user * 2 + asset - BASE).to_bytes(16, "little"),
            )
            for asset in (BASE, QUOTE)
        ]
    return b"".join(map(pack_command, commands))


def build_deep(levels: int, commands: int, seed: int = 1) -> DeepStream:
    """A book of so many levels a side, and so many commands on it."""
    writer = _Writer(levels, seed)
    fill = writer.fill()
    traffic = writer.traffic(commands)
    assert len(traffic) == commands * RECORD_BYTES
    return DeepStream(_setup(), fill, traffic, writer.book())


def check_deep(stream: DeepStream, kernel: Kernel) -> None:
    """BenchmarkError unless the book is the oracle's and no atom was made or lost."""
    book = kernel.book(MARKET, 2**31 - 1)
    if book != stream.book:
        raise BenchmarkError(f"deep book of {len(stream.book[0])} bids is not the expected one")
    for total in kernel.totals():
        if total.held_atoms != USERS * DEPOSIT_ATOMS:
            raise BenchmarkError(
                f"asset {total.asset_id}: {total.held_atoms} atoms were held, expected "
                f"{USERS * DEPOSIT_ATOMS}"
            )
