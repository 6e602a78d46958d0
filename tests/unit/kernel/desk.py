"""A desk at a kernel: sends one command at a time and reads what it caused.

Each command carries the next time stamp; deposits get a business id of their own unless one is
given. The exchange that most scenarios use is made by `open_market`.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from engine.kernel.interface import BalanceView, Kernel
from engine.proto.records import (
    INT64_MAX,
    RECORD_BYTES,
    Command,
    CommandFlag,
    CommandType,
    EventBody,
    EventHeader,
    EventType,
    MarketState,
    OrderType,
    Reason,
    SessionState,
    Side,
    TimeInForce,
    UserStatus,
    pack_command,
    unpack_event,
)

BTC: Final = 1
USD: Final = 2
MARKET: Final = 1
ALICE: Final = 11
BOB: Final = 12
CAROL: Final = 13
ASK: Final = Side.ASK
BID: Final = Side.BID
LOT: Final = 10**4  # base atoms
UNIT: Final = 10**2  # quote atoms of one tick for one lot


class Event(NamedTuple):
    header: EventHeader
    body: EventBody

    @property
    def type(self) -> EventType:
        return EventType(self.header.type)

    @property
    def reason(self) -> Reason:
        return Reason(self.header.reason)

    @property
    def order_id(self) -> int:
        """Of a body that has one."""
        return int(getattr(self.body, "order_id"))  # noqa: B009 - not every body has one


class Desk:
    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self._last_id = 0

    def apply(self, *commands: Command) -> list[Event]:
        """Apply commands as one batch and return their events."""
        packed = b"".join(map(pack_command, commands))
        return read_events(self.kernel.apply(packed, self.kernel.time_us + 1))

    def apply_at(self, time_us: int, *commands: Command) -> list[Event]:
        """The same at a stated time."""
        return read_events(self.kernel.apply(b"".join(map(pack_command, commands)), time_us))

    def next_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def refusal(self, command: Command) -> Reason:
        """Apply a command that must be refused; nothing but its one event may change."""
        before = (self.kernel.open_order_count, list(self.kernel.all_balances()))
        (event,) = self.apply(command)
        assert event.type is EventType.REFUSED, event
        assert (self.kernel.open_order_count, list(self.kernel.all_balances())) == before
        return event.reason

    def open_market(
        self,
        *,
        maker: int = 0,
        taker: int = 0,
        flags: int = 0,
        tick: int = 10**6,
        lot: int = LOT,
        users: tuple[int, ...] = (ALICE, BOB),
    ) -> None:
        """BTC (8 decimals) against USD; one tick for one lot is UNIT atoms. Users have nothing."""
        events = self.apply(
            Command(CommandType.ADD_ASSET, asset_id=BTC, quantity=8, amount=INT64_MAX, text=b"BTC"),
            Command(CommandType.ADD_ASSET, asset_id=USD, quantity=6, amount=INT64_MAX, text=b"USD"),
            market(maker=maker, taker=taker, flags=flags, tick=tick, lot=lot),
            *(Command(CommandType.ADD_USER, user_id=user) for user in users),
        )
        assert EventType.REFUSED not in {event.type for event in events}

    def fund(self, user_id: int, asset_id: int, amount: int) -> None:
        (event,) = self.apply(self.deposit(user_id, asset_id, amount))
        assert event.type is EventType.FUNDS_DEPOSITED, event

    def deposit(self, user_id: int, asset_id: int, amount: int) -> Command:
        return money(
            CommandType.DEPOSIT, user_id, asset_id, amount, request(10**6 + self.next_id())
        )

    def place(self, side: Side, user_id: int, price: int, lots: int, **more: Any) -> Command:
        """A LIMIT GTC order with the next order id unless `more` says otherwise."""
        fields = {
            "order_type": OrderType.LIMIT,
            "time_in_force": TimeInForce.GTC,
            "order_id": self.next_id(),
            **more,
        }
        return Command(
            CommandType.PLACE,
            side=side,
            market_id=MARKET,
            user_id=user_id,
            price=price,
            quantity=lots,
            **fields,
        )

    def rest(self, side: Side, user_id: int, price: int, lots: int, **more: Any) -> int:
        """Place an order that rests untouched, and return its id."""
        command = self.place(side, user_id, price, lots, **more)
        (event,) = self.apply(command)
        assert event.type is EventType.ORDER_ACCEPTED, event
        return command.order_id

    def market_order(self, side: Side, user_id: int, lots: int, **more: Any) -> Command:
        kind = {"order_type": OrderType.MARKET, "time_in_force": TimeInForce.NONE}
        return self.place(side, user_id, 0, lots, **kind, **more)

    def post_only(self, side: Side, user_id: int, price: int, lots: int, **more: Any) -> Command:
        kind = {"order_type": OrderType.LIMIT_MAKER, "time_in_force": TimeInForce.NONE}
        return self.place(side, user_id, price, lots, **kind, **more)

    def budget_order(self, side: Side, user_id: int, lots: int, budget: int) -> Command:
        kind = {"order_type": OrderType.FOK_BUDGET, "time_in_force": TimeInForce.NONE}
        return self.place(side, user_id, 0, lots, amount=budget, **kind)

    def balance(self, user_id: int, asset_id: int) -> tuple[int, int]:
        """(available, locked), zeros where there is no account."""
        for view in self.kernel.balances(user_id):
            if view.asset_id == asset_id:
                return view.available_atoms, view.locked_atoms
        return 0, 0

    def balances(self) -> list[BalanceView]:
        return list(self.kernel.all_balances())

    def queue(self, side: Side) -> list[int]:
        """Order ids of one side in priority order."""
        return [
            view.order_id for view in self.kernel.open_orders(market_id=MARKET) if view.side == side
        ]


def read_events(packed: bytes) -> list[Event]:
    return [Event(*unpack_event(packed, offset)) for offset in range(0, len(packed), RECORD_BYTES)]


def kinds(events: list[Event]) -> list[str]:
    return [event.type.name for event in events]


def request(number: int) -> bytes:
    return number.to_bytes(16, "little")


def money(
    kind: CommandType, user_id: int, asset_id: int, amount: int, request_id: bytes
) -> Command:
    return Command(kind, user_id=user_id, asset_id=asset_id, amount=amount, request_id=request_id)


def market(**changes: int) -> Command:
    """ADD_MARKET of BTC against USD."""
    return Command(
        CommandType.ADD_MARKET,
        market_id=changes.get("market_id", MARKET),
        asset_id=changes.get("base", BTC),
        order_id=changes.get("quote", USD),
        price=changes.get("tick", 10**6),
        quantity=changes.get("lot", LOT),
        amount=changes.get("maker", 0),
        ceiling=changes.get("taker", 0),
        flags=changes.get("flags", 0),
        text=b"BTCUSD",
    )


def cancel(user_id: int, order_id: int, **more: Any) -> Command:
    return Command(CommandType.CANCEL, market_id=MARKET, user_id=user_id, order_id=order_id, **more)


def force_cancel(order_id: int) -> Command:
    return cancel(0, order_id, flags=CommandFlag.OPERATOR)


def reduce(user_id: int, order_id: int, lots: int, **more: Any) -> Command:
    return Command(
        CommandType.REDUCE,
        market_id=MARKET,
        user_id=user_id,
        order_id=order_id,
        quantity=lots,
        **more,
    )


def move(user_id: int, order_id: int, price: int, **more: Any) -> Command:
    return Command(
        CommandType.MOVE,
        market_id=MARKET,
        user_id=user_id,
        order_id=order_id,
        price=price,
        **more,
    )


def tick() -> Command:
    return Command(CommandType.TICK)


def set_deadman(user_id: int, timeout_ms: int) -> Command:
    return Command(CommandType.SET_DEADMAN, user_id=user_id, quantity=timeout_ms)


def set_session(user_id: int, session_id: int, state: SessionState, grace_ms: int = 0) -> Command:
    return Command(
        CommandType.SET_SESSION,
        user_id=user_id,
        order_id=session_id,
        quantity=state,
        amount=grace_ms,
    )


def set_state(state: MarketState) -> Command:
    return Command(CommandType.SET_MARKET_STATE, market_id=MARKET, quantity=state)


def set_status(user_id: int, status: UserStatus) -> Command:
    return Command(CommandType.SET_USER_STATUS, user_id=user_id, quantity=status)


def filters(**bounds: int) -> Command:
    return Command(
        CommandType.SET_MARKET_FILTERS,
        market_id=MARKET,
        price=bounds.get("price_min", 0),
        ceiling=bounds.get("price_max", 0),
        quantity=bounds.get("lots_min", 0),
        order_id=bounds.get("lots_max", 0),
        amount=bounds.get("notional_min", 0),
    )
