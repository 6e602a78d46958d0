"""The life of one order, read from the events as archived.

Invariant: what is told is in the records themselves; what was reserved and released is the
difference between two of them. Every read goes by a sequence number or by the index over changes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from django.db import connection

from apps.core.amounts import atoms_decimal
from apps.markets.catalogue import Catalogue
from apps.markets.types import AssetTerms, MarketTerms
from engine.proto.records import (
    EventBody,
    EventFlag,
    EventHeader,
    EventType,
    OrderAccepted,
    OrderChanged,
    OrderPrevented,
    Reason,
    Trade,
    unpack_event,
)

CHANGES_MAX: Final = 200  # the newest changes that are told
CHANGES: Final = (
    EventType.ORDER_REDUCED,
    EventType.ORDER_MOVED,
    EventType.ORDER_TRIGGERED,
    EventType.ORDER_AMENDED,
    EventType.ORDER_PREVENTED,
)
_BY_SEQUENCE: Final = "SELECT record FROM mirror_engineevent WHERE event_seq = ANY(%s)"
# The types as literals, so that the partial index over them is used.
_CHANGES: Final = f"""
SELECT record FROM mirror_engineevent
 WHERE substring(record FROM 33 FOR 8) = %s
   AND type IN ({", ".join(f"{kind:d}" for kind in CHANGES)})
 ORDER BY event_seq DESC LIMIT {CHANGES_MAX:d}
"""  # noqa: S608 - constants only


@dataclass(frozen=True, slots=True, kw_only=True)
class LifeStep:
    """One event of an order, from the order's side.

    `held` is what it reserves after this event, `held_change` the difference to before; both in
    `held_asset`. `quantity` of a change is what it took off; below zero the order grew. In a trade
    `counterpart` is (order id, user id) of the other side, and `fee` is this order's, in
    `fee_asset`. `leaves` is None where the event does not state it.
    """

    event_seq: int
    time_us: int
    kind: EventType
    price: Decimal
    quantity: Decimal
    held: Decimal
    held_change: Decimal
    held_asset: AssetTerms
    base: AssetTerms
    quote: AssetTerms
    reason: Reason
    leaves: Decimal | None = None
    is_last: bool = False
    is_taker: bool = False
    by_operator: bool = False
    is_parked: bool = False
    counterpart: tuple[int, int] | None = None
    trade_id: int | None = None
    fee: Decimal | None = None
    fee_asset: AssetTerms | None = None


def order_life(
    order_id: int, *, is_bid: bool, event_seqs: Sequence[int], catalogue: Catalogue
) -> list[LifeStep]:
    """Return what happened to an order, oldest first. Two queries.

    `event_seqs` are the events that are known by sequence: acceptance, trades, end.
    """
    with connection.cursor() as cursor:
        cursor.execute(_BY_SEQUENCE, [list(event_seqs)])
        records = [bytes(row[0]) for row in cursor.fetchall()]
        cursor.execute(_CHANGES, [order_id.to_bytes(8, "little")])
        records += [bytes(row[0]) for row in cursor.fetchall()]
    events = {header.event_seq: (header, body) for header, body in map(unpack_event, records)}
    ordered = [events[seq] for seq in sorted(events)]
    return list(_steps(order_id, is_bid, ordered, catalogue))


def _steps(
    order_id: int,
    is_bid: bool,
    events: Sequence[tuple[EventHeader, EventBody]],
    catalogue: Catalogue,
) -> Iterator[LifeStep]:
    held = 0
    for header, body in events:
        market = catalogue.markets[header.market_id]
        before, held = held, _held_atoms(order_id, body)
        yield _step(order_id, is_bid, header, body, market, held, held - before)


def _held_atoms(order_id: int, body: EventBody) -> int:
    if isinstance(body, Trade):
        is_maker = body.maker_order_id == order_id
        return body.maker_reserved_atoms if is_maker else body.taker_reserved_atoms
    assert isinstance(body, OrderAccepted | OrderChanged | OrderPrevented), f"{body} is of no order"
    return body.reserved_atoms


def _step(
    order_id: int,
    is_bid: bool,
    header: EventHeader,
    body: EventBody,
    market: MarketTerms,
    held_atoms: int,
    change_atoms: int,
) -> LifeStep:
    held_asset = market.held_asset(is_bid=is_bid)
    assert isinstance(body, OrderAccepted | OrderChanged | OrderPrevented | Trade)
    base, quote = market.base, market.quote
    common = LifeStep(
        event_seq=header.event_seq,
        time_us=header.time_us,
        kind=EventType(header.type),
        price=atoms_decimal(body.price_ticks * market.tick_atoms, quote.decimals),
        quantity=_lots(_quantity_lots(body), market),
        held=atoms_decimal(held_atoms, held_asset.decimals),
        held_change=atoms_decimal(change_atoms, held_asset.decimals),
        held_asset=held_asset,
        base=base,
        quote=quote,
        reason=Reason(header.reason),
    )
    if isinstance(body, Trade):
        return _traded(common, order_id, is_bid, header, body, market)
    common = replace(common, is_parked=bool(header.flags & EventFlag.PARKED))
    if isinstance(body, OrderChanged | OrderPrevented):
        return replace(
            common,
            leaves=_lots(body.leaves_lots, market),
            is_last=bool(header.flags & EventFlag.DONE),
            by_operator=bool(header.flags & EventFlag.OPERATOR),
        )
    return common


def _traded(
    step: LifeStep,
    order_id: int,
    is_bid: bool,
    header: EventHeader,
    body: Trade,
    market: MarketTerms,
) -> LifeStep:
    is_taker = body.taker_order_id == order_id
    fee_asset = market.fee_asset(is_bid=is_bid)
    fee_atoms = body.taker_fee_atoms if is_taker else body.maker_fee_atoms
    done = EventFlag.DONE if is_taker else EventFlag.MAKER_DONE
    maker, taker = (
        (body.maker_order_id, body.maker_user_id),
        (body.taker_order_id, body.taker_user_id),
    )
    return replace(
        step,
        is_taker=is_taker,
        is_last=bool(header.flags & done),
        counterpart=maker if is_taker else taker,
        trade_id=body.trade_id,
        fee=atoms_decimal(fee_atoms, fee_asset.decimals),
        fee_asset=fee_asset,
    )


def _quantity_lots(body: OrderAccepted | OrderChanged | OrderPrevented | Trade) -> int:
    if isinstance(body, OrderChanged | OrderPrevented):
        return body.removed_lots
    return body.quantity_lots


def _lots(lots: int, market: MarketTerms) -> Decimal:
    return atoms_decimal(lots * market.lot_atoms, market.base.decimals)
