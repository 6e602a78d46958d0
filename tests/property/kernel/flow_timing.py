"""Random commands about time: GTD orders, ticks, dead-man switches and sessions.

Stamps in the property tests are a few milliseconds (see `flow.stamp`), so that switches of few
milliseconds fire between two batches.
"""

from __future__ import annotations

import random

from engine.proto.records import (
    Command,
    CommandFlag,
    CommandType,
    OrderType,
    SessionState,
    TimeInForce,
)

TIMING_SHARE = 0.06
_MS_US = 1_000


def timing_command(rng: random.Random, user_id: int) -> Command:
    """A command of timers and watches."""
    draw = rng.random()
    if draw < 0.35:
        return Command(CommandType.TICK)
    if draw < 0.6:
        timeout_ms = rng.choice((0, 1, 2, 3, 9, 86_400_000, 86_400_001, -1))
        return Command(CommandType.SET_DEADMAN, user_id=user_id, quantity=timeout_ms)
    state = rng.choice((SessionState.OPEN, SessionState.OPEN, SessionState.CLOSED, 3))
    grace_ms = rng.choice((0, 1, 2, -1, 86_400_001)) if state == SessionState.CLOSED else 0
    return Command(
        CommandType.SET_SESSION,
        user_id=user_id,
        order_id=rng.choice((1, 1, 2, 2, 3, 0)),
        quantity=state,
        amount=grace_ms,
    )


def with_life(rng: random.Random, command: Command) -> Command:
    """The same PLACE, sometimes good till a time or for a session."""
    if command.order_type == OrderType.LIMIT and rng.random() < 0.15:
        command = command._replace(
            time_in_force=TimeInForce.GTD, spare=rng.randrange(-1, 40) * _MS_US
        )
    if rng.random() < 0.1:
        command = command._replace(flags=command.flags | CommandFlag.IN_SESSION)
    return command
