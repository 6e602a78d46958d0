"""What every gRPC handler shares: answering a call that never became a command.

Such an answer carries a mark in its trailing metadata. A client that finds the mark knows for
certain that nothing was executed and may try again; without it (a lost connection) it does not.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any, Final, NoReturn

from grpc import aio

from engine.proto import engine_pb2 as pb
from engine.proto.records import Command
from engine.service import metrics
from engine.service.commands import command_result, together
from engine.service.core import Sequencer
from engine.service.errors import CallRefusedError

NOT_EXECUTED_KEY: Final = "qt-not-executed"
"""Trailing metadata: `all`, or of a stream the positions (from 1, with commas) of its requests."""

REASON_KEY: Final = "qt-reason"
"""Trailing metadata: the name of one of `Error.Reason`."""

Context = aio.ServicerContext[Any, Any]


async def refuse(context: Context, error: CallRefusedError, mark: str = "all") -> NoReturn:
    """End the call with the status that belongs to the error."""
    code, reason = error.code, pb.Error.Reason.Name(error.reason)
    metrics.CALLS_REFUSED.labels(code.name).inc()
    await context.abort(code, str(error), ((NOT_EXECUTED_KEY, mark), (REASON_KEY, reason)))
    raise AssertionError("abort returned")


def deadline_of(context: Context) -> float:
    """When the caller stops waiting, on the monotonic clock; never, if it set no deadline."""
    remaining_s = context.time_remaining()
    return math.inf if remaining_s is None else time.monotonic() + remaining_s


async def execute(
    sequencer: Sequencer, context: Context, make: Callable[[], list[Command]]
) -> pb.CommandResult:
    """Run the commands of one call, of which all but the last are legs, to their durable result."""
    try:
        outcome = await sequencer.submit(together(make()), deadline_of(context))
    except CallRefusedError as error:
        await refuse(context, error)
    return command_result(outcome.events)
