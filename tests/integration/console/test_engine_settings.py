"""What the engine holds users, markets and orders to, on their pages."""

from __future__ import annotations

import html
import re

import pytest
from django.test import Client

from engine.proto.records import (
    EventFlag,
    EventType,
    FundsTransferred,
    KillSwitchSet,
    MarketBandsSet,
    MarketState,
    MarketStateSet,
    OrderChanged,
    OrderTerms,
    OrderType,
    RateLimitSet,
    StpMode,
    TimeInForce,
    TradeGroupSet,
    UserFeesSet,
)
from tests.engine_events import BTC, EngineScript
from tests.fixtures_database import DatabaseHandle
from tests.integration.mirror.books_support import book_all, opened, verified
from tests.unit.mirror.stream import AT_US, Tail

STOP = 9_001


@pytest.fixture
def tail(django_database: DatabaseHandle) -> Tail:
    """Settings of all kinds, a stop that waits, and a transfer, in the books."""
    events = Tail(EngineScript().prepare(users=2))
    events.add(EventType.KILL_SWITCH_SET, KillSwitchSet(2, 1), market_id=0)
    events.add(EventType.USER_FEES_SET, UserFeesSet(2, -100, 700, 1))
    events.add(EventType.TRADE_GROUP_SET, TradeGroupSet(2, 5), market_id=0)
    events.add(EventType.RATE_LIMIT_SET, RateLimitSet(2, 50, 10_000_000), market_id=0)
    events.add(EventType.RATE_LIMIT_SET, RateLimitSet(2, 0, 0), market_id=0)
    events.add(EventType.MARKET_BANDS_SET, MarketBandsSet(100, 1, 2, 3, 4, 5, 6, 7))
    events.add(EventType.MARKET_STATE_SET, MarketStateSet(MarketState.AUCTION))
    terms = OrderTerms(STOP, 1, 120, 250, 4, AT_US + 7, 9_000, 0, StpMode.DECREMENT, 5)
    events.add(EventType.ORDER_TERMS, terms)
    events.accept(
        STOP,
        order_type=OrderType.STOP_LOSS_LIMIT,
        tif=TimeInForce.GTD,
        flags=int(EventFlag.PARKED),
    )
    for number, (user_id, amount) in enumerate(((1, -50), (2, 50)), start=1):
        leg = FundsTransferred(user_id, BTC, amount, number, 2, b"\x0d" * 16, b"")
        events.add(EventType.FUNDS_TRANSFERRED, leg, market_id=0)
    with opened(django_database) as books:
        book_all(books, events.events)
    return events


def page(client: Client, path: str) -> str:
    """A page's text without its tags."""
    answer = client.get(f"/admin/{path}")
    assert answer.status_code == 200
    body = answer.content.decode().partition('id="content"')[2]
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())


def test_an_accounts_page_tells_what_is_in_force_for_it(
    tail: Tail, console: Client, django_database: DatabaseHandle
) -> None:
    shown = page(console, "accounts/tradingaccount/2/change/")
    assert "In force at the engine" in shown
    assert "User fees maker -100 · taker 700 · account 2 account 2, BTCUSDT" in shown
    assert "Trade group group 5 · account 2" in shown
    assert "Kill switch on · account 2" in shown
    assert "Rate limit" not in shown  # it was taken back
    other = page(console, "accounts/tradingaccount/1/change/")
    assert "In force at the engine" not in other
    assert f"{STOP} BTCUSDT Sell 1 waits for 1.2 0.001 0.001" in other
    verified(django_database)


def test_a_switch_for_all_is_on_every_page_until_it_is_lifted(
    tail: Tail, console: Client, django_database: DatabaseHandle
) -> None:
    seq = tail.add(EventType.KILL_SWITCH_SET, KillSwitchSet(0, 1), market_id=0)
    with opened(django_database) as books:
        book_all(books, tail.events)
    market = page(console, "markets/market/1/change/")
    assert "A kill switch is on for all." in market
    assert f"Kill switch on · all accounts all {seq}" in market
    assert "Kill switch" in page(console, "accounts/tradingaccount/1/change/")
    tail.add(EventType.KILL_SWITCH_SET, KillSwitchSet(0, 0), market_id=0)
    with opened(django_database) as books:
        book_all(books, tail.events)
    assert "Kill switch" not in page(console, "markets/market/1/change/")


def test_a_market_in_an_auction_shows_its_state_and_limits(tail: Tail, console: Client) -> None:
    shown = page(console, "markets/market/1/change/")
    assert "State Auction" in shown
    assert "Market bands new limits BTCUSDT" in shown
    assert "Auction" in page(console, "markets/market/")


def test_a_waiting_order_shows_its_conditions_and_its_life(
    tail: Tail, console: Client, django_database: DatabaseHandle
) -> None:
    shown = page(console, f"trading/openorder/{STOP}/change/")
    assert "Type Stop loss limit GTD" in shown
    assert "Stop price 1.2 USDT Trails by 2.5 %" in shown
    assert "Displayed 0.0004 BTC" in shown
    assert "Self-trade prevention Decrement" in shown
    assert "State Waiting Leaves 0.001 BTC not in the book yet" in shown
    assert "Accepted: 0.001 BTC at 1 USDT , waits" in shown
    seq = tail.add(EventType.ORDER_TRIGGERED, OrderChanged(STOP, 1, 100, 0, 10, 100_000))
    tail.add(EventType.ORDER_AMENDED, OrderChanged(STOP, 1, 101, -2, 12, 120_000))
    with opened(django_database) as books:
        book_all(books, tail.events)
    shown = page(console, f"trading/openorder/{STOP}/change/")
    assert f"Triggered by event {seq}" in shown
    assert "State Open Leaves 0.0012 BTC still in the book" in shown
    assert "Waits no longer" in shown
    assert "Amended: 0.0002 BTC more at 1.01 USDT" in shown


def test_every_leg_of_a_transfer_leads_to_its_one_transaction(tail: Tail, console: Client) -> None:
    last = len(tail.events) // 128
    for seq in (last - 1, last):
        assert f"Transaction funds:{'0d' * 16}" in page(
            console, f"mirror/engineevent/{seq}/change/"
        )
    assert "Transfer" in page(console, "ledger/transaction/")
    assert "leg 2 of 2" in page(console, "mirror/engineevent/")
