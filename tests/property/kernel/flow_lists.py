"""Random order lists: OCO, OTO and OTOCO, most of them right, the others nearly so."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from engine.proto.records import Command, CommandFlag, CommandType, ListType, OrderType, Side
from engine.proto.records import TimeInForce as Tif


def list_sequence(
    rng: random.Random,
    sender: tuple[int, int],
    prices: tuple[int, int],
    next_order_id: Callable[[], int],
    request_id: bytes,
) -> list[Command]:
    """Legs of one user in one market and the PLACE_LIST that takes them."""
    market_id, user_id = sender
    side, lots = rng.choice(list(Side)), 1 + int(rng.random() ** 3 * 30)
    low, high = prices
    middle = (low + high) // 2

    def leg(kind: OrderType, side: Side, price: int, **more: Any) -> Command:
        return Command(
            CommandType.PLACE_LEG,
            side=side,
            order_type=kind,
            market_id=market_id,
            user_id=user_id,
            order_id=next_order_id(),
            price=price,
            quantity=lots,
            text=rng.choice((b"", b"", b"", b"leg:1", b"leg:2", b"leg:3")),
            flags=rng.choice((0, 0, 0, 0, 0, CommandFlag.IN_SESSION)),
            **more,
        )

    def pair(side: Side) -> list[Command]:
        near, far = rng.randrange(low, middle), rng.randrange(middle, high)
        limit, stop = (near, far) if side is Side.BID else (far, near)
        kind = rng.choice((OrderType.STOP_LOSS, OrderType.STOP_LOSS_LIMIT))
        more: dict[str, Any] = {"amount": stop, "asset_id": rng.choice((0, 0, 0, 300))}
        price = 0
        if kind is OrderType.STOP_LOSS_LIMIT:
            price, more["time_in_force"] = rng.randrange(low, high), rng.choice((1, 1, 2))
        return [leg(OrderType.LIMIT_MAKER, side, limit), leg(kind, side, price, **more)]

    kind = rng.choice(list(ListType))
    if kind is ListType.OCO:
        legs = pair(side)
    else:
        force = rng.choice((Tif.GTC, Tif.GTC, Tif.GTD))
        end = rng.randrange(1, 40) * 1_000 if force is Tif.GTD else 0
        price = rng.randrange(low, high)
        legs = [leg(OrderType.LIMIT, side, price, time_in_force=force, spare=end)]
        other = Side(1 - side) if rng.random() < 0.8 else side
        legs += pair(other) if kind is ListType.OTOCO else [_pending(rng, leg, other, prices)]
    draw = rng.random()
    if draw < 0.04:
        legs[-1] = legs[-1]._replace(quantity=lots + 1)
    elif draw < 0.08:
        legs[-1] = legs[-1]._replace(order_type=rng.choice((1, 2, 4, 7)))
    elif draw < 0.1:
        legs.pop()
    count = len(legs) if rng.random() < 0.97 else 1
    end_of_list = Command(
        CommandType.PLACE_LIST,
        order_type=kind if rng.random() < 0.97 else rng.randrange(5),
        market_id=market_id,
        user_id=user_id,
        quantity=count,
        request_id=request_id,
        text=b"list",
    )
    return [*legs, end_of_list]


def _pending(
    rng: random.Random, leg: Callable[..., Command], side: Side, prices: tuple[int, int]
) -> Command:
    price = rng.randrange(*prices)
    draw = rng.random()
    if draw < 0.2:
        return leg(OrderType.MARKET, side, 0)
    if draw < 0.4:
        return leg(OrderType.LIMIT_MAKER, side, price)
    if draw < 0.6:
        return leg(OrderType.STOP_LOSS, side, 0, amount=price)
    if draw < 0.7:
        return leg(OrderType.TAKE_PROFIT_LIMIT, side, price, amount=price, time_in_force=Tif.GTC)
    return leg(OrderType.LIMIT, side, price, time_in_force=rng.choice((Tif.GTC, Tif.IOC, Tif.FOK)))
