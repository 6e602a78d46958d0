"""Sub-commands that only look."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from engine.cli.output import Output, Row, row_of
from engine.client import EngineClient, Level, iterate_events
from engine.proto.records import EventType, MarketState, OrderType, Reason, Side


async def asset_id_of(engine: EngineClient, given: str) -> int:
    """An asset by its id or code. LookupError if there is none."""
    if given.isdigit():
        return int(given)
    for asset in await engine.list_assets():
        if asset.code == given:
            return asset.asset_id
    raise LookupError(f"asset {given} is unknown")


async def market_id_of(engine: EngineClient, given: str) -> int:
    """A market by its id or symbol. LookupError if there is none."""
    if given.isdigit():
        return int(given)
    for market in await engine.list_markets():
        if market.symbol == given:
            return market.market_id
    raise LookupError(f"market {given} is unknown")


async def status(engine: EngineClient, _options: Namespace, output: Output) -> None:
    output.row(row_of(await engine.get_status()))


async def assets(engine: EngineClient, _options: Namespace, output: Output) -> None:
    output.table(row_of(asset) for asset in await engine.list_assets())


async def markets(engine: EngineClient, options: Namespace, output: Output) -> None:
    rows = [
        row_of(market, state=MarketState(market.state)) for market in await engine.list_markets()
    ]
    if not options.json:  # all of them are wider than a screen
        names = ("market_id", "symbol", "state", "tick_atoms", "lot_atoms", "maker_fee")
        more = ("taker_fee", "last_price_ticks", "last_trade_id")
        rows = [{name: row[name] for name in (*names, *more)} for row in rows]
    output.table(rows)


def _level(side: str, level: Level) -> Row:
    return {"side": side, **row_of(level)}


async def book(engine: EngineClient, options: Namespace, output: Output) -> None:
    market_id = await market_id_of(engine, options.market)
    if options.follow:
        async for update in engine.subscribe_depth(
            market_id, depth=options.depth, interval_ms=options.interval_ms
        ):
            output.row(row_of(update))
        return
    found = await engine.get_book(market_id, options.depth)
    output.table(
        [
            *(_level("ASK", level) for level in reversed(found.asks)),
            *(_level("BID", level) for level in found.bids),
        ]
    )


async def balances(engine: EngineClient, options: Namespace, output: Output) -> None:
    codes = {asset.asset_id: asset.code for asset in await engine.list_assets()}
    found = await engine.get_balances(options.user)
    output.table(row_of(each, asset=codes.get(each.asset_id, "")) for each in found.balances)


async def orders(engine: EngineClient, options: Namespace, output: Output) -> None:
    market_id = await market_id_of(engine, options.market) if options.market else 0
    found = await engine.list_open_orders(
        user_id=options.user, market_id=market_id, limit=options.limit
    )
    output.table(
        row_of(order, side=Side(order.side), order_type=OrderType(order.order_type))
        for order in found.orders
    )


async def trades(engine: EngineClient, options: Namespace, output: Output) -> None:
    market_ids = [await market_id_of(engine, market) for market in options.markets]
    async for trade in engine.subscribe_trades(*market_ids, from_event_seq=options.from_event_seq):
        output.row(row_of(trade))


async def tickers(engine: EngineClient, options: Namespace, output: Output) -> None:
    market_ids = [await market_id_of(engine, market) for market in options.markets]
    output.table(row_of(ticker) for ticker in await engine.get_tickers(*market_ids))


async def klines(engine: EngineClient, options: Namespace, output: Output) -> None:
    market_id = await market_id_of(engine, options.market)
    found = await engine.get_klines(market_id, options.interval, limit=options.limit)
    output.table(row_of(kline) for kline in found.klines)


async def events(engine: EngineClient, options: Namespace, output: Output) -> None:
    first = options.from_event_seq
    if options.follow:
        batches = engine.subscribe(first, resume=True)
    else:
        last = options.to_event_seq or (await engine.get_status()).event_seq
        if last < first:
            return
        batches = engine.read_events(first, last)
    async for batch in batches:
        for header, body in iterate_events(batch.events):
            named: dict[str, Any] = {
                "type": EventType(header.type),
                "reason": Reason(header.reason),
            }
            output.row({**header._asdict(), **named, "body": body._asdict()})
