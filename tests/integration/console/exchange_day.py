"""A short trading day, made by the reference kernel and written into the books by the mirror.

Two markets, three accounts, fees, every kind of order and of outcome that the console shows. The
events are the kernel's own and the rows are what the mirror makes of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from apps.mirror.books import Books, EventRun
from engine.kernel.reference.kernel import ReferenceKernel
from engine.proto.records import (
    Command,
    CommandType,
    MarketState,
    OrderType,
    Side,
    TimeInForce,
    UserStatus,
    pack_command,
)

BTC, ETH, USDT = 1, 2, 3
BTC_USDT, ETH_USDT = 1, 2
ALICE, BOB, CAROL = 1001, 1002, 1003
COMMAND_STEP_US = 137_000
ATOMS = 10**8
EPOCH = 1


@dataclass
class ExchangeDay:
    """The kernel, the events it gave, and the next command's numbers."""

    time_us: int
    kernel: ReferenceKernel = field(default_factory=ReferenceKernel)
    events: bytearray = field(default_factory=bytearray)
    requests: int = 0

    def submit(self, *commands: Command) -> None:
        """Apply commands one after the other, some time apart."""
        for command in commands:
            self.time_us += COMMAND_STEP_US
            self.events += self.kernel.apply(pack_command(command), self.time_us)

    def place(
        self,
        user_id: int,
        side: Side,
        price: int,
        quantity: int,
        *,
        market_id: int = BTC_USDT,
        order_type: OrderType = OrderType.LIMIT,
        time_in_force: TimeInForce = TimeInForce.GTC,
        client_order_id: bytes = b"",
    ) -> int:
        """Place an order and return its id."""
        order_id = self.kernel.last_order_id + 1
        self.submit(
            Command(
                CommandType.PLACE,
                side=side,
                order_type=order_type,
                time_in_force=time_in_force,
                market_id=market_id,
                user_id=user_id,
                order_id=order_id,
                price=price,
                quantity=quantity,
                text=client_order_id,
            )
        )
        return order_id

    def request_id(self) -> bytes:
        """Return a business id that was not used before."""
        self.requests += 1
        return self.requests.to_bytes(16, "big")

    def deposit(self, user_id: int, asset_id: int, whole: int) -> None:
        """Credit whole units of an asset of eight decimals."""
        self.submit(
            Command(
                CommandType.DEPOSIT,
                user_id=user_id,
                asset_id=asset_id,
                amount=whole * ATOMS,
                request_id=self.request_id(),
                text=b"opening-deposit",
            )
        )


def exchange_day(start_us: int, rounds: int = 30) -> ExchangeDay:
    """Return the day's events; `rounds` orders rest on each side and as many trade."""
    day = ExchangeDay(start_us)
    _open(day)
    for step in range(rounds):
        day.place(
            ALICE, Side.ASK, 6_010_000 + 25 * step, 4_000 + step, client_order_id=b"a-%d" % step
        )
        day.place(BOB, Side.BID, 5_990_000 - 25 * step, 3_000 + step)
        day.place(CAROL, Side.BID, 6_010_000 + 25 * step, 1_500)
        day.place(BOB, Side.ASK, 310_000 + step, 700, market_id=ETH_USDT)
        day.place(
            CAROL,
            Side.BID,
            0,
            200,
            market_id=ETH_USDT,
            order_type=OrderType.MARKET,
            time_in_force=TimeInForce.NONE,
        )
    _end(day)
    return day


def _open(day: ExchangeDay) -> None:
    for asset_id, code in ((BTC, b"BTC"), (ETH, b"ETH"), (USDT, b"USDT")):
        day.submit(
            Command(CommandType.ADD_ASSET, asset_id=asset_id, quantity=8, amount=2**62, text=code)
        )
    for market_id, base, symbol in ((BTC_USDT, BTC, b"BTCUSDT"), (ETH_USDT, ETH, b"ETHUSDT")):
        day.submit(
            Command(
                CommandType.ADD_MARKET,
                market_id=market_id,
                asset_id=base,
                order_id=USDT,
                price=ATOMS // 100,
                quantity=ATOMS // 10_000,
                amount=1_000,
                ceiling=1_500,
                text=symbol,
            ),
            Command(CommandType.SET_MARKET_FILTERS, market_id=market_id, amount=5 * ATOMS),
        )
    for user_id in (ALICE, BOB, CAROL):
        day.submit(Command(CommandType.ADD_USER, user_id=user_id))
        day.deposit(user_id, USDT, 2_500_000)
        day.deposit(user_id, BTC, 40)
        day.deposit(user_id, ETH, 500)
    day.submit(Command(CommandType.CHECKPOINT))


def _end(day: ExchangeDay) -> None:
    resting = day.place(ALICE, Side.BID, 5_900_000, 1_000, client_order_id=b"to-be-changed")
    common: dict[str, Any] = {"market_id": BTC_USDT, "order_id": resting}
    day.submit(
        Command(CommandType.REDUCE, user_id=ALICE, quantity=250, **common),
        Command(CommandType.MOVE, user_id=ALICE, price=5_905_000, **common),
        Command(CommandType.CANCEL, user_id=ALICE, **common),
    )
    forced = day.place(BOB, Side.BID, 5_800_000, 500)
    day.submit(Command(CommandType.CANCEL, market_id=BTC_USDT, order_id=forced, flags=4))
    day.place(CAROL, Side.ASK, 7_000_000, 10**9)  # more than she has
    day.place(CAROL, Side.BID, 5_000_000, 100, time_in_force=TimeInForce.IOC)
    day.submit(
        Command(
            CommandType.WITHDRAW,
            user_id=ALICE,
            asset_id=USDT,
            amount=1_234_56789012,
            request_id=day.request_id(),
            text=b"bank-transfer-17",
        ),
        Command(
            CommandType.ADJUST,
            user_id=BOB,
            asset_id=ETH,
            amount=-5,
            request_id=day.request_id(),
            text=b"dust-correction",
        ),
        Command(CommandType.SET_MARKET_STATE, market_id=ETH_USDT, quantity=MarketState.HALT),
        Command(CommandType.SET_USER_STATUS, user_id=CAROL, quantity=UserStatus.SUSPENDED),
        Command(CommandType.CHECKPOINT),
    )


def write_books(mirror_url: str, day: ExchangeDay) -> None:
    """Let the mirror store the day's events."""
    books = Books(mirror_url)
    books.open()
    try:
        books.apply(EventRun(EPOCH, 1, bytes(day.events)))
    finally:
        books.close()
