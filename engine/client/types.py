"""What the engine answers, as immutable values. Units as in `engine.proto.records`."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from engine.client.errors import EngineRefused
from engine.proto.records import (
    EVENT_TYPE_OFFSET,
    RECORD_BYTES,
    EventBody,
    EventFlag,
    EventHeader,
    EventType,
    OrderAccepted,
    OrderChanged,
    OrderPrevented,
    Reason,
    Trade,
    decisive_event,
    unpack_event,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """A fill of the order that the command placed or moved, which was the taker."""

    trade_id: int
    price_ticks: int
    quantity_lots: int
    fee_atoms: int
    maker_order_id: int


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The durable result of one command.

    `replayed` tells that the same request had been executed before; everything else is then that
    first outcome's. `records` are its events, packed.
    """

    command_seq: int
    first_event_seq: int
    order_id: int
    reason: Reason
    replayed: bool
    records: bytes = field(repr=False)

    @property
    def is_accepted(self) -> bool:
        return self.reason is Reason.NONE

    def expect(self) -> Outcome:
        """Return itself, or raise EngineRefused."""
        if not self.is_accepted:
            raise EngineRefused(self)
        return self

    @cached_property
    def events(self) -> tuple[tuple[EventHeader, EventBody], ...]:
        return tuple(iterate_events(self.records))

    @cached_property
    def order_ids(self) -> tuple[int, ...]:
        """The orders that the command made: two of a quote, up to three of a list."""
        return tuple(body.order_id for _, body in self.events if isinstance(body, OrderAccepted))

    @cached_property
    def fills(self) -> tuple[Fill, ...]:
        """Not those of stop orders that the command's trades triggered."""
        own = {self.order_id, *self.order_ids}
        return tuple(
            Fill(
                trade_id=body.trade_id,
                price_ticks=body.price_ticks,
                quantity_lots=body.quantity_lots,
                fee_atoms=body.taker_fee_atoms,
                maker_order_id=body.maker_order_id,
            )
            for _, body in self.events
            if isinstance(body, Trade) and body.taker_order_id in own
        )

    @property
    def executed_lots(self) -> int:
        """Lots that the command itself traded."""
        return sum(fill.quantity_lots for fill in self.fills)

    @property
    def leaves_lots(self) -> int:
        """Lots of `order_id` that are open after the command, 0 if it has ended."""
        leaves = 0
        for header, body in self.events:
            if isinstance(body, Trade):
                if body.taker_order_id != self.order_id:
                    continue
                leaves -= body.quantity_lots
            elif isinstance(body, OrderAccepted | OrderChanged | OrderPrevented):
                if body.order_id != self.order_id:
                    continue
                leaves = body.quantity_lots if isinstance(body, OrderAccepted) else body.leaves_lots
            else:
                continue
            if header.flags & EventFlag.DONE:
                leaves = 0
        return leaves


# Event sequence, command sequence, type and reason; then the first words of the body: the order of
# an order's event is the first, that of a refusal or a replay the third, and a replay's first
# event the fourth.
_OPENING: Final = struct.Struct("<QQ8xBxH4xq8xqq")
_ORDER_EVENTS: Final = frozenset(
    (
        int(EventType.ORDER_CANCELED),
        int(EventType.ORDER_REDUCED),
        int(EventType.ORDER_MOVED),
        int(EventType.ORDER_AMENDED),
    )
)
_ACCEPTED: Final = int(EventType.ORDER_ACCEPTED)
_ALL_CANCELED: Final = int(EventType.CANCEL_ALL_DONE)


def iterate_events(records: bytes) -> Iterator[tuple[EventHeader, EventBody]]:
    """Header and body of each packed event."""
    for offset in range(0, len(records), RECORD_BYTES):
        yield unpack_event(records, offset)


def outcome_of(records: bytes) -> Outcome:
    """The outcome of a command, or of legs and the command that takes them, from their events."""
    # Read by hand: this runs for every order, and most callers never look at the events.
    event_seq, command_seq, kind, reason, word, order_id, first_event_seq = _OPENING.unpack_from(
        records
    )
    if kind != _ACCEPTED and len(records) > RECORD_BYTES:
        types = records[EVENT_TYPE_OFFSET::RECORD_BYTES]
        at = decisive_event(records)
        event_seq, command_seq, kind, reason, word, order_id, first_event_seq = (
            _OPENING.unpack_from(records, at * RECORD_BYTES)
        )
        accepted = types.find(_ACCEPTED, at)
        if accepted >= 0 and kind != EventType.REFUSED:
            kind, word = _ACCEPTED, _OPENING.unpack_from(records, accepted * RECORD_BYTES)[4]
        elif types[-1] == _ALL_CANCELED:
            kind = _ALL_CANCELED
    if kind == _ACCEPTED or kind in _ORDER_EVENTS:
        return Outcome(
            command_seq=command_seq,
            first_event_seq=event_seq,
            order_id=word,
            reason=Reason.NONE,
            replayed=False,
            records=records,
        )
    replayed = kind == EventType.REQUEST_REPLAYED
    turned_away = replayed or kind == EventType.REFUSED
    return Outcome(
        command_seq=command_seq,
        first_event_seq=first_event_seq if replayed else event_seq,
        order_id=max(order_id, 0) if turned_away else 0,
        reason=Reason(reason) if turned_away else Reason.NONE,
        replayed=replayed,
        records=records,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    epoch: int
    command_seq: int
    event_seq: int
    kernel: str
    open_orders: int
    users: int
    accounts: int
    time_us: int
    semantics: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    asset_id: int
    code: str
    decimals: int
    max_total_atoms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    market_id: int
    symbol: str
    base_asset_id: int
    quote_asset_id: int
    tick_atoms: int
    lot_atoms: int
    tick_lot_atoms: int
    maker_fee: int
    taker_fee: int
    fee_in_quote: bool
    fee_per_lot: bool
    state: int
    min_price_ticks: int
    max_price_ticks: int
    min_quantity_lots: int
    max_quantity_lots: int
    min_notional_atoms: int
    last_price_ticks: int
    last_trade_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    user_id: int
    asset_id: int
    available_atoms: int
    locked_atoms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Balances:
    """One consistent cut, taken at `event_seq`."""

    event_seq: int
    balances: tuple[Balance, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenOrder:
    order_id: int
    user_id: int
    market_id: int
    side: int
    order_type: int
    price_ticks: int
    quantity_lots: int
    leaves_lots: int
    reserved_atoms: int
    ceiling_ticks: int
    client_order_id: str
    shown_lots: int = 0
    wait: int = 0
    stop_price_ticks: int = 0
    delta_bips: int = 0
    expire_time_us: int = 0
    list_id: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenOrders:
    event_seq: int
    orders: tuple[OpenOrder, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Funds held for a withdrawal until they are settled or released by `request_id`."""

    request_id: bytes
    user_id: int
    asset_id: int
    amount_atoms: int
    reference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    price_ticks: int
    quantity_lots: int
    orders: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """Both sides, best first."""

    event_seq: int
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetTotals:
    asset_id: int
    held_atoms: int
    deposited_atoms: int
    withdrawn_atoms: int
    adjusted_atoms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    event_seq: int
    totals: tuple[AssetTotals, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StateHash:
    command_seq: int
    event_seq: int
    state_hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class EventBatch:
    """Consecutive events of one epoch, packed."""

    epoch: int
    first_event_seq: int
    last_event_seq: int
    events: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Greeting:
    """The engine's side of a greeting that it accepted."""

    epoch: int
    event_seq: int
