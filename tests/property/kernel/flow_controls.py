"""Random commands that stop trading: mass cancels, kill switches, suspensions, delistings.

A switch that is put on is put off again some commands later, so that the stream goes on.
"""

from __future__ import annotations

import random

from engine.proto.records import Command, CommandFlag, CommandType, MarketState, UserStatus
from tests.property.kernel.care import USERS


def control_sequence(rng: random.Random, between: list[Command]) -> list[Command]:
    """A command that stops something, those in `between`, and one that lets it go on."""
    draw = rng.random()
    if draw < 0.55:
        return [_cancel_all(rng)]
    if draw < 0.8:
        user_id, market_id = rng.choice(((0, 0), (0, 1), (0, 2), (0, 9), (1, 0), (3, 0), (99, 0)))
        switch = Command(CommandType.SET_KILL_SWITCH, user_id=user_id, market_id=market_id)
        return [switch._replace(quantity=1), *between, switch._replace(quantity=0)]
    if draw < 0.97:
        suspend = Command(
            CommandType.SET_USER_STATUS,
            user_id=rng.choice(USERS),
            quantity=UserStatus.SUSPENDED,
            flags=rng.choice((0, CommandFlag.CANCEL_RESTING)),
        )
        return [suspend, *between, suspend._replace(quantity=UserStatus.ACTIVE, flags=0)]
    market_id = rng.choice((4, 4, 5, 6))
    delist = Command(
        CommandType.SET_MARKET_STATE, market_id=market_id, quantity=MarketState.DELISTED
    )
    return [delist, *between]


def _cancel_all(rng: random.Random) -> Command:
    is_operator = rng.random() < 0.3
    return Command(
        CommandType.CANCEL_ALL,
        market_id=rng.choice((0, 0, 1, 2, 3, 4, 9)),
        user_id=rng.choice((*USERS, 99)) if rng.random() < 0.9 else 0,
        quantity=rng.choice((0, 0, 1, 2, 2, 3)),
        flags=CommandFlag.OPERATOR if is_operator else 0,
        request_id=rng.choice((bytes(16), b"cancel-all" + rng.randbytes(1) + bytes(5))),
    )


def limits_command(rng: random.Random) -> Command:
    """Bounds of a market; most of them wide or none, so that orders still get in."""
    return Command(
        CommandType.SET_MARKET_LIMITS,
        market_id=rng.choice((1, 2, 3, 4, 9)),
        quantity=rng.choice((0, 0, 3)),
        order_id=rng.choice((0, 0, 40, 2)),
        amount=rng.choice((0, 0, 0, 300_000)),
        price=rng.choice((0, 0, 6, 15)),
        ceiling=rng.choice((0, 0, 1, 3)),
        spare=rng.choice((0, 0, 10**6, 10**8, -1)),
        side=rng.choice((0, 1, 2, 3, 4)),
    )
