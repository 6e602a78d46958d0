"""The platform's one way to the engine: its health and state, queries, and commands.

Invariant: a channel or client is opened lazily, once for each process and address, so never before
a fork; every call has a deadline. A failed question is an EngineUnavailable in plain words; a
command of which nothing is known is an OutcomeUnknown and never passed off as not executed.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar, cast

import grpc
from django.conf import settings
from grpc_health.v1 import health_pb2, health_pb2_grpc

from apps.core.types import EngineStatus
from engine.client import (
    Access,
    AccessDenied,
    EngineClient,
    EngineUnavailable,
    OutcomeUnknown,
    SyncEngineClient,
)
from engine.proto import engine_pb2, engine_pb2_grpc
from engine.proto.records import EVENT_HEADER, EventHeader

CALL_TIMEOUT_S: Final = 2.0
CONNECT_TIMEOUT_S: Final = 3.0  # an engine that is started again is back within this time
COMMAND_TIMEOUT_S: Final = 5.0  # with what the client sends again after a lost connection
RECONNECT_BACKOFF_MS_MAX: Final = 2_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_channels: Final[dict[tuple[int, str], grpc.Channel]] = {}
_channels_lock: Final = threading.Lock()
_clients: Final[dict[tuple[int, str], SyncEngineClient]] = {}
_clients_lock: Final = threading.Lock()
T = TypeVar("T")


class EngineUnavailableError(EngineUnavailable):
    """The engine did not answer, or not in time. Nothing was executed."""


def engine_client() -> SyncEngineClient:
    """Return this process's client of ENGINE_ADDRESS; all its threads share one connection."""
    address = _address()
    key = (os.getpid(), address)
    with _clients_lock:
        if key not in _clients:
            _clients[key] = SyncEngineClient(address, timeout_s=CONNECT_TIMEOUT_S)
        return _clients[key]


def engine_query(ask: Callable[[EngineClient], Awaitable[T]]) -> T:
    """Return the engine's answer to a question; EngineUnavailable if it does not come in time."""

    async def within_deadline(engine: EngineClient) -> T:
        try:
            async with asyncio.timeout(CALL_TIMEOUT_S):
                return await ask(engine)
        except TimeoutError:
            raise EngineUnavailableError(
                f"the engine did not answer within {CALL_TIMEOUT_S} s"
            ) from None

    return engine_client().call(within_deadline)


def engine_command(tell: Callable[[EngineClient], Awaitable[T]]) -> T:
    """Return the durable outcome of a command.

    EngineUnavailable: nothing was executed. OutcomeUnknown: that cannot be told. EngineRefused: the
    engine's journaled refusal.
    """

    async def within_deadline(engine: EngineClient) -> T:
        try:
            async with asyncio.timeout(COMMAND_TIMEOUT_S):
                return await tell(engine)
        except TimeoutError:
            raise OutcomeUnknown(
                f"the engine did not answer within {COMMAND_TIMEOUT_S} s"
            ) from None

    return engine_client().call(within_deadline)


def _address() -> str:
    address: str = settings.ENGINE_ADDRESS
    if not address:
        raise EngineUnavailableError("ENGINE_ADDRESS is not set, expected host:port")
    return address


def engine_channel() -> grpc.Channel:
    """Return this process's channel to ENGINE_ADDRESS."""
    address = _address()
    key = (os.getpid(), address)
    with _channels_lock:
        if key not in _channels:
            options = [("grpc.max_reconnect_backoff_ms", RECONNECT_BACKOFF_MS_MAX)]
            _channels[key] = Access.from_environment().blocking_channel(address, options)
        return _channels[key]


def _call() -> dict[str, Any]:
    """What goes with each call: its deadline, and the token that the environment names."""
    try:
        return {"timeout": CALL_TIMEOUT_S, "metadata": Access.from_environment().metadata()}
    except AccessDenied as error:
        raise EngineUnavailableError(str(error)) from error


def _plain(error: grpc.RpcError) -> str:
    code = cast("grpc.Call", error).code()  # what a stub raises is a call as well
    return f"engine at {settings.ENGINE_ADDRESS} answered {code.name}"


def engine_health() -> str | None:
    """Return None if the engine's health service says SERVING, else what it says."""
    stub = health_pb2_grpc.HealthStub(engine_channel())
    try:
        answer = stub.Check(health_pb2.HealthCheckRequest(), **_call())
    except EngineUnavailableError as error:
        return str(error)
    except grpc.RpcError as error:
        return _plain(error)
    if answer.status == health_pb2.HealthCheckResponse.SERVING:
        return None
    name = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
    return f"engine health was {name}, expected SERVING"


def engine_status() -> EngineStatus:
    """Return the engine's state; EngineUnavailableError if it does not answer in time."""
    stub = engine_pb2_grpc.QueryServiceStub(engine_channel())
    started = time.perf_counter()
    try:
        status = stub.GetStatus(engine_pb2.GetStatusRequest(), **_call())
    except grpc.RpcError as error:
        raise EngineUnavailableError(_plain(error)) from error
    return EngineStatus(
        epoch=status.epoch,
        command_seq=status.command_seq,
        event_seq=status.event_seq,
        kernel=status.kernel,
        open_orders=status.open_orders,
        users=status.users,
        accounts=status.accounts,
        time_at=_EPOCH + timedelta(microseconds=status.time_us) if status.time_us else None,
        semantics=status.semantics,
        latency_ms=round((time.perf_counter() - started) * 1000),
    )


def event_occurred_at(event_seq: int) -> datetime | None:
    """Return when an event happened, asked of the engine; None if it has no such event yet."""
    stub = engine_pb2_grpc.EventServiceStub(engine_channel())
    request = engine_pb2.ReadRequest(first_event_seq=event_seq, last_event_seq=event_seq)
    try:
        for batch in stub.Read(request, **_call()):
            header = EventHeader._make(EVENT_HEADER.unpack_from(batch.events))
            return _EPOCH + timedelta(microseconds=header.time_us)
    except grpc.RpcError as error:
        if cast("grpc.Call", error).code() == grpc.StatusCode.OUT_OF_RANGE:
            return None
        raise EngineUnavailableError(_plain(error)) from error
    return None
