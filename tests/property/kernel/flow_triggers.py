"""Random stop orders: of all four types, trailing or not, with and without a stop price."""

from __future__ import annotations

import random
from typing import Final

from engine.proto.records import Command, OrderType, TimeInForce

STOP_SHARE: Final = 0.18
_STOPS: Final = (
    OrderType.STOP_LOSS,
    OrderType.STOP_LOSS_LIMIT,
    OrderType.TAKE_PROFIT,
    OrderType.TAKE_PROFIT_LIMIT,
)
_WITH_LIMIT: Final = (OrderType.STOP_LOSS_LIMIT, OrderType.TAKE_PROFIT_LIMIT)


def with_stop(rng: random.Random, command: Command, stop_price: int) -> Command:
    """The same PLACE of a LIMIT order, sometimes to be parked until a stop price near it."""
    if command.order_type != OrderType.LIMIT or rng.random() > STOP_SHARE:
        return command
    order_type = rng.choice(_STOPS)
    command = command._replace(
        order_type=order_type,
        ceiling=0 if rng.random() < 0.99 else command.ceiling,
        amount=stop_price if rng.random() < 0.97 else rng.choice((0, -1, 2**62)),
    )
    if rng.random() < 0.35:
        delta = rng.choice((1, 50, 100, 200, 400, 400, 800, 5_000, 9_999, 10_000))
        command = command._replace(
            asset_id=delta, amount=command.amount if rng.random() < 0.6 else 0
        )
    if order_type not in _WITH_LIMIT:
        command = command._replace(price=0, time_in_force=TimeInForce.NONE, spare=0)
    return command
