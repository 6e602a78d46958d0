"""ASGI: the sockets at `/ws/`. One reader and one writer for each, and a registry of all.

Invariant: however a socket ends (by the client, by a limit, by the shutdown), it leaves every
channel and its tasks end, a client that reads nothing included.
"""

from __future__ import annotations

import asyncio
from collections import Counter as CountOf
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from prometheus_client import Counter, Gauge

from apps.accounts.tokens import access_verify
from apps.core.addresses import is_loopback
from apps.realtime.hub import Hub
from apps.realtime.key_logins import ApiKeyLogins
from apps.realtime.limits import DEFAULT_LIMITS, RealtimeLimits
from apps.realtime.outbox import CLOSE_TOO_SLOW
from apps.realtime.runner import HubRunner, run_for_ever
from apps.realtime.session import KeyLogins, Session, Verify
from apps.realtime.state import StateBoard

PATH: Final = "/ws/"
CLOSE_GOING_AWAY: Final = 1001
CLOSE_NOT_TEXT: Final = 1003
CLOSE_TOO_MANY_SOCKETS: Final = 4503
LOGIN_CHECK_S: Final = 5.0
_SOCKETS: Final = Gauge("qt_edge_sockets", "Sockets that are open.")
_CLOSED: Final = Counter("qt_edge_sockets_closed_total", "Sockets closed by us.", ["code"])

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class RealtimeApplication:
    """The feeds of one edge process."""

    def __init__(
        self,
        *,
        nats_url: str,
        engine_address: str,
        limits: RealtimeLimits = DEFAULT_LIMITS,
        verify: Verify = access_verify,
        keys: KeyLogins | None = None,
        reads_history: bool = True,
    ) -> None:
        self.hub = Hub(limits)
        self._limits = limits
        self._verify = verify
        self._keys = keys or ApiKeyLogins()
        self._sessions: dict[Session, str] = {}
        self._of_address: CountOf[str] = CountOf()
        self.states = StateBoard(self._broadcast, lambda: self.hub.event_seq)
        self._runner: HubRunner | None = None
        if nats_url and engine_address:
            self._runner = HubRunner(
                self.hub,
                self.states,
                nats_url=nats_url,
                engine_address=engine_address,
                reads_history=reads_history,
            )
        self._clocks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin to follow the engine. Without its address sockets are told that it is down."""
        if self._runner is not None:
            await self._runner.start()
        self._clocks = [
            asyncio.create_task(run_for_ever(self._heartbeats)),
            asyncio.create_task(run_for_ever(self._login_checks)),
        ]

    async def stop(self) -> None:
        """Close every socket and end every task."""
        for session in self._sessions:
            session.outbox.close(CLOSE_GOING_AWAY, "the server is going away")
        for task in self._clocks:
            task.cancel()
        await asyncio.gather(*self._clocks, return_exceptions=True)
        if self._runner is not None:
            await self._runner.stop()

    async def serve(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one socket to its end."""
        await receive()
        await send({"type": "websocket.accept"})
        address = (scope.get("client") or ("unknown", 0))[0]
        refusal = self._refusal(address)
        if refusal:
            await _close(send, CLOSE_TOO_MANY_SOCKETS, refusal)
            return
        session = Session(self.hub, self.states, self._verify, self._keys, address)
        self._enter(session, address)
        try:
            await self._converse(session, receive, send)
        finally:
            session.end()
            self._leave(session)

    async def _converse(self, session: Session, receive: Receive, send: Send) -> None:
        session.welcome()
        writer = asyncio.create_task(_write(session, send))
        reader = asyncio.create_task(_read(session, receive))
        closing = asyncio.create_task(session.outbox.closing.wait())
        try:
            await asyncio.wait((writer, reader, closing), return_when=asyncio.FIRST_COMPLETED)
            if not reader.done() and not writer.done():
                await asyncio.wait((writer,), timeout=self._limits.drain_timeout_s)
                if not writer.done():
                    _abort(send)
        finally:
            for task in (writer, reader, closing):
                task.cancel()
            results = await asyncio.gather(writer, reader, closing, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception) and not isinstance(result, OSError):
                raise result

    def _refusal(self, address: str) -> str:
        if len(self._sessions) >= self._limits.sockets_max:
            return "too many sockets are open"
        of_address = 0 if is_loopback(address) else self._of_address[address]
        if of_address >= self._limits.sockets_per_address_max:
            return "too many sockets are open from this address"
        return ""

    def _enter(self, session: Session, address: str) -> None:
        self._sessions[session] = address
        self._of_address[address] += 1
        _SOCKETS.set(len(self._sessions))

    def _leave(self, session: Session) -> None:
        address = self._sessions.pop(session)
        self._of_address[address] -= 1
        if not self._of_address[address]:
            del self._of_address[address]
        _SOCKETS.set(len(self._sessions))

    def _broadcast(self, text: str) -> None:
        for session in tuple(self._sessions):
            session.put(text)

    async def _heartbeats(self) -> None:
        while True:
            await asyncio.sleep(self._limits.heartbeat_s)
            self._broadcast(self.states.message("heartbeat"))

    async def _login_checks(self) -> None:
        while True:
            await asyncio.sleep(LOGIN_CHECK_S)
            for session in tuple(self._sessions):
                await session.check_login()


async def _read(session: Session, receive: Receive) -> None:
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            return
        text = message.get("text")
        if text is None:
            session.outbox.close(CLOSE_NOT_TEXT, "messages are JSON text")
            return
        await session.receive(text)


async def _write(session: Session, send: Send) -> None:
    outbox = session.outbox
    while (text := await outbox.take()) is not None:
        await send({"type": "websocket.send", "text": text})
    await _close(send, outbox.close_code, outbox.close_reason)


async def _close(send: Send, code: int, reason: str) -> None:
    _CLOSED.labels(str(code)).inc()
    await send({"type": "websocket.close", "code": code, "reason": reason})


def _abort(send: Send) -> None:
    """Cut the connection of a client that takes nothing, not even the close code.

    ASGI knows no way to do this; uvicorn hands us a method of the connection's own protocol. With
    another server the connection ends when its client or its keep-alive ends it.
    """
    _CLOSED.labels(f"{CLOSE_TOO_SLOW} cut off").inc()
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    if callable(abort := getattr(transport, "abort", None)):
        abort()
