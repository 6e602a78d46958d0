"""Engine or stream down: sockets stay open, are told so, and get fresh snapshots afterwards."""

from __future__ import annotations

import asyncio

from engine.client import EngineClient
from engine.proto.records import Side
from tests.fixtures_engine import EngineFactory
from tests.integration.realtime.support import Exchange, edge_serving, exchange_started
from tests.integration.relay.conftest import OwnNats
from tests.integration.relay.support import relay_running


async def test_a_killed_engine_leaves_sockets_open_and_comes_back_with_snapshots(
    own_nats: OwnNats, engine_process: EngineFactory
) -> None:
    engine = engine_process()
    address = engine.address
    with relay_running(engine.data_dir, own_nats.url, "--engine", address):
        async with exchange_started(own_nats.url, address) as exchange, exchange.client() as client:
            await exchange.place(1, Side.BID, 5_000_000, 10)
            await client.auth(1)
            await client.subscribe("book.BTCUSDT", "orders", "balances")
            await client.first(channel="book.BTCUSDT", type="snapshot")
            await client.first(channel="balances", type="snapshot")
            await asyncio.to_thread(engine.kill)
            down = await client.first(type="status", state="down")
            assert (down["engine"], down["stream"]) == ("down", "up")
            client.messages.clear()
            await asyncio.to_thread(engine_process, "--listen", address)
            await client.first(type="status", state="live")
            book = await client.first(channel="book.BTCUSDT", type="snapshot")
            assert book["bids"] == [["50000", "0.001"]]
            assert len((await client.first(channel="orders", type="snapshot"))["orders"]) == 1
            await client.first(channel="balances", type="snapshot")
            async with EngineClient(address) as fresh:
                await Exchange(fresh, exchange.feeds, exchange.url).place(
                    2, Side.ASK, 5_000_000, 10
                )
            await client.until(
                lambda: client.books["book.BTCUSDT"] == {"bids": {}, "asks": {}}, "the trade"
            )
            filled = client.of(channel="orders", type="update")[-1]["order"]
            assert filled["status"] == "filled"


async def test_what_happened_while_nats_was_down_is_told_when_it_is_back(
    own_nats: OwnNats, engine_process: EngineFactory
) -> None:
    engine = engine_process()
    address = engine.address
    with relay_running(engine.data_dir, own_nats.url, "--engine", address):
        async with exchange_started(own_nats.url, address) as exchange, exchange.client() as client:
            await client.auth(1)
            await client.subscribe("book.BTCUSDT", "fills", "trades.BTCUSDT")
            await client.first(channel="fills", type="snapshot")
            await exchange.place(1, Side.BID, 5_000_000, 10)
            await client.until(lambda: client.books.get("book.BTCUSDT", {}).get("bids"))
            await asyncio.to_thread(own_nats.process.kill)
            down = await client.first(type="status", state="down")
            assert (down["engine"], down["stream"]) == ("up", "down")
            client.messages.clear()
            await exchange.place(2, Side.ASK, 5_000_000, 4)
            await asyncio.to_thread(own_nats.process.start)
            await client.first(type="status", state="live")
            await client.first(channel="book.BTCUSDT", type="snapshot")
            missed = await client.first(channel="fills", type="fill")
            assert missed["fill"]["quantity"] == "0.0004"
            (trade,) = (await client.first(channel="trades.BTCUSDT", type="trades"))["trades"]
            assert trade["trade_id"] == 1
            after = {"bids": {"50000": "0.0006"}, "asks": {}}
            await client.until(lambda: client.books["book.BTCUSDT"] == after, "the book afterwards")


async def test_an_edge_without_engine_and_stream_serves_sockets_and_says_so() -> None:
    async with edge_serving("nats://127.0.0.1:9", "127.0.0.1:9") as (feeds, url):
        exchange = Exchange(None, feeds, url)  # type: ignore[arg-type]
        async with exchange.client() as client:
            assert (await client.first(type="welcome"))["state"] == "down"
            await client.say(op="subscribe", channels=["book.BTCUSDT"], id=1)
            assert (await client.first(type="error", id=1))["error"]["code"] == "not_ready"
