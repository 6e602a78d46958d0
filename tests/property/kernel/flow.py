"""Random command streams over a small exchange, in which everything happens often.

Few users, tight prices and small balances make orders meet, run out of funds and repeat ids all the
time; a part of the commands is spoilt with extreme integers or is plain garbage. The exchange has
one market of each fee model, and assets whose limits are within reach.
"""

from __future__ import annotations

import random
from collections import deque
from typing import Any, Final

from engine.kernel.limits import Limits
from engine.proto.records import (
    COMMAND,
    INT64_MAX,
    RECORD_BYTES,
    Command,
    CommandFlag,
    CommandType,
    MarketState,
    OrderType,
    Side,
    TimeInForce,
    UserStatus,
    pack_command,
)
from tests.property.kernel.care import (
    CANCEL_FLAGS,
    REPLACE_FLAGS,
    USERS,
    amended_terms,
    care_command,
    quote_command,
    with_care,
)
from tests.property.kernel.flow_controls import control_sequence, limits_command
from tests.property.kernel.flow_funds import hold_sequence, transfer_sequence, user_fees_command
from tests.property.kernel.flow_lists import list_sequence
from tests.property.kernel.flow_timing import TIMING_SHARE, timing_command, with_life
from tests.property.kernel.flow_triggers import with_stop

EXTREMES: Final = (0, -1, 1, 2**62, INT64_MAX, -(2**63))
LIMITS: Final = Limits(open_orders_max=150, accounts_max=30, users_max=9, business_ids_max=2_000)
MARKETS: Final = (1, 2, 3, 4)
LIST_SHARE: Final = 0.4  # of the sequences
STATES: Final = (
    MarketState.TRADING,
    MarketState.CANCEL_ONLY,
    MarketState.HALT,
    MarketState.POST_ONLY,
    MarketState.LIMIT_ONLY,
    MarketState.CLOSED,
    MarketState.AUCTION,
)
NARROW: Final = (95, 106)  # prices at which nearly every order meets another
WIDE: Final = (1, 4_000)  # prices that make many levels: chunks fill, split and merge
_ORDER_TYPES: Final = (
    OrderType.LIMIT,
    OrderType.MARKET,
    OrderType.LIMIT_MAKER,
    OrderType.FOK_BUDGET,
)
_TEXTS: Final = tuple(f"order:{number}/x".encode() for number in range(40))
_ODD_TEXTS: Final = (b"with space", b"x" * 36, b"y" * 37, b"gap\0gap", b"\xff")


def stamp(step: int) -> int:
    """The time of a test's batch: some milliseconds later than that of the one before."""
    return 2_000 + step * 1_500


def listing() -> bytes:
    """The exchange: three assets, a market of each fee model and one of tiny numbers, users."""
    commands = [
        Command(CommandType.ADD_ASSET, asset_id=1, quantity=8, amount=10**15, text=b"BTC"),
        Command(CommandType.ADD_ASSET, asset_id=2, quantity=6, amount=10**15, text=b"USDT"),
        Command(CommandType.ADD_ASSET, asset_id=3, quantity=0, amount=INT64_MAX, text=b"UNIT"),
        _market(1, 1, 2, 10**6, 10**4, 700, 1_900, 0, b"BTCUSDT"),
        _market(2, 1, 2, 10**6, 10**4, 1_000, 3_333, CommandFlag.FEE_IN_QUOTE, b"BTCUSDTQ"),
        _market(3, 1, 2, 10**6, 10**4, 7, 19, CommandFlag.FEE_PER_LOT, b"BTCUSDTL"),
        _market(4, 3, 2, 1, 1, 1_000_000, 500_000, 0, b"DUST"),
        *(Command(CommandType.ADD_USER, user_id=user) for user in USERS),
    ]
    return b"".join(map(pack_command, commands))


def _market(
    market_id: int,
    base: int,
    quote: int,
    tick: int,
    lot: int,
    maker: int,
    taker: int,
    flags: int,
    symbol: bytes,
) -> Command:
    return Command(
        CommandType.ADD_MARKET,
        market_id=market_id,
        asset_id=base,
        order_id=quote,
        price=tick,
        quantity=lot,
        amount=maker,
        ceiling=taker,
        flags=flags,
        text=symbol,
    )


class Flow:
    """A stream of commands from one seed; `prices` is the range to draw from.

    `is_calm`: nothing cancels many orders at once or bounds them, so that books grow deep.
    """

    def __init__(
        self, seed: int, prices: tuple[int, int] = NARROW, *, is_calm: bool = False
    ) -> None:
        self._is_calm = is_calm
        self._random = random.Random(seed)
        self._prices = prices
        self._placed: dict[int, Command] = {}
        self._order_id = 0
        self._request = 0
        self._holds: list[Command] = []
        self._queue: deque[Command] = deque()  # of a sequence that has begun

    def records(self, count: int) -> bytes:
        """Return the next `count` commands, packed."""
        return b"".join(self.record() for _ in range(count))

    def record(self) -> bytes:
        draw = self._random.random()
        if draw < 0.003:
            return self._random.randbytes(RECORD_BYTES)
        if not self._queue and draw > 0.98:
            self._queue.extend(self._sequence())
        command = self._queue.popleft() if self._queue else self._command()
        record = pack_command(command)
        return self._spoil(record) if draw < 0.04 else record

    def _spoil(self, record: bytes) -> bytes:
        """Put an extreme integer into one field."""
        fields = list(COMMAND.unpack(record))
        index = self._random.randrange(17)
        if index >= 15:
            fields[index] = self._random.randbytes(16 if index == 15 else 40)
        elif index >= 8:
            fields[index] = self._random.choice(EXTREMES)
        else:
            fields[index] = self._random.randrange(256)
        return COMMAND.pack(*fields)

    def _command(self) -> Command:
        if self._random.random() < TIMING_SHARE:
            return timing_command(self._random, self._user())
        draw = self._random.random()
        if draw < 0.42:
            return self._alive(self._place())
        if draw < 0.62:
            return self._of_order(
                CommandType.MOVE,
                price=self._price(),
                flags=self._random.choice((0, 0, 0, CommandFlag.REQUEUE)),
            )
        if draw < 0.72:
            return self._cancel()
        if draw < 0.76:
            return self._of_order(CommandType.REDUCE, quantity=self._random.randrange(0, 12))
        if draw < 0.80:
            terms = amended_terms(self._random, self._price())
            return self._of_order(CommandType.AMEND, **terms)
        if draw < 0.92:
            return self._money()
        if draw < 0.93:
            return care_command(self._random, with_bands=not self._is_calm)
        if draw < 0.945:
            return self._quote()
        return self._admin()

    def _sequence(self) -> list[Command]:
        """Commands that belong together, which are sent one after the other."""
        if self._random.random() < LIST_SHARE:
            return self._list()
        draw = self._random.random()
        if draw < 0.3:
            return transfer_sequence(self._random, self._request_id(often=True))
        if draw < 0.6:
            return hold_sequence(self._random, self._holds, self._request_id(often=True))
        if draw < 0.8:
            return self._replace()
        if self._is_calm:
            return []
        if draw < 0.88:
            return [user_fees_command(self._random)]
        if draw < 0.93:
            return [limits_command(self._random)]
        between = [self._command() for _ in range(self._random.randrange(8))]
        return control_sequence(self._random, between)

    def _list(self) -> list[Command]:
        sender = self._random.choice(MARKETS), self._user()
        request_id = self._request_id(often=False)
        commands = list_sequence(
            self._random, sender, self._prices, self._next_order_id, request_id
        )
        for leg in commands[:-1]:
            self._placed[leg.order_id] = leg
        return commands

    def _next_order_id(self) -> int:
        self._order_id += 1
        return self._order_id

    def _replace(self) -> list[Command]:
        leg = self._place()._replace(type=CommandType.PLACE_LEG)
        flags = self._random.choice(REPLACE_FLAGS)
        replace = self._of_order(CommandType.REPLACE, quantity=1, flags=flags)
        if self._random.random() < 0.9:
            leg = leg._replace(market_id=replace.market_id, user_id=replace.user_id)
        self._placed[leg.order_id] = leg
        return [leg, replace]

    def _quote(self) -> Command:
        quote = quote_command(self._random, self._order_id + 1, self._price(), self._price())
        self._order_id += 2
        for order_id in (quote.order_id, quote.order_id + 1):
            self._placed[order_id] = quote
        return quote

    def _price(self) -> int:
        return self._random.randrange(*self._prices)

    def _side_price(self, side: Side) -> int:
        """A price that more often rests than trades."""
        low, high = self._prices
        price = min(self._price(), self._price())
        return price if side is Side.BID else low + high - 1 - price

    def _user(self) -> int:
        return self._random.choice(USERS)

    def _request_id(self, *, often: bool) -> bytes:
        """An id: new, one of the last few hundred, or none."""
        draw = self._random.random()
        if draw < (0.01 if often else 0.6):
            return bytes(16)
        if draw < 0.8:
            self._request += 1
            return self._request.to_bytes(16, "little")
        low = max(1, self._request - 300)
        return self._random.randrange(low, self._request + 2).to_bytes(16, "little")

    def _known_order(self) -> int:
        if self._random.random() < 0.02:
            return self._random.randrange(-2, self._order_id + 3)
        return self._order_id - int(self._random.random() ** 3 * 150)

    def _place(self) -> Command:
        rng = self._random
        self._order_id += 1
        order_id = self._order_id if rng.random() < 0.98 else self._known_order()
        order_type = rng.choices(_ORDER_TYPES, (14, 2, 4, 2))[0]
        side = rng.choice(list(Side))
        price, amount, ceiling, tif = self._side_price(side), 0, 0, TimeInForce.NONE
        quantity = 1 + int(rng.random() ** 3 * 60)
        if order_type is OrderType.LIMIT:
            tif = rng.choices((TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK), (12, 2, 2))[0]
            if side is Side.BID and rng.random() < 0.5:
                ceiling = price + rng.randrange(-1, 6)
        elif order_type is OrderType.MARKET:
            price = 0
        elif order_type is OrderType.FOK_BUDGET:
            price, amount = 0, max(1, quantity * 10**2 * price + rng.randrange(-300, 300))
        placed = Command(
            CommandType.PLACE,
            side=side,
            order_type=order_type,
            time_in_force=tif,
            market_id=rng.choices(MARKETS, (5, 5, 5, 2))[0],
            user_id=self._user(),
            order_id=order_id,
            price=price,
            quantity=quantity,
            amount=amount,
            ceiling=ceiling,
            request_id=self._request_id(often=False),
            text=self._text(),
        )
        return with_care(rng, placed)

    def _alive(self, command: Command) -> Command:
        """The same PLACE, sometimes with an end of its own."""
        command = with_life(self._random, with_stop(self._random, command, self._price()))
        self._placed[command.order_id] = command
        return self._placed[command.order_id]

    def _text(self) -> bytes:
        draw = self._random.random()
        if draw < 0.01:
            return self._random.choice(_ODD_TEXTS)
        return self._random.choice(_TEXTS) if draw < 0.3 else b""

    def _of_order(self, kind: CommandType, **fields: Any) -> Command:
        """A command about a recent order, nearly always by its owner and in its market."""
        order_id = self._known_order()
        placed = self._placed.get(order_id)
        market_id, user_id = self._random.choice(MARKETS), self._user()
        if placed and self._random.random() < 0.95:
            market_id, user_id = placed.market_id, placed.user_id
        return Command(
            kind,
            market_id=market_id,
            user_id=user_id,
            order_id=order_id,
            request_id=self._request_id(often=False),
            **fields,
        )

    def _cancel(self) -> Command:
        flags = self._random.choices(CANCEL_FLAGS, (8, 1, 1, 0.1))[0]
        command = self._of_order(CommandType.CANCEL, flags=flags)
        if self._random.random() < 0.3:
            command = command._replace(user_id=0, flags=flags | CommandFlag.OPERATOR)
        return command

    def _money(self) -> Command:
        rng = self._random
        kind = rng.choices(
            (CommandType.DEPOSIT, CommandType.WITHDRAW, CommandType.ADJUST), (6, 2, 1)
        )[0]
        asset_id = rng.randrange(1, 4)
        amount = rng.randrange(0, 10**7)
        if kind is CommandType.ADJUST:
            amount = rng.randrange(-(10**6), 10**6)
        elif rng.random() < 0.03:
            amount = rng.randrange(10**14, 10**15)
        return Command(
            kind,
            user_id=rng.choice((0, *USERS)),
            asset_id=asset_id,
            amount=amount,
            request_id=self._request_id(often=True),
            text=self._text(),
        )

    def _admin(self) -> Command:
        rng = self._random
        market_id, state = rng.randrange(1, 6), rng.choices(STATES, (30, 1, 1, 1, 1, 1, 6))[0]
        status = rng.choices(list(UserStatus), (14, 1))[0]
        return rng.choice(
            (
                Command(CommandType.CHECKPOINT),
                Command(CommandType.CHECKPOINT),
                Command(CommandType.SET_MARKET_STATE, market_id=market_id, quantity=state),
                Command(CommandType.SET_USER_STATUS, user_id=self._user(), quantity=status),
                Command(CommandType.ADD_USER, user_id=rng.randrange(0, 12)),
                Command(
                    CommandType.SET_MARKET_FEES,
                    market_id=market_id,
                    amount=rng.choice((0, 1, 1_000, 333_333, 1_000_000, 1_000_001, -1_000, -3)),
                    ceiling=rng.choice((0, 7, 2_000, 999_999, 10**12)),
                ),
                Command(
                    CommandType.SET_MARKET_FILTERS,
                    market_id=market_id,
                    price=rng.choice((0, 0, 0, 96)),
                    ceiling=rng.choice((0, 0, 0, 0, 105, 90)),
                    quantity=rng.choice((0, 0, 0, 2)),
                    order_id=rng.choice((0, 0, 50, INT64_MAX)),
                    amount=rng.choice((0, 0, 200)),
                ),
                _market(
                    rng.choice((5, 6)),
                    rng.choice((1, 3)),
                    rng.choice((1, 2, 9)),
                    rng.choice((0, 1, 10**8)),
                    1,
                    5,
                    5,
                    0,
                    rng.choice((b"UNITBTC", b"DUST", b"")),
                ),
                Command(
                    CommandType.ADD_ASSET,
                    asset_id=4,
                    quantity=rng.choice((17, 18, 19, -1)),
                    amount=rng.randrange(0, 3),
                    text=rng.choice((b"ETH", b"BTC", b"eth", b"")),
                ),
            )
        )
