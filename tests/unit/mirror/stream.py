"""Events that follow a script's, packed one by one, for what only the bytes have to say."""

from __future__ import annotations

from engine.proto.records import (
    RECORD_BYTES,
    EventBody,
    EventHeader,
    EventType,
    OrderAccepted,
    OrderType,
    TimeInForce,
    pack_event,
)
from tests.engine_events import BTCUSDT, START_US, EngineScript

AT_US = START_US + 1_000_000_000


class Tail:
    """The events of a script, and more after them, each of a command of its own."""

    def __init__(self, script: EngineScript) -> None:
        self.events = script.events
        self._seq = len(self.events) // RECORD_BYTES

    def add(
        self,
        kind: EventType,
        body: EventBody,
        *,
        flags: int = 0,
        reason: int = 0,
        market_id: int = BTCUSDT,
    ) -> int:
        """Append an event and return its sequence."""
        self._seq += 1
        header = EventHeader(self._seq, self._seq, AT_US, kind, flags, reason, market_id)
        self.events += pack_event(header, body)
        return self._seq

    def accept(
        self,
        order_id: int,
        *,
        user_id: int = 1,
        price: int = 100,
        quantity: int = 10,
        reserved: int = 100_000,
        order_type: OrderType = OrderType.LIMIT,
        tif: TimeInForce = TimeInForce.GTC,
        flags: int = 0,
    ) -> int:
        """Append an ORDER_ACCEPTED; an ask of ten lots reserves 100,000 atoms of BTC."""
        terms = int(order_type) | int(tif) << 8
        body = OrderAccepted(order_id, user_id, price, quantity, 0, reserved, terms, b"")
        return self.add(EventType.ORDER_ACCEPTED, body, flags=flags)
