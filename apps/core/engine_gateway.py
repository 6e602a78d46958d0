"""The platform's one way to the engine for questions about its health and state.

Invariant: a channel is opened lazily, once for each process and address, so never before a fork;
every call has a deadline, and a failure is an EngineUnavailableError in plain words.
"""

from __future__ import annotations

import os
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Final, cast

import grpc
from django.conf import settings
from grpc_health.v1 import health_pb2, health_pb2_grpc

from apps.core.types import EngineStatus
from engine.proto import engine_pb2, engine_pb2_grpc
from engine.proto.records import EVENT_HEADER, EventHeader

CALL_TIMEOUT_S: Final = 2.0
RECONNECT_BACKOFF_MS_MAX: Final = 2_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_channels: Final[dict[tuple[int, str], grpc.Channel]] = {}
_channels_lock: Final = threading.Lock()


class EngineUnavailableError(Exception):
    """The engine did not answer, or not in time."""


def engine_channel() -> grpc.Channel:
    """Return this process's channel to ENGINE_ADDRESS."""
    address = settings.ENGINE_ADDRESS
    if not address:
        raise EngineUnavailableError("ENGINE_ADDRESS is not set, expected host:port")
    key = (os.getpid(), address)
    with _channels_lock:
        if key not in _channels:
            _channels[key] = grpc.insecure_channel(
                address,
                options=[("grpc.max_reconnect_backoff_ms", RECONNECT_BACKOFF_MS_MAX)],
            )
        return _channels[key]


def _plain(error: grpc.RpcError) -> str:
    code = cast("grpc.Call", error).code()  # what a stub raises is a call as well
    return f"engine at {settings.ENGINE_ADDRESS} answered {code.name}"


def engine_health() -> str | None:
    """Return None if the engine's health service says SERVING, else what it says."""
    stub = health_pb2_grpc.HealthStub(engine_channel())
    try:
        answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=CALL_TIMEOUT_S)
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
        status = stub.GetStatus(engine_pb2.GetStatusRequest(), timeout=CALL_TIMEOUT_S)
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
        for batch in stub.Read(request, timeout=CALL_TIMEOUT_S):
            header = EventHeader._make(EVENT_HEADER.unpack_from(batch.events))
            return _EPOCH + timedelta(microseconds=header.time_us)
    except grpc.RpcError as error:
        if cast("grpc.Call", error).code() == grpc.StatusCode.OUT_OF_RANGE:
            return None
        raise EngineUnavailableError(_plain(error)) from error
    return None
