"""The gRPC channel to the engine, and what its status codes mean.

A call that the engine turned away says so in its trailing metadata. Invariant: only with that mark,
or when nothing was sent at all, is an error reported as `EngineUnavailable`.
"""

from __future__ import annotations

from typing import Any, Final

import grpc
from grpc import aio

from engine.client.access import Access
from engine.client.errors import (
    AccessDenied,
    EngineError,
    EngineOverloaded,
    EngineUnavailable,
    InvalidRequest,
    OutcomeUnknown,
)

NOT_EXECUTED_KEY: Final = "qt-not-executed"
REASON_KEY: Final = "qt-reason"
RECEIVE_BYTES_MAX: Final = 256 << 20
SEND_BYTES_MAX: Final = 1 << 20
RECONNECT_MIN_MS: Final = 50
RECONNECT_MAX_MS: Final = 1_000

_OPTIONS: Final = (
    ("grpc.max_receive_message_length", RECEIVE_BYTES_MAX),
    ("grpc.max_send_message_length", SEND_BYTES_MAX),
    ("grpc.initial_reconnect_backoff_ms", RECONNECT_MIN_MS),
    ("grpc.min_reconnect_backoff_ms", RECONNECT_MIN_MS),
    ("grpc.max_reconnect_backoff_ms", RECONNECT_MAX_MS),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_retries", 0),
)


def open_channel(address: str, access: Access) -> aio.Channel:
    """A channel to host:port. Open it after a fork, inside the event loop that will use it."""
    credentials = access.credentials(address)
    if credentials is None:
        return aio.insecure_channel(address, options=_OPTIONS)
    return aio.secure_channel(address, credentials, options=_OPTIONS)


def not_executed(error: aio.AioRpcError) -> str | None:
    """The engine's mark that nothing was executed: `all`, or positions of a stream's requests."""
    return _trailing(error, NOT_EXECUTED_KEY)


def _trailing(error: aio.AioRpcError, key: str) -> str | None:
    metadata: Any = error.trailing_metadata()  # an aio.Metadata: the stubs say otherwise
    value = metadata.get(key) if metadata is not None else None
    return None if value is None else str(value)


def translate(error: aio.AioRpcError, *, executed: bool) -> EngineError:
    """The error for the caller; `executed` tells whether the call can have changed anything."""
    translated = _translated(error, executed=executed)
    translated.code = _trailing(error, REASON_KEY) or ""
    return translated


def _translated(error: aio.AioRpcError, *, executed: bool) -> EngineError:
    text = error.details() or error.code().name
    if error.code() in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED):
        return AccessDenied(text)
    if error.code() is grpc.StatusCode.INVALID_ARGUMENT:
        return InvalidRequest(text)
    if executed and not_executed(error) is None:
        return OutcomeUnknown(f"the connection to the engine was lost: {text}")
    if error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return EngineOverloaded(text)
    return EngineUnavailable(text)
