"""The edge: a raw ASGI application that owns the public address and forwards to the web process.

It stands in front because sockets are served here, far faster than Django can. It serves `/ws/` and
its own health pages, and streams everything else to QT_WEB_URL and back.
Invariants: what a client states about addresses and schemes never passes, only what we saw
ourselves does; every request has limits of size and time; nothing is ever forwarded twice unless it
could not have had an effect.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

import httpx
import structlog
from prometheus_client import CONTENT_TYPE_LATEST, Counter, Histogram, generate_latest

from apps.core.addresses import is_loopback
from apps.core.request_ids import request_id_accept
from apps.realtime import application as realtime
from quantatrade.settings import environment

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

WEBSOCKET_NO_SUCH_FEED: Final = 4404
ATTEMPTS_MAX: Final = 2  # the second only where the first met a connection that web had closed
_OWN_PREFIX: Final = "/edge/"
_FORWARDING: Final = frozenset({b"forwarded", b"x-real-ip", b"x-client-ip", b"true-client-ip"})
_HOP_BY_HOP: Final = frozenset(
    b"connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer "
    b"transfer-encoding upgrade expect".split()
)
_LOG: Final = structlog.get_logger("quantatrade.edge")
_REQUESTS: Final = Counter("qt_edge_requests_total", "Requests answered.", ["status"])
_SECONDS: Final = Histogram("qt_edge_request_seconds", "Time to the last byte of the answer.")


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeConfig:
    """Where to forward to, and the limits. Sizes in bytes, times in seconds."""

    web_url: str
    scheme: str = "http"
    metrics_token: str = field(default="", repr=False)
    nats_url: str = field(default="", repr=False)
    engine_address: str = ""
    body_bytes_max: int = 4 * 1024 * 1024
    body_pause_timeout_s: float = 15.0
    short_body_bytes_max: int = 64 * 1024
    short_body_timeout_s: float = 15.0
    connect_timeout_s: float = 2.0
    answer_timeout_s: float = 60.0
    ready_timeout_s: float = 2.0
    pool_timeout_s: float = 2.0
    connections_max: int = 64
    idle_connections_max: int = 20
    idle_expiry_s: float = 5.0


def edge_config_from_environment() -> EdgeConfig:
    """Return the configuration that QT_WEB_URL, QT_PUBLIC_URL and QT_METRICS_TOKEN state."""
    origin, _ = environment.public_origin("QT_PUBLIC_URL")
    return EdgeConfig(
        web_url=environment.text("QT_WEB_URL", "http://127.0.0.1:8001").rstrip("/"),
        scheme=origin.partition(":")[0],
        metrics_token=environment.text("QT_METRICS_TOKEN"),
        nats_url=environment.text("NATS_URL"),
        engine_address=environment.text("ENGINE_ADDRESS"),
    )


class _RefusedError(Exception):
    """The request ends here with this status; the text is for the client."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


class _ClientGoneError(Exception):
    """The client closed the connection before it had sent its whole body."""


class _Body(httpx.AsyncByteStream):
    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._chunks:
            yield chunk


class _Exchange:
    """One request of a client, and what it has been answered so far."""

    def __init__(self, scope: Message, receive: Receive, send: Send) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.target: bytes = scope.get("raw_path") or scope["path"].encode()
        if scope["query_string"]:
            self.target += b"?" + scope["query_string"]
        self.headers: Headers = scope["headers"]
        self.address: str = (scope.get("client") or ("unknown", 0))[0]
        self.scheme: str = scope.get("scheme", "http")
        stated = self.header(b"x-request-id")
        self.request_id = request_id_accept(stated.decode("latin-1") if stated else None)
        self.status = 0
        self.receive = receive
        self.send = send

    def header(self, name: bytes) -> bytes | None:
        """Return the first header of that name."""
        return next((value for key, value in self.headers if key == name), None)

    async def start(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """Send status and headers, with the request id."""
        named = [(name, value) for name, value in headers if name != b"x-request-id"]
        named.append((b"x-request-id", self.request_id.encode()))
        self.status = status
        await self.send({"type": "http.response.start", "status": status, "headers": named})

    async def answer(self, status: int, body: bytes, content_type: bytes) -> None:
        """Send a whole answer of our own."""
        headers = [
            (b"content-type", content_type),
            (b"content-length", str(len(body)).encode()),
            (b"cache-control", b"no-store"),
            (b"x-content-type-options", b"nosniff"),
            (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
        ]
        await self.start(status, headers)
        shown = b"" if self.method == "HEAD" else body
        await self.send({"type": "http.response.body", "body": shown})

    async def answer_json(self, status: int, content: object) -> None:
        """Send a JSON answer of our own."""
        await self.answer(status, json.dumps(content).encode(), b"application/json")

    async def refuse(self, status: HTTPStatus, message: str) -> None:
        """Send an error, in the same form as the web process does."""
        error = {"code": status.name.lower(), "message": message, "details": {}}
        await self.answer_json(status.value, {"error": error, "request_id": self.request_id})

    async def body(self, config: EdgeConfig) -> AsyncIterator[bytes]:
        """Yield the client's body; _RefusedError if it is too long or pauses too long."""
        size = 0
        more = True
        while more:
            try:
                async with asyncio.timeout(config.body_pause_timeout_s):
                    message = await self.receive()
            except TimeoutError:
                raise _RefusedError(
                    HTTPStatus.REQUEST_TIMEOUT,
                    f"The body paused for {config.body_pause_timeout_s:g} s.",
                ) from None
            if message["type"] == "http.disconnect":
                raise _ClientGoneError
            chunk: bytes = message.get("body", b"")
            more = message.get("more_body", False)
            size += len(chunk)
            if size > config.body_bytes_max:
                raise _too_long(config)
            if chunk:
                yield chunk

    async def short_body(self, config: EdgeConfig) -> bytes:
        """Return the whole of a short body. A slow sender keeps us waiting, not a web thread."""
        try:
            async with asyncio.timeout(config.short_body_timeout_s):
                return b"".join([chunk async for chunk in self.body(config)])
        except TimeoutError:
            raise _RefusedError(
                HTTPStatus.REQUEST_TIMEOUT,
                f"The body was not whole within {config.short_body_timeout_s:g} s.",
            ) from None


def _too_long(config: EdgeConfig) -> _RefusedError:
    return _RefusedError(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        f"The body was longer than {config.body_bytes_max} bytes.",
    )


def _end_to_end(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """Return the headers without those that concern one connection only."""
    lowered = [(name.lower(), value) for name, value in headers]
    named = {
        token.strip().lower()
        for name, value in lowered
        if name == b"connection"
        for token in value.split(b",")
    }
    return [(name, value) for name, value in lowered if name not in _HOP_BY_HOP | named]


def _is_forwarding(name: bytes) -> bool:
    # WSGI reads X_Forwarded_For as X-Forwarded-For, so no name with an underscore may pass.
    return name in _FORWARDING or name.startswith(b"x-forwarded-") or b"_" in name


class EdgeApplication:
    """ASGI: own pages below /edge/, sockets at /ws/, everything else forwarded."""

    def __init__(
        self, config: EdgeConfig, feeds: realtime.RealtimeApplication | None = None
    ) -> None:
        self._config = config
        self._feeds = feeds or realtime.RealtimeApplication(
            nats_url=config.nats_url, engine_address=config.engine_address
        )
        self._web = httpx.AsyncHTTPTransport(
            limits=httpx.Limits(
                max_connections=config.connections_max,
                max_keepalive_connections=config.idle_connections_max,
                keepalive_expiry=config.idle_expiry_s,
            )
        )

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one scope."""
        if scope["type"] == "http":
            await self._serve(_Exchange(scope, receive, send))
        elif scope["type"] == "websocket" and scope["path"] == realtime.PATH:
            await self._feeds.serve(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
            await send(
                {
                    "type": "websocket.close",
                    "code": WEBSOCKET_NO_SUCH_FEED,
                    "reason": "no feed at this address",
                }
            )
        elif scope["type"] == "lifespan":
            await self._live(receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await self._feeds.start()
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                await self._feeds.stop()
                await self._web.aclose()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _serve(self, exchange: _Exchange) -> None:
        started = time.perf_counter()
        try:
            if exchange.path.startswith(_OWN_PREFIX):
                await self._own_page(exchange)
            else:
                await self._forward(exchange)
        except _RefusedError as refusal:
            if not exchange.status:
                await exchange.refuse(refusal.status, str(refusal))
        except _ClientGoneError:
            exchange.status = exchange.status or 499
        finally:
            duration_s = time.perf_counter() - started
            _REQUESTS.labels(str(exchange.status)).inc()
            _SECONDS.observe(duration_s)
            if not exchange.path.startswith(_OWN_PREFIX):
                _LOG.info(
                    "request",
                    method=exchange.method,
                    path=exchange.path,
                    status=exchange.status,
                    duration_ms=round(duration_s * 1000, 1),
                    ip=exchange.address,
                    request_id=exchange.request_id,
                )

    async def _own_page(self, exchange: _Exchange) -> None:
        if exchange.method not in ("GET", "HEAD"):
            raise _RefusedError(HTTPStatus.METHOD_NOT_ALLOWED, "This page can only be read.")
        if exchange.path == "/edge/healthz":
            await exchange.answer(200, b"alive\n", b"text/plain; charset=utf-8")
        elif exchange.path == "/edge/readyz":
            reason = await self._web_reason()
            reasons = [] if reason is None else [reason]
            await exchange.answer_json(
                503 if reasons else 200, {"ready": not reasons, "reasons": reasons}
            )
        elif exchange.path == "/edge/metrics":
            if not self._may_read_metrics(exchange):
                raise _RefusedError(HTTPStatus.FORBIDDEN, "You may not see this page.")
            await exchange.answer(200, generate_latest(), CONTENT_TYPE_LATEST.encode())
        else:
            raise _RefusedError(HTTPStatus.NOT_FOUND, "There is no page at this address.")

    def _may_read_metrics(self, exchange: _Exchange) -> bool:
        token = self._config.metrics_token.encode()
        scheme, _, stated = (exchange.header(b"authorization") or b"").partition(b" ")
        if token and scheme == b"Bearer" and hmac.compare_digest(stated, token):
            return True
        # A loopback peer that forwards for others is a proxy, and its clients are strangers.
        forwarded = any(_is_forwarding(name) for name, _ in exchange.headers)
        return is_loopback(exchange.address) and not forwarded

    async def _web_reason(self) -> str | None:
        timeout_s = self._config.ready_timeout_s
        request = httpx.Request(
            "GET",
            f"{self._config.web_url}/healthz",
            extensions={"timeout": dict.fromkeys(("connect", "read", "write", "pool"), timeout_s)},
        )
        try:
            response = await self._web.handle_async_request(request)
            await response.aread()
            await response.aclose()
        except httpx.HTTPError as error:
            return f"web: no answer ({type(error).__name__})"
        if response.status_code != HTTPStatus.OK:
            return f"web: /healthz answered {response.status_code}, expected 200"
        return None

    async def _forward(self, exchange: _Exchange) -> None:
        request = await self._request(exchange)
        try:
            response = await self._ask_web(request)
        except httpx.PoolTimeout:
            raise _RefusedError(
                HTTPStatus.SERVICE_UNAVAILABLE, "Too many requests are under way."
            ) from None
        except (httpx.ReadTimeout, httpx.WriteTimeout):
            raise _RefusedError(
                HTTPStatus.GATEWAY_TIMEOUT, "The web process did not answer in time."
            ) from None
        except httpx.TransportError as error:
            _LOG.warning("web_unreachable", error=type(error).__name__)
            raise _RefusedError(
                HTTPStatus.BAD_GATEWAY, "The web process cannot be reached."
            ) from None
        try:
            headers = _end_to_end(response.headers.raw)
            kept = [(name, value) for name, value in headers if name not in (b"date", b"server")]
            await exchange.start(response.status_code, kept)
            async for chunk in response.aiter_raw():
                await exchange.send(
                    {"type": "http.response.body", "body": chunk, "more_body": True}
                )
            await exchange.send({"type": "http.response.body", "body": b""})
        except httpx.TransportError as error:
            # Headers are out: ending without a last chunk tells the client that it is cut off.
            _LOG.warning("answer_cut_off", error=type(error).__name__)
        finally:
            await response.aclose()

    async def _request(self, exchange: _Exchange) -> httpx.Request:
        if not exchange.target.startswith(b"/"):
            raise _RefusedError(HTTPStatus.BAD_REQUEST, "The address must begin with a slash.")
        config = self._config
        length = exchange.header(b"content-length")
        if length is not None and int(length) > config.body_bytes_max:
            raise _too_long(config)
        headers = [
            (name, value)
            for name, value in _end_to_end(exchange.headers)
            if not _is_forwarding(name) and name != b"x-request-id"
        ]
        https = "https" in (exchange.scheme, config.scheme)
        headers += [
            (b"x-forwarded-for", exchange.address.encode()),
            (b"x-forwarded-proto", b"https" if https else b"http"),
            (b"x-request-id", exchange.request_id.encode()),
        ]
        stream: httpx.AsyncByteStream = httpx.ByteStream(b"")
        if length is not None and int(length) <= config.short_body_bytes_max:
            stream = httpx.ByteStream(await exchange.short_body(config))
        elif length is not None:
            stream = _Body(exchange.body(config))
        elif exchange.header(b"transfer-encoding") is not None:
            # WSGI reads no body whose length is not stated, so it is collected first.
            whole = b"".join([chunk async for chunk in exchange.body(config)])
            headers.append((b"content-length", str(len(whole)).encode()))
            stream = httpx.ByteStream(whole)
        return httpx.Request(
            exchange.method,
            httpx.URL(config.web_url).copy_with(raw_path=exchange.target),
            headers=headers,
            stream=stream,
            extensions={
                "timeout": {
                    "connect": config.connect_timeout_s,
                    "read": config.answer_timeout_s,
                    "write": config.answer_timeout_s,
                    "pool": config.pool_timeout_s,
                }
            },
        )

    async def _ask_web(self, request: httpx.Request) -> httpx.Response:
        repeatable = request.method in ("GET", "HEAD") and "content-length" not in request.headers
        for attempt in range(1, ATTEMPTS_MAX + 1):
            try:
                return await self._web.handle_async_request(request)
            except (httpx.RemoteProtocolError, httpx.ReadError):
                if not repeatable or attempt == ATTEMPTS_MAX:
                    raise
        raise AssertionError("every attempt returns or raises")
