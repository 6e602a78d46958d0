"""An edge served by uvicorn inside the test's loop, and clients that check what they are told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import uvicorn
from websockets.asyncio.client import ClientConnection, connect

from apps.accounts.principal import Principal
from apps.accounts.roles import Role
from apps.accounts.tokens import TokenError
from apps.realtime.application import RealtimeApplication
from apps.realtime.limits import RealtimeLimits
from apps.realtime.session import Verify
from engine.client import EngineClient
from engine.proto.records import INT64_MAX, Side
from quantatrade.edge import EdgeApplication, EdgeConfig

BTC, USDT, BTCUSDT = 1, 2, 1
LIMITS = RealtimeLimits(heartbeat_s=0.5)
WAIT_S = 20.0


def verify(token: str) -> Principal:
    """Tokens of these tests are `user:<id>`; who issues real ones is tested elsewhere."""
    kind, _, user_id = token.partition(":")
    if kind != "user" or not user_id.isdecimal():
        raise TokenError("token_invalid", "The access token is not valid.")
    return Principal(
        user_id=int(user_id),
        role=Role.TRADER,
        session_id="0" * 32,
        expires_at=datetime.now(UTC) + timedelta(minutes=10),
    )


@dataclass
class Client:
    """One socket. It sorts what it receives by channel and checks every number on the way."""

    socket: ClientConnection
    messages: list[dict[str, Any]] = field(default_factory=list)
    books: dict[str, dict[str, dict[str, str]]] = field(default_factory=dict)
    _seq: dict[str, int] = field(default_factory=dict)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def read(self) -> None:
        """Take messages until the socket ends."""
        async for text in self.socket:
            message = json.loads(text)
            self._take(message)
            self.messages.append(message)
            self._changed.set()
        self._changed.set()

    def _take(self, message: dict[str, Any]) -> None:
        channel = message.get("channel")
        if channel is None:
            return
        if message["type"] != "snapshot":
            assert message["prev_seq"] == self._seq[channel], message
        self._seq[channel] = message["seq"]
        if channel.startswith("book."):
            if message["type"] == "snapshot":
                self.books[channel] = {"bids": {}, "asks": {}}
            for side in ("bids", "asks"):
                levels = self.books[channel][side]
                for price, quantity in message[side]:
                    levels[price] = quantity
                    if quantity == "0":
                        del levels[price]

    async def say(self, **request: Any) -> None:
        await self.socket.send(json.dumps(request))

    async def subscribe(self, *channels: str) -> None:
        await self.say(op="subscribe", channels=list(channels))

    async def auth(self, user_id: int) -> None:
        await self.say(op="auth", token=f"user:{user_id}")

    async def until(self, holds: Callable[[], Any], what: str = "") -> Any:
        """Wait until a condition about what was received holds, and return it."""
        try:
            async with asyncio.timeout(WAIT_S):
                while not (found := holds()):
                    self._changed.clear()
                    await self._changed.wait()
                return found
        except TimeoutError:
            raise AssertionError(f"waited for {what or holds}; got {self.messages[-20:]}") from None

    async def first(self, **fields: Any) -> dict[str, Any]:
        """Wait for a message with these fields and return it."""
        found: dict[str, Any] = await self.until(
            lambda: next(iter(self.of(**fields)), None), str(fields)
        )
        return found

    def of(self, **fields: Any) -> list[dict[str, Any]]:
        """Return the messages with these fields."""
        return [
            each
            for each in self.messages
            if all(each.get(name) == value for name, value in fields.items())
        ]


@dataclass
class Exchange:
    """Everything a test talks to."""

    engine: EngineClient
    feeds: RealtimeApplication
    url: str

    @asynccontextmanager
    async def client(self, **options: Any) -> AsyncIterator[Client]:
        async with connect(self.url, compression=None, **options) as socket:
            client = Client(socket)
            reader = asyncio.create_task(client.read())
            try:
                yield client
            finally:
                reader.cancel()
                with suppress(asyncio.CancelledError, Exception):
                    await reader

    async def place(self, user_id: int, side: Side, price: int, lots: int, text: str = "") -> int:
        outcome = await self.engine.place(
            user_id=user_id, market_id=BTCUSDT, side=side, price_ticks=price, quantity_lots=lots,
            client_order_id=text,
        )  # fmt: skip
        return outcome.order_id


async def list_things(engine: EngineClient) -> None:
    """BTC with 8 decimals, USDT with 6, tick 0.01, lot 0.0001, and users 1 to 3 with funds."""
    for asset_id, code, decimals in ((BTC, "BTC", 8), (USDT, "USDT", 6)):
        await engine.add_asset(
            asset_id=asset_id, code=code, decimals=decimals, max_total_atoms=INT64_MAX
        )
    await engine.add_market(
        market_id=BTCUSDT, symbol="BTCUSDT", base_asset_id=BTC, quote_asset_id=USDT,
        tick_atoms=10_000, lot_atoms=10_000, maker_fee=1_000, taker_fee=2_000,
    )  # fmt: skip
    for user_id in (1, 2, 3):
        await engine.add_user(user_id=user_id)
        for asset_id, amount in ((BTC, 10**10), (USDT, 10**13)):
            await engine.deposit(
                user_id=user_id,
                asset_id=asset_id,
                amount_atoms=amount,
                business_id=user_id.to_bytes(8, "big") + asset_id.to_bytes(8, "big"),
            )


@asynccontextmanager
async def edge_serving(
    nats_url: str,
    engine_address: str,
    limits: RealtimeLimits = LIMITS,
    verify: Verify = verify,
) -> AsyncIterator[tuple[RealtimeApplication, str]]:
    """An edge on a free port with uvicorn's options as in production."""
    feeds = RealtimeApplication(
        nats_url=nats_url,
        engine_address=engine_address,
        limits=limits,
        verify=verify,
        reads_history=False,
    )
    edge = EdgeApplication(EdgeConfig(web_url="http://127.0.0.1:9"), feeds)
    config = uvicorn.Config(
        edge, host="127.0.0.1", port=0, log_config=None, ws_max_size=16_384, ws_ping_interval=0.5,
        ws_ping_timeout=1.0, ws_per_message_deflate=False, timeout_graceful_shutdown=2,
    )  # fmt: skip
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    task = asyncio.create_task(server.serve())
    try:
        async with asyncio.timeout(WAIT_S):
            while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
                await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield feeds, f"ws://127.0.0.1:{port}/ws/"
    finally:
        server.should_exit = True
        await task


@asynccontextmanager
async def exchange_started(
    nats_url: str, engine_address: str, limits: RealtimeLimits | None = None
) -> AsyncIterator[Exchange]:
    """An exchange with its listings and a live edge."""
    async with EngineClient(engine_address) as engine:
        await engine.wait_ready(WAIT_S)
        await list_things(engine)
        async with edge_serving(nats_url, engine_address, limits or replace(LIMITS)) as served:
            exchange = Exchange(engine, *served)
            await wait_for(lambda: exchange.feeds.states.state == "live", "feeds live")
            yield exchange


async def wait_for(holds: Callable[[], bool], what: str) -> None:
    """Wait until a condition holds; the assertion names what did not happen."""
    try:
        async with asyncio.timeout(WAIT_S):
            while not holds():  # noqa: ASYNC110
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"waited {WAIT_S} s for {what}") from None
