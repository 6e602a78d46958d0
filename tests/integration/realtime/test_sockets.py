"""Sockets as such, on uvicorn: slow and dead clients, limits, and two hundred listeners."""

from __future__ import annotations

import asyncio
import socket
import time
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from functools import partial
from urllib.parse import urlsplit

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from apps.realtime.application import CLOSE_NOT_TEXT, CLOSE_TOO_MANY_SOCKETS
from apps.realtime.outbox import CLOSE_TOO_SLOW
from engine.proto.records import Side
from quantatrade.edge import WEBSOCKET_NO_SUCH_FEED
from tests.integration.realtime.support import LIMITS, Client, Exchange, edge_serving, wait_for

NOWHERE = ("nats://127.0.0.1:9", "127.0.0.1:9")
CLIENTS = 200
ORDERS = 50
HANDSHAKE = (
    b"GET /ws/ HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


async def read_to_the_end(client: ClientConnection) -> None:
    """Receive until the server has closed."""
    async with asyncio.timeout(20):
        async for _ in client:
            pass
    await client.wait_closed()


async def close_code(url: str, *said: str | bytes) -> int:
    """Connect, say something and return the code with which the server closes."""
    async with connect(url) as client:
        for message in said:
            await client.send(message)
        with suppress(ConnectionClosed):
            await read_to_the_end(client)
        return client.close_code or 0


def is_empty(client: Client) -> bool:
    return client.books["book.BTCUSDT"] == {"bids": {}, "asks": {}}


def raw_socket(url: str) -> socket.socket:
    """A client that has shaken hands and now does nothing: it reads not even pings."""
    parts = urlsplit(url)
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    raw.connect((parts.hostname, parts.port))
    raw.sendall(HANDSHAKE)
    return raw


async def test_frames_that_are_not_for_us_end_with_a_code() -> None:
    async with edge_serving(*NOWHERE) as (_, url):
        assert await close_code(url, b"bytes") == CLOSE_NOT_TEXT
        assert await close_code(url, "x" * 17_000) == 1009
        assert await close_code(url.replace("/ws/", "/ws/other")) == WEBSOCKET_NO_SUCH_FEED


async def test_a_process_has_a_limit_of_sockets_and_counts_those_that_left() -> None:
    async with edge_serving(*NOWHERE, replace(LIMITS, sockets_max=2)) as (feeds, url):
        async with connect(url) as first, connect(url) as second:
            await first.recv()
            await second.recv()
            assert await close_code(url) == CLOSE_TOO_MANY_SOCKETS
        await wait_for(lambda: not feeds._sessions, "both to have left")
        async with connect(url) as third:
            assert "welcome" in str(await third.recv())


async def test_a_client_that_answers_no_ping_is_dropped() -> None:
    async with edge_serving(*NOWHERE) as (feeds, url):
        raw = raw_socket(url)
        await wait_for(lambda: len(feeds._sessions) == 1, "the socket")
        await wait_for(lambda: not feeds._sessions, "the server to drop it")
        raw.close()


async def test_a_client_that_reads_nothing_is_cut_off_and_the_others_notice_nothing() -> None:
    limits = replace(LIMITS, queue_messages_max=100, drain_timeout_s=0.3, heartbeat_s=60.0)
    async with edge_serving(*NOWHERE, limits) as (feeds, url), connect(url) as healthy:
        raw = raw_socket(url)
        await wait_for(lambda: len(feeds._sessions) == 2, "both sockets")
        (slow,) = [each for each, _ in list(feeds._sessions.items())[1:]]
        received = 0
        for _ in range(600):
            if slow not in feeds._sessions:
                break
            feeds._broadcast("x" * 20_000)
            received += len(await healthy.recv()) > 0
        await wait_for(lambda: slow not in feeds._sessions, "the slow client to be gone")
        assert slow.outbox.close_code == CLOSE_TOO_SLOW
        assert len(feeds._sessions) == 1
        assert received > 100
        raw.close()


async def test_a_client_that_is_merely_slow_gets_the_code() -> None:
    limits = replace(LIMITS, queue_messages_max=50, drain_timeout_s=10.0, heartbeat_s=60.0)
    async with (
        edge_serving(*NOWHERE, limits) as (feeds, url),
        connect(url, max_queue=1, ping_interval=None) as client,
    ):
        await client.recv()
        for _ in range(400):
            feeds._broadcast("x" * 50_000)
            await asyncio.sleep(0)
        with suppress(ConnectionClosed):
            await read_to_the_end(client)
        assert client.close_code == CLOSE_TOO_SLOW


async def test_two_hundred_clients_get_every_trade(
    exchange: Exchange, pytestconfig: pytest.Config
) -> None:
    await exchange.place(1, Side.ASK, 5_000_000, 10 * ORDERS)
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(exchange.client()) for _ in range(CLIENTS)]
        for client in clients:
            await client.subscribe("trades.BTCUSDT", "book.BTCUSDT")
        for client in clients:
            await client.first(channel="book.BTCUSDT", type="snapshot")
        began = time.perf_counter()
        for _ in range(ORDERS):
            await exchange.place(2, Side.BID, 5_000_000, 10)
        for client in clients:
            await client.until(partial(is_empty, client), "an empty book")
            messages = client.of(channel="trades.BTCUSDT", type="trades")
            ids = [trade["trade_id"] for message in messages for trade in message["trades"]]
            assert ids == list(range(1, ORDERS + 1))
        seconds = time.perf_counter() - began
    deliveries = sum(len(client.messages) for client in clients)
    writer = pytestconfig.get_terminal_writer()
    writer.line(f"\n{CLIENTS} clients: {deliveries} messages, {deliveries / seconds:,.0f} a second")
