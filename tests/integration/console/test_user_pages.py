"""All about one user on one page: engine beside books, orders, trades, deposits, records."""

from __future__ import annotations

import html
import re
import time
from typing import Final

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.integration.trading.exchange import Exchange, Trader

CHECKPOINTS_MAX: Final = 5


@pytest.fixture
def operator_client(exchange: Exchange) -> Client:
    from tests.integration.console.people import logged_in
    from tests.people import person

    return logged_in(person("operator"))


@pytest.fixture
def support_client(exchange: Exchange) -> Client:
    from tests.integration.console.people import logged_in
    from tests.people import person

    return logged_in(person("support"))


def page_of(client: Client, trader: Trader, model: str = "user") -> str:
    response = client.get(f"/admin/accounts/{model}/{trader.user_id}/change/")
    assert response.status_code == 200
    body = response.content.decode().partition('id="content"')[2]
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())


def queries_of(client: Client, trader: Trader) -> int:
    with CaptureQueriesContext(connection) as queries:
        page_of(client, trader)
    return len(queries)


def test_engine_and_books_stand_side_by_side_and_a_lag_is_no_difference(
    exchange: Exchange, operator_client: Client
) -> None:
    trader = exchange.trader(btc=2, usdt=500)
    exchange.catch_up()
    assert "BTC 2 2 0 2 2 0 Agrees USDT 500 500 0 500 500 0 Agrees" in page_of(
        operator_client, trader
    )
    trader.place("BID", "100", "1")
    page = page_of(operator_client, trader)
    assert "USDT 500 400 100 500 500 0 Moving" in page
    for _ in range(CHECKPOINTS_MAX):
        seq = exchange.catch_up()
        page = page_of(operator_client, trader)
        if f"Engine at event {seq:,}, " in page:  # and has not made its checkpoint meanwhile
            break
    assert "USDT 500 400 100 500 400 100 Agrees" in page
    assert f"Engine at event {seq:,}, books at event {seq:,}." in page


def test_books_that_differ_at_the_same_event_are_marked(
    exchange: Exchange, operator_client: Client
) -> None:
    import psycopg

    trader = exchange.trader(btc=2, usdt=500)
    seq = 0
    while seq != (seq := exchange.catch_up()):  # until the engine has made its checkpoint
        time.sleep(1.5)
    with psycopg.connect(exchange.database.superuser_url, autocommit=True) as tampering:
        tampering.execute("SET session_replication_role = replica")
        tampering.execute(
            "UPDATE ledger_balance SET total = total + 1, available = available + 1"
            " WHERE user_id = %s AND asset_id = 1",
            [trader.user_id],
        )
    assert "BTC 2 2 0 3 3 0 Differs" in page_of(operator_client, trader)


def test_without_the_engine_the_books_are_shown_and_that_is_said(
    exchange: Exchange, operator_client: Client
) -> None:
    trader = exchange.trader(btc=2, usdt=500)
    trader.place("BID", "100", "1")
    exchange.catch_up()
    exchange.process.kill()
    page = page_of(operator_client, trader)
    assert "The engine does not answer" in page
    assert "500 400 100 Not compared" in page
    assert "From the books: the engine does not answer." in page
    assert "BTCUSDT Buy 100 1 1 Force-cancel" in page


def test_orders_trades_with_fees_and_records_are_shown(
    exchange: Exchange, operator_client: Client
) -> None:
    from django.db import transaction

    from apps.audit.services import audit_record, outbox_chain
    from apps.audit.types import system_actor

    maker, taker = exchange.trader(), exchange.trader()
    maker.place("ASK", "100", "2")
    taker.place("BID", None, "1")
    exchange.catch_up()
    with transaction.atomic():
        audit_record(
            actor=system_actor("a job"),
            action="user.look",
            object_type="user",
            object_id=taker.user_id,
            reason="to be found",
        )
    outbox_chain()
    page = page_of(operator_client, taker)
    assert "BTCUSDT Buy market 1 1 Filled" in page
    assert "BTCUSDT Buy 100 1 Taker 0.0015 BTC" in page
    assert "a job user.look" in page
    assert "to be found" in page
    page = page_of(operator_client, maker)
    assert "BTCUSDT Sell 100 1 2 Force-cancel" in page
    assert "BTCUSDT Sell 100 1 Maker 0.1 USDT" in page
    assert "user.look" not in page


def test_support_sees_the_page_masked_and_without_buttons(
    exchange: Exchange, operator_client: Client, support_client: Client
) -> None:
    from apps.accounts.models import User
    from apps.custody.models import AssetNetwork, DepositAddress

    trader = exchange.trader()
    trader.place("BID", "100", "1")
    exchange.catch_up()
    network = AssetNetwork.objects.get(asset_code="BTC")
    address = "bc1q" + "z" * 20 + "longend"
    DepositAddress.objects.create(
        user_id=trader.user_id, network=network, coin="btc", wallet="w", address=address,
        address_key=address, provider_id="p", label="l",
    )  # fmt: skip
    email = User.objects.get(pk=trader.user_id).email
    seen, hidden = page_of(operator_client, trader), page_of(support_client, trader)
    assert email in seen
    assert address in seen
    assert "Suspend trading" in seen
    assert email not in hidden
    assert "t***@example.com" in hidden
    assert address not in hidden
    assert "bc1qzz…ongend" in hidden
    assert "Suspend trading" not in hidden
    assert "Force-cancel" not in hidden


def test_the_number_of_queries_does_not_depend_on_how_much_there_is(
    exchange: Exchange, operator_client: Client
) -> None:
    empty = exchange.trader(btc=0, usdt=0)
    busy, other = exchange.trader(), exchange.trader()
    exchange.catch_up()
    before = queries_of(operator_client, busy)
    for step in range(12):
        busy.place("ASK", str(100 + step), "0.1")
        other.place("BID", None, "0.05")
    exchange.catch_up()
    assert queries_of(operator_client, busy) == before
    assert queries_of(operator_client, empty) == before
    assert before <= 20


def test_a_suspended_trader_is_named_as_such_first(
    exchange: Exchange, operator_client: Client
) -> None:
    from engine.proto.records import UserStatus

    trader = exchange.trader()
    exchange.engine.set_user_status(user_id=trader.user_id, status=UserStatus.SUSPENDED)
    exchange.catch_up()
    page = page_of(operator_client, trader)
    assert page.index("Trading is suspended.") < page.index("Identity")
    assert "Reactivate trading" in page
    account = page_of(operator_client, trader, "tradingaccount")
    assert "Reactivate trading" in account
    assert "BTC 10 10 0 10 10 0 Agrees" in account


def test_a_number_without_a_login_leads_to_its_trading_account(
    exchange: Exchange, operator_client: Client
) -> None:
    exchange.engine.add_user(user_id=77_777)
    exchange.catch_up()
    moved = operator_client.get("/admin/accounts/user/77777/change/")
    assert (moved.status_code, moved.headers["Location"]) == (
        302, "/admin/accounts/tradingaccount/77777/change/",
    )  # fmt: skip
    assert operator_client.get("/admin/accounts/user/77778/change/").status_code == 404
