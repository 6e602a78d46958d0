"""What the random streams say about how orders meet: self-trade prevention, trade groups.

`with_care` gives a PLACE of the flow more terms, `care_command` is a command of its own; both draw
from the flow's generator, so that these features meet all the others.
"""

from __future__ import annotations

import random
from typing import Final

from engine.proto.records import Command, CommandFlag, CommandType, OrderType, StpMode, TimeInForce

ONLY: Final = (CommandFlag.ONLY_NEW, CommandFlag.ONLY_PARTIALLY_FILLED)
USERS: Final = tuple(range(1, 8))
CANCEL_FLAGS: Final = (0, *ONLY, ONLY[0] | ONLY[1])
REPLACE_FLAGS: Final = (0, 0, CommandFlag.ALLOW_FAILURE, *ONLY)
_GROUPS: Final = (0, 0, 1, 1, 2, 2**40, -1)


def with_care(rng: random.Random, placed: Command) -> Command:
    """The same order, often with a mode of self-trade prevention, or by amount."""
    stp = rng.choices((*StpMode, 5), (60, 10, 10, 10, 20, 0.3))[0]
    if placed.order_type == OrderType.MARKET and rng.random() < 0.6:
        amount = rng.choice((1, -1, 99, 10_000, 25_037, 200_000, 10**7, 10**15))
        placed = placed._replace(quantity=int(rng.random() < 0.02), amount=amount)
    is_resting = placed.time_in_force in (TimeInForce.GTC, TimeInForce.GTD)
    is_resting = is_resting or placed.order_type == OrderType.LIMIT_MAKER
    if rng.random() < (0.2 if is_resting else 0.01):
        shown = rng.choice((placed.quantity, placed.quantity + 1, 0, *range(1, 12), *range(1, 12)))
        placed = placed._replace(flags=placed.flags | CommandFlag.ICEBERG, ceiling=shown)
        if rng.random() < 0.05:
            placed = placed._replace(quantity=placed.quantity * 20)
    return placed._replace(stp=stp)


def amended_terms(rng: random.Random, price: int) -> dict[str, int]:
    """Price and quantity of an AMEND: often one of them only, often smaller."""
    return {
        "price": rng.choice((0, 0, price, price, -1 if rng.random() < 0.05 else 0)),
        "quantity": rng.choice((0, 1 + int(rng.random() ** 2 * 80))),
    }


def quote_command(rng: random.Random, order_id: int, bid: int, ask: int) -> Command:
    """A QUOTE around a price, now and then of one side, of none, or of one that crosses itself."""
    bid, ask = min(bid, ask) - 2, max(bid, ask) + 2
    lots = [1 + rng.randrange(20), 1 + rng.randrange(20)]
    draw = rng.random()
    if draw < 0.15:
        bid = lots[0] = 0
    if 0.1 < draw < 0.25:
        ask = lots[1] = 0
    if draw > 0.97:
        ask = rng.choice((-1, 0, bid))
    return Command(
        CommandType.QUOTE,
        market_id=rng.choice((1, 2, 3, 4)),
        user_id=rng.choice(USERS),
        order_id=order_id,
        price=bid,
        quantity=lots[0],
        ceiling=ask,
        amount=lots[1],
        stp=rng.choice((*StpMode, 0, 0, 0)),
    )


def bands_command(rng: random.Random) -> Command:
    """SET_MARKET_BANDS: now and then none, a wrong one, or one so narrow that it stops all."""
    shares = (0, 0, 900_000, 970_000, 1_000_000, 1_030_000, 1_100_000, 2**32 - 1)
    bid, ask = (sorted(rng.choices(shares, k=2)) for _ in range(2))
    if rng.random() < 0.1:
        bid.reverse()
    return Command(
        CommandType.SET_MARKET_BANDS,
        market_id=rng.randrange(1, 6),
        price=rng.choice((0, 0, 0, 100, 98, 2**62, -1)),
        quantity=rng.choice((0, bid[0] | bid[1] << 32)) & (2**63 - 1),
        amount=rng.choice((0, ask[0] | ask[1] << 32)) & (2**63 - 1),
        ceiling=rng.choice((0, 0, 10_000, 30_000, 999_999, 1_000_000)),
        order_id=rng.choice((0, 0, 5_000, 20_000, 40_000, 999_999, -5)),
        spare=rng.choice((0, 1, 2, 5, 10**6, 86_400_000_001)),
    )


def care_command(rng: random.Random, *, with_bands: bool) -> Command:
    if with_bands and rng.random() < 0.5:
        return bands_command(rng)
    return Command(
        CommandType.SET_TRADE_GROUP, user_id=rng.choice((*USERS, 77)), quantity=rng.choice(_GROUPS)
    )
