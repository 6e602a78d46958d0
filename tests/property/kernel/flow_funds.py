"""Random commands about funds: transfers of several legs, and holds with their ends.

Most transfers balance and can be paid; the others miss a leg, name too many, are interrupted, or
move what is not there. Holds end once, twice, the other way, as somebody else's, or not at all.
"""

from __future__ import annotations

import random

from engine.proto.records import Command, CommandType
from tests.property.kernel.care import USERS


def transfer_sequence(rng: random.Random, request_id: bytes) -> list[Command]:
    """Legs and the TRANSFER that takes them, or something that is nearly that."""
    pairs = rng.choice((1, 1, 1, 2, 3, 4))
    legs: list[Command] = []
    for _ in range(pairs):
        asset_id, amount = rng.choice((1, 2, 3)), 1 + int(rng.random() ** 4 * 10**7)
        legs += [
            _leg(request_id, rng.choice((0, *USERS)), asset_id, -amount),
            _leg(request_id, rng.choice((0, *USERS)), asset_id, amount),
        ]
    draw = rng.random()
    if draw < 0.06:
        legs[-1] = legs[-1]._replace(amount=legs[-1].amount + rng.choice((-1, 1)))
    elif draw < 0.10:
        legs[0] = legs[0]._replace(request_id=bytes(15) + b"x")
    elif draw < 0.13:
        legs[-1] = legs[-1]._replace(asset_id=9)
    elif draw < 0.16:
        legs[-1] = legs[-1]._replace(user_id=99)
    elif draw < 0.19:
        legs += legs * 2
    elif draw < 0.22:
        legs.insert(rng.randrange(len(legs)), Command(CommandType.CHECKPOINT))
    count = len(legs) if rng.random() < 0.95 else rng.randrange(-1, 10)
    return [*legs, Command(CommandType.TRANSFER, quantity=count, request_id=request_id)]


def _leg(request_id: bytes, user_id: int, asset_id: int, amount: int) -> Command:
    return Command(
        CommandType.TRANSFER_LEG,
        user_id=user_id,
        asset_id=asset_id,
        amount=amount,
        request_id=request_id,
        text=b"leg",
    )


def hold_sequence(rng: random.Random, holds: list[Command], request_id: bytes) -> list[Command]:
    """A new hold, or something about one of the last few."""
    if not holds or rng.random() < 0.5:
        hold = Command(
            CommandType.HOLD,
            user_id=rng.choice((0, *USERS)),
            asset_id=rng.choice((1, 2, 3, 3, 9)),
            amount=rng.choice((0, -1, 1, 50, 10**4, 10**6, 10**7)),
            request_id=request_id,
            text=b"to-the-bank",
        )
        holds.append(hold)
        return [hold]
    hold = rng.choice(holds[-12:])
    draw = rng.random()
    if draw < 0.1:
        return [hold]
    kind = rng.choice((CommandType.SETTLE_HOLD, CommandType.RELEASE_HOLD))
    user_id = hold.user_id if draw < 0.95 else rng.choice((0, *USERS, 99))
    return [Command(kind, user_id=user_id, request_id=hold.request_id)]


def user_fees_command(rng: random.Random) -> Command:
    """A user's own fees, in half of the cases with a rebate that may be too much."""
    is_set = rng.choice((0, 1, 1, 1, 1, 2))
    return Command(
        CommandType.SET_USER_FEES,
        user_id=rng.choice((*USERS, 99)),
        market_id=rng.choice((0, 1, 2, 2, 3, 3, 4, 9)),
        quantity=is_set,
        amount=rng.choice((0, 5, 900, -1, -400, -1_000, -2_000, 1_000_001)) if is_set else 0,
        ceiling=rng.choice((1, 9, 500, 2_000, 1_000_000, -1)) if is_set else 0,
    )
