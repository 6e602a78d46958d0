"""The gate in front of every method: who calls, may they, and not too often.

Invariant: no handler runs for a call that did not pass, whatever the method; the handlers
themselves know nothing of tokens, but can ask `current_caller` what the caller may do.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from contextvars import ContextVar
from typing import Any, Final, TypeAlias

import grpc
from grpc import aio

from engine.service.calls import Context, refuse
from engine.service.errors import CallRefusedError
from engine.service.roles import role_of_method
from engine.service.tokens import EVERYBODY, Caller, Tokens

_caller: Final[ContextVar[Caller]] = ContextVar("engine_caller", default=EVERYBODY)
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"


def current_caller() -> Caller:
    """The client whose call is being handled."""
    return _caller.get()


class Gate(aio.ServerInterceptor):  # type: ignore[type-arg] # it takes none when it runs
    """Lets through who is known and has the method's role."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens
        self._guarded: dict[str, Handler] = {}

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler:
        method = handler_call_details.method
        guarded = self._guarded.get(method)
        if guarded is None:
            handler: Handler | None = await continuation(handler_call_details)
            if handler is None:  # no such method, of which anybody can think of any number
                return handler  # type: ignore[return-value] # the stubs forget it
            guarded = self._guarded[method] = self._guard(method, handler)
        return guarded

    async def _admit(self, method: str, context: Context) -> Caller:
        metadata = dict(context.invocation_metadata() or ())
        try:
            caller = self._tokens.caller(metadata.get("authorization"))
            caller.require(role_of_method(method), method)
            caller.count_call()
        except CallRefusedError as error:
            await refuse(context, error)
        _caller.set(caller)
        return caller

    def _guard(self, method: str, handler: Handler) -> Handler:
        """The same handler behind the gate."""
        behave: Any = handler.unary_unary or handler.unary_stream or handler.stream_stream
        assert behave is not None, f"{method} is of a kind that this engine has not"

        async def answer(request: Any, context: Context) -> Any:
            await self._admit(method, context)
            return await behave(request, context)

        async def write(request: Any, context: Context) -> None:
            """Of a handler that writes its messages itself, as the health service's does."""
            await self._admit(method, context)
            await behave(request, context)

        async def stream(request: Any, context: Context) -> AsyncIterator[Any]:
            caller = await self._admit(method, context)
            async with aclosing(behave(request, context)) as messages:
                async for message in messages:
                    try:
                        caller.require_token()
                    except CallRefusedError as error:
                        await refuse(context, error)
                    yield message

        codec = {
            "request_deserializer": handler.request_deserializer,
            "response_serializer": handler.response_serializer,
        }
        if not handler.response_streaming:
            return grpc.unary_unary_rpc_method_handler(answer, **codec)
        respond: Any = stream if inspect.isasyncgenfunction(behave) else write
        if not handler.request_streaming:
            return grpc.unary_stream_rpc_method_handler(respond, **codec)
        return grpc.stream_stream_rpc_method_handler(respond, **codec)
