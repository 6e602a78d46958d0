"""What every gRPC handler shares: answering a call that never became a command.

Such an answer carries a mark in its trailing metadata. A client that finds the mark knows for
certain that nothing was executed and may try again; without it (a lost connection) it does not.
"""

from __future__ import annotations

from typing import Any, Final, NoReturn

import grpc
from grpc import aio

from engine.proto import engine_pb2 as pb
from engine.service import metrics
from engine.service.commands import Batch, command_result
from engine.service.core import Sequencer
from engine.service.errors import (
    CallRefusedError,
    InvalidCallError,
    OverloadedError,
    UnavailableError,
)

NOT_EXECUTED_KEY: Final = "qt-not-executed"
"""Trailing metadata: `all`, or of a stream the positions (from 1, with commas) of its requests."""

Context = aio.ServicerContext[Any, Any]
_CODES: Final = {
    UnavailableError: grpc.StatusCode.UNAVAILABLE,
    OverloadedError: grpc.StatusCode.RESOURCE_EXHAUSTED,
    InvalidCallError: grpc.StatusCode.INVALID_ARGUMENT,
}


async def refuse(context: Context, error: CallRefusedError, mark: str = "all") -> NoReturn:
    """End the call with the status that belongs to the error."""
    code = _CODES[type(error)]
    metrics.CALLS_REFUSED.labels(code.name).inc()
    await context.abort(code, str(error), ((NOT_EXECUTED_KEY, mark),))
    raise AssertionError("abort returned")


async def execute(sequencer: Sequencer, context: Context, batch: Batch) -> pb.CommandResult:
    """Run a single command to its durable result."""
    try:
        outcome = await sequencer.submit(batch)
    except CallRefusedError as error:
        await refuse(context, error)
    return command_result(outcome.events)
