"""Public and private channels end to end: engine, relay, stream, hub, uvicorn, client."""

from __future__ import annotations

from engine.proto.records import MarketState, Side
from tests.integration.realtime.support import BTC, BTCUSDT, USDT, Exchange


async def test_a_book_is_a_snapshot_and_numbered_deltas_that_rebuild_it(exchange: Exchange) -> None:
    resting = await exchange.place(1, Side.BID, 5_000_000, 100)
    async with exchange.client() as client:
        await client.subscribe("book.BTCUSDT")
        snapshot = await client.first(channel="book.BTCUSDT", type="snapshot")
        assert (snapshot["bids"], snapshot["asks"]) == ([["50000", "0.01"]], [])
        await exchange.place(2, Side.ASK, 5_000_100, 30)
        await exchange.engine.move(
            user_id=1, market_id=BTCUSDT, order_id=resting, price_ticks=4_999_900
        )
        expected = {"bids": {"49999": "0.01"}, "asks": {"50001": "0.003"}}
        await client.until(lambda: client.books["book.BTCUSDT"] == expected, "the moved book")
        await exchange.place(3, Side.BID, 5_000_100, 10)
        expected["asks"] = {"50001": "0.002"}
        await client.until(lambda: client.books["book.BTCUSDT"] == expected, "the traded book")


async def test_a_trade_reaches_both_sides_and_the_public_with_their_own_facts_only(
    exchange: Exchange,
) -> None:
    async with exchange.client() as maker, exchange.client() as public:
        await public.subscribe("trades.BTCUSDT", "ticker.BTCUSDT")
        await maker.auth(1)
        await maker.first(type="authenticated", user_id=1)
        await maker.subscribe("orders", "fills", "balances")
        await maker.first(channel="balances", type="snapshot")
        await maker.first(channel="fills", type="snapshot")
        order_id = await exchange.place(1, Side.ASK, 5_000_000, 100, "mine-1")
        opened = await maker.first(channel="orders", type="update")
        assert opened["order"] == {
            "order_id": order_id,
            "client_order_id": "mine-1",
            "symbol": "BTCUSDT",
            "side": "sell",
            "type": "LIMIT",
            "time_in_force": "GTC",
            "price": "50000",
            "quantity": "0.01",
            "remaining": "0.01",
            "status": "open",
            "reason": None,
            "time": opened["order"]["time"],
        }
        await exchange.place(2, Side.BID, 5_000_000, 40, "theirs-1")
        fill = (await maker.first(channel="fills", type="fill"))["fill"]
        del fill["time"]
        assert fill == {
            "trade_id": 1,
            "symbol": "BTCUSDT",
            "order_id": order_id,
            "client_order_id": "mine-1",
            "side": "sell",
            "role": "maker",
            "price": "50000",
            "quantity": "0.004",
            "quote_quantity": "200",
            "fee": "0.2",
            "fee_asset": "USDT",
        }
        told = await public.first(channel="trades.BTCUSDT", type="trades")
        assert set(told) == {"channel", "type", "seq", "prev_seq", "event_seq", "trades"}
        (trade,) = told["trades"]
        assert set(trade) == {"trade_id", "price", "quantity", "side", "time"}
        assert (trade["price"], trade["quantity"], trade["side"]) == ("50000", "0.004", "buy")
        day = await public.first(channel="ticker.BTCUSDT", last="50000")
        assert (day["volume"], day["quote_volume"], day["trades"]) == ("0.004", "200", 1)
        await maker.until(
            lambda: [
                each
                for each in maker.of(channel="balances", type="update")
                if {"asset": "BTC", "available": "99.99", "locked": "0.006"} in each["balances"]
            ],
            "balances after the fill",
        )
        assert maker.of(channel="orders")[-1]["order"]["status"] == "partially_filled"


async def test_private_channels_need_a_login_and_show_nobody_elses(exchange: Exchange) -> None:
    async with exchange.client() as client:
        await client.say(op="subscribe", channels=["orders"], id=7)
        assert (await client.first(type="error", id=7))["error"]["code"] == "auth_required"
        await client.say(op="auth", token="forged", id=8)
        assert (await client.first(type="error", id=8))["error"]["code"] == "token_invalid"
        await exchange.place(1, Side.BID, 5_000_000, 10)
        await client.auth(2)
        await client.subscribe("orders", "fills", "balances")
        assert (await client.first(channel="orders", type="snapshot"))["orders"] == []
        await exchange.place(1, Side.BID, 4_000_000, 10)
        await exchange.place(2, Side.BID, 3_000_000, 10)
        mine = await client.first(channel="orders", type="update")
        assert mine["order"]["price"] == "30000"
        assert len(client.of(channel="orders", type="update")) == 1


async def test_open_orders_from_before_are_in_the_snapshot_and_their_end_is_told(
    exchange: Exchange,
) -> None:
    order_id = await exchange.place(1, Side.BID, 5_000_000, 10, "old")
    async with exchange.client() as client:
        await client.auth(1)
        await client.subscribe("orders")
        (order,) = (await client.first(channel="orders", type="snapshot"))["orders"]
        assert (order["order_id"], order["client_order_id"], order["status"]) == (
            order_id, "old", "open",
        )  # fmt: skip
        await exchange.engine.force_cancel(market_id=BTCUSDT, order_id=order_id)
        ended = (await client.first(channel="orders", type="update"))["order"]
        assert (ended["status"], ended["reason"], ended["remaining"]) == (
            "canceled", "operator", "0",
        )  # fmt: skip


async def test_a_halt_is_told_and_a_market_that_is_new_needs_no_restart(exchange: Exchange) -> None:
    async with exchange.client() as client:
        await client.subscribe("market.BTCUSDT")
        first = await client.first(channel="market.BTCUSDT", type="snapshot")
        assert (first["state"], first["tick"], first["lot"]) == ("TRADING", "0.01", "0.0001")
        await exchange.engine.set_market_state(market_id=BTCUSDT, state=MarketState.HALT)
        await client.first(channel="market.BTCUSDT", type="update", state="HALT")
        await client.say(op="subscribe", channels=["book.BTCNEW"], id=1)
        assert (await client.first(type="error", id=1))["error"]["code"] == "unknown_market"
        await exchange.engine.add_market(
            market_id=9, symbol="BTCNEW", base_asset_id=BTC, quote_asset_id=USDT,
            tick_atoms=10_000, lot_atoms=10_000, maker_fee=0, taker_fee=0,
        )  # fmt: skip
        await client.until(lambda: 9 in exchange.feeds.hub.markets or None, "the new market")
        await client.subscribe("book.BTCNEW")
        book = await client.first(channel="book.BTCNEW", type="snapshot")
        assert (book["bids"], book["asks"]) == ([], [])


async def test_heartbeats_come_without_being_asked_for(exchange: Exchange) -> None:
    async with exchange.client() as client:
        welcome = await client.first(type="welcome")
        assert (welcome["protocol"], welcome["state"]) == (1, "live")
        assert (await client.first(type="heartbeat"))["state"] == "live"
