"""What the random streams say about how orders meet: self-trade prevention, trade groups.

`with_care` gives a PLACE of the flow more terms, `care_command` is a command of its own; both draw
from the flow's generator, so that these features meet all the others.
"""

from __future__ import annotations

import random
from typing import Final

from engine.proto.records import Command, CommandType, StpMode

USERS: Final = tuple(range(1, 8))
_GROUPS: Final = (0, 0, 1, 1, 2, 2**40, -1)


def with_care(rng: random.Random, placed: Command) -> Command:
    """The same order, often with a mode of self-trade prevention."""
    stp = rng.choices((*StpMode, 5), (60, 10, 10, 10, 20, 0.3))[0]
    return placed._replace(stp=stp)


def care_command(rng: random.Random) -> Command:
    return Command(
        CommandType.SET_TRADE_GROUP, user_id=rng.choice((*USERS, 77)), quantity=rng.choice(_GROUPS)
    )
