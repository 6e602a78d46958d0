"""The hub: order, gaps, sequence numbers, conflation, and what a message may say."""

from __future__ import annotations

import json
from typing import Any

import pytest

from apps.realtime.hub import PUBLIC_FEEDS, GapError, UnknownChannelError
from apps.realtime.limits import RealtimeLimits
from engine.proto.records import Command, CommandType, MarketState, OrderType, Side
from tests.engine_events import BTC, BTCUSDT, ETHBTC, USDT
from tests.unit.realtime.support import Feed, Listener

PUBLIC_FIELDS = {
    "book": {"channel", "type", "seq", "prev_seq", "event_seq", "time", "bids", "asks"},
    "trades": {"channel", "type", "seq", "prev_seq", "event_seq", "trades"},
    "ticker": {
        "channel", "type", "seq", "prev_seq", "event_seq", "last", "open", "high", "low", "change",
        "volume", "quote_volume", "trades", "bid", "ask", "complete",
    },
    "market": {
        "channel", "type", "seq", "prev_seq", "event_seq", "symbol", "state", "base", "quote",
        "tick", "lot", "maker_fee", "taker_fee", "fee_model", "price_min", "price_max",
        "quantity_min", "quantity_max", "notional_min",
    },
}  # fmt: skip


def assert_chained(messages: list[dict[str, Any]]) -> None:
    """Every message names the one before; a snapshot may begin anew."""
    seq: dict[str, int] = {}
    for message in messages:
        if message["type"] != "snapshot":
            assert message["prev_seq"] == seq[message["channel"]]
        seq[message["channel"]] = message["seq"]


def names_in(value: Any) -> set[str]:
    """Every key and every text in a message."""
    if isinstance(value, dict):
        return set(value).union(*(names_in(each) for each in value.values()))
    if isinstance(value, list):
        return set().union(*(names_in(each) for each in value)) if value else set()
    return set()


def test_public_messages_hold_the_listed_fields_and_no_user_or_order_trap_9() -> None:
    feed, listener = Feed(), Listener()
    for name in PUBLIC_FEEDS:
        for symbol in ("BTCUSDT", "ETHUSDT", "ETHBTC"):
            feed.hub.subscribe(f"{name}.{symbol}", listener, None)
    for seed in range(20):
        feed.script.run(20, seed=seed, users=3)
        feed.flow(size=7)
        feed.ask()
        feed.hub.tick_books()
        feed.hub.tick_tickers(feed.kernel.time_us)
    assert {message["channel"].partition(".")[0] for message in listener.messages} == set(
        PUBLIC_FEEDS
    )
    assert_chained(listener.messages)
    for message in listener.messages:
        kind = message["channel"].partition(".")[0]
        assert set(message) <= PUBLIC_FIELDS[kind]
        words = " ".join(names_in(message))
        assert "user" not in words
        assert "order" not in words
        assert "reserve" not in words
        assert "client" not in words


def test_deltas_on_top_of_a_snapshot_are_the_kernels_best_levels() -> None:
    feed, listener = Feed(RealtimeLimits(book_depth=5)), Listener()
    feed.hub.subscribe("book.BTCUSDT", listener, None)
    for seed in range(40):
        feed.script.run(15, seed=seed, users=3)
        feed.flow(size=11)
        feed.ask()
        feed.hub.tick_books()
    sides: dict[str, dict[str, str]] = {}
    for message in listener.messages:
        if message["type"] == "snapshot":
            sides = {"bids": {}, "asks": {}}
        for side, levels in sides.items():
            for price, quantity in message[side]:
                levels[price] = quantity
                if quantity == "0":
                    del levels[price]
    bids, asks = feed.kernel.book(BTCUSDT, 5)
    for side, found in (("bids", bids), ("asks", asks)):
        # Tick 0.01 of a USDT of 6 decimals, lot 0.0001 of a BTC of 8.
        assert sorted(float(price) for price in sides[side]) == sorted(
            level.price_ticks / 100 for level in found
        )
        assert sorted(round(float(lots) * 10_000) for lots in sides[side].values()) == sorted(
            level.quantity_lots for level in found
        )


def test_a_book_is_conflated_to_one_delta_a_tick_and_silent_without_change() -> None:
    feed, listener = Feed(), Listener()
    feed.hub.subscribe("book.BTCUSDT", listener, None)
    feed.hub.tick_books()
    assert [message["type"] for message in listener.take()] == ["snapshot"]
    for _ in range(50):
        feed.script.place(1, Side.BID, 900, 1)
        feed.flow()
    feed.hub.tick_books()
    (delta,) = listener.take()
    assert (delta["type"], delta["bids"]) == ("delta", [["9", "0.005"]])
    feed.hub.tick_books()
    assert listener.take() == []


def test_a_book_is_not_published_in_the_middle_of_a_command() -> None:
    feed, listener = Feed(), Listener()
    feed.script.place(1, Side.ASK, 1_000, 5)
    feed.script.place(1, Side.ASK, 1_001, 5)
    feed.flow()
    feed.hub.subscribe("book.BTCUSDT", listener, None)
    feed.hub.tick_books()
    before = feed.hub.event_seq
    feed.script.place(2, Side.BID, 1_001, 20)
    feed.hub.apply(feed.batch(before + 1, before + 2))  # accepted, and the first of two trades
    listener.take()
    feed.hub.tick_books()
    assert listener.take() == []
    feed.flow()
    feed.hub.tick_books()
    (delta,) = listener.take()
    assert delta["bids"] == [["10.01", "0.001"]]
    assert sorted(delta["asks"]) == [["10", "0"], ["10.01", "0"]]


def test_a_message_is_encoded_once_for_all_subscribers(monkeypatch: pytest.MonkeyPatch) -> None:
    feed = Feed()
    told: list[str] = []

    class Keeper:
        def put(self, text: str) -> None:
            told.append(text)

    for _ in range(20):
        feed.hub.subscribe("trades.BTCUSDT", Keeper(), None)
    told.clear()
    feed.script.place(1, Side.ASK, 1_000, 5)
    feed.script.place(2, Side.BID, 1_000, 5)
    feed.flow()
    assert len(told) == 20
    assert len({id(text) for text in told}) == 1


def test_events_come_once_and_a_gap_or_an_older_epoch_is_an_error() -> None:
    feed, listener = Feed(), Listener()
    feed.hub.subscribe("trades.BTCUSDT", listener, None)
    listener.take()
    begin = feed.hub.event_seq
    feed.script.place(1, Side.ASK, 1_000, 5)
    feed.script.place(2, Side.BID, 1_000, 5)
    feed.flow(epoch=3)
    feed.hub.apply(feed.batch(begin + 1, feed.hub.event_seq, epoch=3))
    assert len(listener.take()) == 1
    feed.script.place(1, Side.ASK, 1_000, 5)
    feed.script.place(1, Side.ASK, 1_000, 5)
    with pytest.raises(GapError, match="expected event"):
        feed.hub.apply(feed.batch(feed.hub.event_seq + 2, feed.kernel.event_seq, epoch=3))
    with pytest.raises(GapError, match="of epoch 2"):
        feed.flow(epoch=2)


def test_after_a_gap_a_load_gives_every_subscriber_a_fresh_snapshot() -> None:
    feed, listener = Feed(), Listener()
    feed.hub.subscribe("orders", listener, 1)
    for name in PUBLIC_FEEDS:
        feed.hub.subscribe(f"{name}.BTCUSDT", listener, None)
    feed.ask()
    feed.hub.tick_books()
    listener.take()
    order_id = feed.script.place(1, Side.BID, 950, 5)
    feed.load()
    feed.hub.tick_books()
    feed.hub.tick_tickers(feed.kernel.time_us)
    fresh = {message["channel"]: message for message in listener.take()}
    assert {name: message["type"] for name, message in fresh.items()} == {
        "orders": "snapshot",
        "book.BTCUSDT": "snapshot",
        "trades.BTCUSDT": "snapshot",
        "market.BTCUSDT": "snapshot",
        "ticker.BTCUSDT": "update",
    }
    assert fresh["book.BTCUSDT"]["bids"] == [["9.5", "0.0005"]]
    assert [order["order_id"] for order in fresh["orders"]["orders"]] == [order_id]


def test_a_market_and_its_terms_are_known_as_soon_as_their_event_came() -> None:
    feed, listener = Feed(), Listener()
    with pytest.raises(UnknownChannelError, match="no market 'BTCNEW'") as refused:
        feed.hub.subscribe("market.BTCNEW", listener, None)
    assert refused.value.code == "unknown_market"
    feed.script.apply(
        Command(
            CommandType.ADD_MARKET, market_id=9, asset_id=BTC, order_id=USDT, price=10**4,
            quantity=10**4, amount=10, ceiling=20, text=b"BTCNEW",
        )
    )  # fmt: skip
    feed.flow()
    feed.hub.subscribe("market.BTCNEW", listener, None)
    (first,) = listener.take()
    assert (first["state"], first["tick"], first["lot"], first["maker_fee"]) == (
        "TRADING", "0.01", "0.0001", "0.00001",
    )  # fmt: skip
    feed.script.apply(
        Command(CommandType.SET_MARKET_STATE, market_id=9, quantity=MarketState.CANCEL_ONLY)
    )
    feed.script.apply(Command(CommandType.SET_MARKET_FEES, market_id=9, amount=5, ceiling=6))
    feed.flow()
    (update,) = listener.take()
    assert (update["state"], update["taker_fee"]) == ("CANCEL_ONLY", "0.000006")


@pytest.mark.parametrize("name", ["book", "book.", "depth.BTCUSDT", "orders.1", "", "book.btcusdt"])
def test_a_channel_that_does_not_exist_is_an_error(name: str) -> None:
    with pytest.raises(UnknownChannelError):
        Feed().hub.subscribe(name, Listener(), 1)


def test_private_channels_tell_a_user_his_own_side_and_nothing_of_the_other() -> None:
    feed, maker, taker = Feed(), Listener(), Listener()
    for name in ("orders", "fills", "balances"):
        feed.hub.subscribe(name, maker, 1)
        feed.hub.subscribe(name, taker, 2)
    feed.ask()
    maker.take(), taker.take()
    maker_order = feed.script.place(1, Side.ASK, 1_000, 50, market_id=ETHBTC, text=b"maker-id")
    feed.script.place(
        2, Side.BID, 0, 20, market_id=ETHBTC, order_type=OrderType.MARKET, text=b"taker-id"
    )
    feed.flow(size=1)
    feed.ask()
    for listener, other in ((maker, "taker-id"), (taker, "maker-id")):
        told = listener.take()
        assert other not in json.dumps(told)
        assert {message["channel"] for message in told} == {"orders", "fills", "balances"}
        assert "user" not in " ".join(names_in(told))
    fills = feed.hub.users[1].fills
    assert fills.seq == 1
    assert [order.order_id for order in feed.kernel.open_orders(1)] == [maker_order]


def test_every_order_in_the_feed_is_the_kernels_after_random_commands() -> None:
    feed, listener = Feed(), Listener()
    feed.hub.subscribe("orders", listener, 2)
    feed.ask()
    (snapshot,) = listener.take()
    open_orders = {order["order_id"]: order["remaining"] for order in snapshot["orders"]}
    for seed in range(30):
        feed.script.run(15, seed=seed, users=3)
        feed.flow(size=5)
    told = listener.take()
    seq = snapshot["seq"]
    for message in told:
        assert message["prev_seq"] == seq
        seq = message["seq"]
        order = message["order"]
        open_orders[order["order_id"]] = order["remaining"]
        if order["status"] in ("filled", "canceled", "expired"):
            del open_orders[order["order_id"]]
    assert set(open_orders) == {order.order_id for order in feed.kernel.open_orders(2)}
    fresh = Listener()
    feed.hub.subscribe("orders", fresh, 2)
    (again,) = fresh.take()
    assert {each["order_id"]: each["remaining"] for each in again["orders"]} == open_orders


def test_events_while_orders_are_asked_for_are_told_after_the_snapshot_and_once() -> None:
    feed, listener = Feed(), Listener()
    feed.hub.subscribe("orders", listener, 1)
    user = feed.hub.users[1]
    feed.script.place(1, Side.BID, 900, 1)
    answer, generation = feed.orders(1), user.generation
    later = feed.script.place(1, Side.BID, 901, 1)
    feed.flow()
    assert listener.take() == []
    user.load_orders(answer, generation)
    snapshot, update = listener.take()
    assert len(snapshot["orders"]) == 1
    assert update["order"]["order_id"] == later


def test_balances_are_asked_for_only_while_somebody_listens_and_tell_what_changed() -> None:
    feed, listener = Feed(), Listener()
    feed.hub.subscribe("balances", listener, 1)
    feed.ask()
    (snapshot,) = listener.take()
    assert [each["asset"] for each in snapshot["balances"]] == ["BTC", "USDT", "ETH"]
    assert list(feed.hub.balances_wanted()) == []
    feed.script.place(1, Side.BID, 1_000, 10)
    feed.flow()
    assert [user.user_id for user in feed.hub.balances_wanted()] == [1]
    feed.ask()
    (update,) = listener.take()
    assert update["balances"] == [{"asset": "USDT", "available": "9999999.99", "locked": "0.01"}]
    assert update["event_seq"] == feed.kernel.event_seq
    feed.hub.unsubscribe("balances", listener, 1)
    assert feed.hub.users == {}


def test_a_self_trade_is_two_fills() -> None:
    feed, listener = Feed(), Listener()
    feed.hub.subscribe("fills", listener, 1)
    feed.ask()
    listener.take()
    feed.script.place(1, Side.ASK, 1_000, 5)
    feed.script.place(1, Side.BID, 1_000, 5)
    feed.flow()
    assert [message["fill"]["role"] for message in listener.take()] == ["maker", "taker"]
