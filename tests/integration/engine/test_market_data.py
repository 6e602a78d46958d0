"""Books, trades, tickers and klines of a real engine, against its own journal."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TypeVar

import pytest
from grpc import aio

from engine.client import (
    BestPrices,
    DepthUpdate,
    EngineClient,
    EngineRefused,
    EngineUnavailable,
    InvalidRequest,
    Level,
    LocalBook,
)
from engine.client.market_data import INTERVALS
from engine.journal import journal_records
from engine.kernel import load_kernel
from engine.kernel.interface import LevelView
from engine.proto import engine_pb2 as pb
from engine.proto import engine_pb2_grpc as pb_grpc
from engine.proto.records import Side
from engine.service.market.bars import BARS_MAX, MarketBars
from engine.service.market.bars import INTERVALS as BAR_INTERVALS
from engine.service.market.scan import seconds, trades
from tests.fixtures_engine import EngineFactory, EngineUnderTest
from tests.integration.engine.support import BUYER, MARKET, SELLER, set_up

T = TypeVar("T")
DEPTH = 4
Bars = dict[str, list[tuple[int, ...]]]


async def trade_at_random(client: EngineClient, count: int, seed: int = 1) -> None:
    """Orders of two users around one price, some of them cancelled again."""
    chance = random.Random(seed)
    for _ in range(count):
        side = chance.choice([Side.ASK, Side.BID])
        outcome = await client.place(
            user_id=SELLER if side is Side.ASK else BUYER,
            market_id=MARKET,
            side=side,
            price_ticks=1000 + chance.randint(-6, 6),
            quantity_lots=chance.randint(1, 9),
        )
        if outcome.leaves_lots and chance.random() < 0.3:
            await client.cancel(
                user_id=SELLER if side is Side.ASK else BUYER,
                market_id=MARKET,
                order_id=outcome.order_id,
            )


async def first(stream: AsyncIterator[T]) -> T:
    return await asyncio.wait_for(anext(stream), 20)


def journaled(engine: EngineUnderTest) -> bytes:
    return b"".join(bytes(record.events) for record in journal_records(engine.data_dir))


def books_of_journal(
    engine: EngineUnderTest, depth: int
) -> dict[int, tuple[list[LevelView], list[LevelView]]]:
    """The book behind each record of the journal, by its last event."""
    kernel = load_kernel("reference")
    books = {}
    for record in journal_records(engine.data_dir):
        kernel.apply(bytes(record.commands), record.time_us)
        book = kernel.book(MARKET, depth)
        if book is not None:
            books[kernel.event_seq] = book
    return books


async def test_a_followed_book_is_the_kernels_at_every_update(
    engine: EngineUnderTest, client: EngineClient
) -> None:
    trading = asyncio.create_task(trade_at_random(client, 300))
    updates: list[DepthUpdate] = []
    stream = client.subscribe_depth(MARKET, depth=DEPTH, interval_ms=10)
    while not trading.done() or len(updates) < 2:
        updates.append(await first(stream))
        if trading.done():
            break
    newest = await client.get_book(MARKET, DEPTH)
    last = asyncio.create_task(first(stream))  # what the pause before it kept back, if anything
    await asyncio.wait((last,), timeout=1)
    if last.done():
        updates.append(last.result())
    last.cancel()
    books, own = books_of_journal(engine, DEPTH), LocalBook()
    assert [update.is_snapshot for update in updates] == [True] + [False] * (len(updates) - 1)
    assert len(updates) > 10
    for update in updates:
        own.apply(update)
        bids, asks = books[update.event_seq]
        assert list(own.bids) == [Level(**level._asdict()) for level in bids]
        assert list(own.asks) == [Level(**level._asdict()) for level in asks]
    assert (own.bids, own.asks) == (newest.bids, newest.asks)


async def test_the_best_prices_are_told_when_they_change(client: EngineClient) -> None:
    best = client.subscribe_best(MARKET, interval_ms=10)
    empty = await first(best)
    assert (empty.bid, empty.ask) == (None, None)
    placed = await client.place(
        user_id=BUYER, market_id=MARKET, side=Side.BID, price_ticks=90, quantity_lots=3
    )
    assert await first(best) == BestPrices(
        market_id=MARKET,
        event_seq=placed.first_event_seq,
        bid=Level(price_ticks=90, quantity_lots=3, orders=1),
        ask=None,
    )
    await client.place(
        user_id=BUYER, market_id=MARKET, side=Side.BID, price_ticks=80, quantity_lots=3
    )
    await client.cancel(user_id=BUYER, market_id=MARKET, order_id=placed.order_id)
    after = await first(best)
    assert after.bid == Level(price_ticks=80, quantity_lots=3, orders=1)


async def test_a_subscriber_is_told_at_his_own_pace(client: EngineClient) -> None:
    slow = client.subscribe_depth(MARKET, interval_ms=1_000)
    fast = client.subscribe_depth(MARKET, interval_ms=10)
    counts = {"slow": 0, "fast": 0}

    async def count(name: str, stream: AsyncIterator[DepthUpdate]) -> None:
        async for _ in stream:
            counts[name] += 1

    tasks = [asyncio.create_task(count(*each)) for each in (("slow", slow), ("fast", fast))]
    async with asyncio.timeout(30):
        while counts["fast"] < 20:
            await trade_at_random(client, 5, seed=counts["fast"])
    for task in tasks:
        task.cancel()
    assert 1 <= counts["slow"] <= 1 + counts["fast"] // 4


async def test_trades_come_whole_from_any_event_on(
    engine: EngineUnderTest, client: EngineClient
) -> None:
    await trade_at_random(client, 60)
    expected = list(trades(journaled(engine)))
    assert len(expected) > 10
    stream = client.subscribe_trades(MARKET, from_event_seq=1)
    found = [await first(stream) for _ in expected]
    assert [tuple(getattr(each, name) for name in expected[0]._fields) for each in found] == [
        tuple(each) for each in expected
    ]
    middle = expected[len(expected) // 2]
    resumed = client.subscribe_trades(from_event_seq=middle.event_seq)
    assert (await first(resumed)).trade_id == middle.trade_id
    from_now_on = client.subscribe_trades(MARKET)
    waiting = asyncio.create_task(first(from_now_on))
    await asyncio.sleep(0.5)
    await trade_at_random(client, 30, seed=2)
    assert (await waiting).trade_id == expected[-1].trade_id + 1


async def expected_klines(engine: EngineUnderTest) -> Bars:
    """By interval: open time, prices, volumes and trade ids, from the journal alone."""
    market = MarketBars()
    for _, bar in seconds(journaled(engine)):
        market.add(bar)
    return {
        interval: [tuple(bar) for bar in market.bars(interval, 0, 2**62, BARS_MAX)]
        for interval in BAR_INTERVALS
    }


async def klines_of(client: EngineClient) -> Bars:
    found: Bars = {}
    for interval in INTERVALS:
        klines = await client.get_klines(MARKET, interval, limit=BARS_MAX)
        assert (klines.market_id, klines.interval) == (MARKET, interval)
        assert klines.complete_from_us == 0
        found[interval] = [
            (
                *(kline.open_us, kline.open_price_ticks, kline.high_price_ticks),
                *(kline.low_price_ticks, kline.close_price_ticks, kline.volume_lots),
                *(kline.quote_volume, kline.buy_volume_lots, kline.buy_quote_volume),
                *(kline.first_trade_id, kline.last_trade_id),
            )
            for kline in klines.klines
        ]
    return found


async def counted_up(engine: EngineUnderTest) -> None:
    await asyncio.to_thread(engine.wait_for_log, "bars_ready")


async def test_klines_and_tickers_survive_restarts(engine_process: EngineFactory) -> None:
    engine = engine_process()
    async with EngineClient(engine.address) as client:
        await client.wait_ready(10)
        await set_up(client)
        await counted_up(engine)
        await trade_at_random(client, 80)
        expected = await expected_klines(engine)
        assert await klines_of(client) == expected
        (ticker,) = await client.get_tickers(MARKET)
    day = expected["1d"][-1]
    assert len(expected["1d"]) == 1, "the test ran over midnight"
    assert (
        *(ticker.open_price_ticks, ticker.high_price_ticks, ticker.low_price_ticks),
        *(ticker.last_price_ticks, ticker.volume_lots, ticker.quote_volume),
        *(ticker.first_trade_id, ticker.last_trade_id),
    ) == (*day[1:7], *day[9:])

    def stop(engine: EngineUnderTest) -> None:
        assert engine.stop() == 0

    def kill(engine: EngineUnderTest) -> None:
        engine.kill()

    def kill_without_file(engine: EngineUnderTest) -> None:
        engine.kill()
        (engine.data_dir / "bars").unlink()

    def kill_with_damage(engine: EngineUnderTest) -> None:
        engine.kill()
        path = engine.data_dir / "bars"
        path.write_bytes(path.read_bytes().replace(b'"event_seq":', b'"event_seq":1'))

    for number, end in enumerate((stop, kill, kill_without_file, stop, kill_with_damage)):
        await asyncio.to_thread(end, engine)
        engine = engine_process()
        async with EngineClient(engine.address) as client:
            await client.wait_ready(10)
            await counted_up(engine)
            assert await klines_of(client) == await expected_klines(engine)
            assert (await client.get_tickers())[0].volume_lots >= ticker.volume_lots
            await trade_at_random(client, 10, seed=number)
            assert await klines_of(client) == await expected_klines(engine)
    assert "its checksum does not agree" in engine.wait_for_log("bars_passed_over")["detail"]


async def test_bars_of_another_journal_are_not_taken(
    engine_process: EngineFactory, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        engine = engine_process(data_dir=tmp_path / name)
        async with EngineClient(engine.address) as client:
            await client.wait_ready(10)
            await set_up(client)
            await counted_up(engine)
            await trade_at_random(client, 20, seed=len(name))
        assert await asyncio.to_thread(engine.stop) == 0
    (tmp_path / "one" / "bars").replace(tmp_path / "two" / "bars")
    engine = engine_process(data_dir=tmp_path / "two")
    detail = (await asyncio.to_thread(engine.wait_for_log, "bars_passed_over"))["detail"]
    assert detail.endswith("of this journal is another one")
    async with EngineClient(engine.address) as client:
        await counted_up(engine)
        assert await klines_of(client) == await expected_klines(engine)


async def test_klines_and_tickers_are_told_when_they_change(
    engine: EngineUnderTest, client: EngineClient
) -> None:
    await counted_up(engine)
    await trade_at_random(client, 20)
    klines = client.subscribe_klines(MARKET, intervals=["1M", "1s"], interval_ms=10)
    month, second = await first(klines), await first(klines)
    assert (month.interval, second.interval) == ("1M", "1s")
    assert [kline.is_closed for kline in month.klines] == [False]
    before = month.klines[-1]
    tickers = client.subscribe_tickers(MARKET, interval_ms=10)
    old = await first(tickers)
    while not (await first(klines)).klines[0].is_closed:
        pass  # the second ends by itself
    await trade_at_random(client, 20, seed=5)
    async with asyncio.timeout(20):
        async for update in klines:
            if update.interval == "1M":
                break
    (after,) = update.klines
    assert (after.open_us, after.first_trade_id) == (before.open_us, before.first_trade_id)
    assert after.volume_lots > before.volume_lots
    assert (await first(tickers)).volume_lots > old.volume_lots


async def test_wrong_subscriptions_are_refused(
    engine: EngineUnderTest, client: EngineClient
) -> None:
    await counted_up(engine)
    for stream, sentence in (
        (client.subscribe_depth(), r"markets were 0, expected 1\.\.100"),
        (client.subscribe_depth(*range(1, 102)), r"markets were 101, expected 1\.\.100"),
        (client.subscribe_depth(MARKET, depth=1_001), "depth was 1001, expected at most 1000"),
        (client.subscribe_best(MARKET, interval_ms=9), r"interval was 9 ms, expected 10\.\.60000"),
        (client.subscribe_klines(MARKET, intervals=["7m"]), "intervals were '7m', expected of 1s"),
        (client.subscribe_klines(MARKET, intervals=[]), "intervals were '', expected of 1s"),
        (client.subscribe_trades(MARKET, interval_ms=60_001), "interval was 60001, expected at"),
    ):
        with pytest.raises(InvalidRequest, match=sentence):
            await first(stream)
    for call in (first(client.subscribe_depth(MARKET, 9)), client.get_klines(9, "1m")):
        with pytest.raises(LookupError, match="market 9 is unknown"):
            await call
    with pytest.raises(LookupError, match="event sequence was 999999, expected within"):
        await first(client.subscribe_trades(from_event_seq=999_999))
    async with aio.insecure_channel(engine.address) as channel:
        stub = pb_grpc.MarketDataServiceStub(channel)
        opened = [stub.SubscribeBest(pb.BestRequest(market_ids=[MARKET])) for _ in range(256)]
        for each in opened:
            assert (await anext(aiter(each))).market_id == MARKET
        with pytest.raises(EngineUnavailable, match="256 subscriptions are open") as full:
            await first(client.subscribe_best(MARKET))
        assert full.value.code == "SUBSCRIPTIONS_FULL"
        for each in opened:
            each.cancel()
    for _ in range(100):
        try:
            await first(client.subscribe_best(MARKET))
        except EngineUnavailable:
            await asyncio.sleep(0.1)
        else:
            break
    with pytest.raises(EngineRefused):
        await client.cancel(user_id=BUYER, market_id=MARKET, order_id=1)
