"""The console shows the books as they are, and leads from each record to its neighbours."""

from __future__ import annotations

import html
import re

import pytest
from django.test import Client

from apps.core.models import ProcessHealth
from apps.core.readonly import display
from apps.trading.models import OpenOrder, OrderHistory, Trade
from tests.integration.console.exchange_day import ALICE, BOB, CAROL, ExchangeDay

pytestmark = pytest.mark.usefixtures("day")


def text_of(client: Client, url: str) -> str:
    """Return the words on a page, with single spaces between them."""
    response = client.get(url)
    assert response.status_code == 200, url
    body = response.content.decode().partition('id="content"')[2]
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split()).replace("\u2013", "-")


def links_of(client: Client, url: str) -> set[str]:
    body = client.get(url).content.decode().partition('id="content"')[2]
    return set(re.findall(r'href="([^"]+)"', body))


def test_a_transaction_shows_its_legs_and_that_they_balance(console: Client) -> None:
    trade = Trade.objects.filter(market_id=1).order_by("event_seq").first()
    assert trade is not None
    page = text_of(console, f"/admin/mirror/engineevent/{trade.event_seq}/change/")
    assert "trade:1:1" in page
    transaction = re.search(
        r"/admin/ledger/transaction/\d+/change/",
        " ".join(links_of(console, f"/admin/trading/trade/{trade.event_seq}/change/")),
    )
    assert transaction is not None
    shown = text_of(console, transaction.group())
    assert (
        "1 Customer funds 1001 BTC 0.15 BTC - "
        "2 Customer funds 1003 BTC - 0.149775 BTC "
        "3 Trading fees house BTC - 0.000225 BTC "
        "4 Customer funds 1003 USDT 9,015 USDT - "
        "5 Customer funds 1001 USDT - 9,005.985 USDT "
        "6 Trading fees house USDT - 9.015 USDT "
        "Sum BTC 0.15 BTC 0.15 BTC "
        "Sum USDT 9,015 USDT 9,015 USDT "
        "6 legs; debits equal credits in every asset."
    ) in shown


def test_order_trade_transaction_and_event_lead_to_each_other(console: Client) -> None:
    trade = Trade.objects.filter(market_id=1).order_by("event_seq").first()
    assert trade is not None
    seq = trade.event_seq
    from_trade = links_of(console, f"/admin/trading/trade/{seq}/change/")
    maker, taker = trade.maker_order_id, trade.taker_order_id
    assert {
        f"/admin/trading/openorder/{maker}/change/",
        f"/admin/trading/openorder/{taker}/change/",
        f"/admin/mirror/engineevent/{seq}/change/",
        "/admin/markets/market/1/change/",
        f"/admin/accounts/tradingaccount/{trade.maker_user_id}/change/",
    } <= from_trade
    for order in (maker, taker):
        found = console.get(f"/admin/trading/openorder/{order}/change/", follow=True)
        assert f"/admin/trading/trade/{seq}/change/" in found.content.decode()
    from_event = links_of(console, f"/admin/mirror/engineevent/{seq}/change/")
    transaction = next(link for link in from_event if link.startswith("/admin/ledger/transaction/"))
    assert {
        f"/admin/trading/trade/{seq}/change/",
        f"/admin/mirror/engineevent/{seq - 1}/change/",
        f"/admin/mirror/engineevent/{seq + 1}/change/",
    } <= from_event
    assert {
        f"/admin/mirror/engineevent/{seq}/change/",
        f"/admin/trading/trade/{seq}/change/",
    } <= links_of(console, transaction)


def test_an_order_is_found_wherever_it_is_now(console: Client) -> None:
    open_id = OpenOrder.objects.values_list("order_id", flat=True)[0]
    ended_id = OrderHistory.objects.values_list("order_id", flat=True)[0]
    for order_id, here, there in (
        (open_id, "openorder", "orderhistory"),
        (ended_id, "orderhistory", "openorder"),
    ):
        moved = console.get(f"/admin/trading/{there}/{order_id}/change/")
        assert moved.status_code == 302
        assert moved.headers["Location"] == f"/admin/trading/{here}/{order_id}/change/"
        assert console.get(moved.headers["Location"]).status_code == 200


def test_an_open_order_shows_its_terms_what_it_holds_and_its_trades(console: Client) -> None:
    order = OpenOrder.objects.filter(side="ASK", executed_quantity__gt=0, market_id=1)[0]
    page = text_of(console, f"/admin/trading/openorder/{order.order_id}/change/")
    for words in (
        "Market BTCUSDT",
        f"Account {ALICE}",
        "Side Sell",
        "Type Limit GTC",
        f"Price {display.amount_text(order.price)} USDT",
        f"Quantity {display.amount_text(order.quantity)} BTC as accepted",
        f"Leaves {display.amount_text(order.leaves_quantity)} BTC still in the book",
        f"Reserved {display.amount_text(order.reserved)} BTC",
        f"Client order id {order.client_order_id}",
        f"Accepted: {display.amount_text(order.quantity)} BTC at",
        "As maker",
    ):
        assert words in page, page


def test_an_operators_cancellation_is_told_as_such(console: Client) -> None:
    forced = OrderHistory.objects.get(by_operator=True)
    page = text_of(console, f"/admin/trading/orderhistory/{forced.order_id}/change/")
    assert "Outcome Canceled" in page
    assert "Ended by Operator" in page


def test_an_event_shows_header_fields_and_its_bytes(console: Client, day: ExchangeDay) -> None:
    page = text_of(console, "/admin/mirror/engineevent/9/change/")
    assert "Type Funds deposited" in page
    assert "amount_atoms 250,000,000,000,000 2,500,000 USDT" in page
    assert f"user_id {ALICE}" in page
    assert bytes(day.events[8 * 128 : 9 * 128]).hex() in page


def test_the_event_list_says_what_happened(console: Client) -> None:
    page = text_of(console, "/admin/mirror/engineevent/")
    assert "User status set - account 1003 · Suspended" in page
    assert "Refused BTCUSDT Place · Insufficient balance" in page


def test_balances_name_assets_and_the_house(console: Client) -> None:
    page = text_of(console, "/admin/ledger/balance/")
    assert "house BTC" in page
    assert f"{ALICE} USDT" in page


def test_searching_finds_whole_numbers_only(console: Client) -> None:
    page = text_of(console, f"/admin/ledger/balance/?q={BOB}")
    assert f"{BOB} BTC" in page
    assert f"{ALICE} BTC" not in page
    assert "0 balances" in text_of(console, "/admin/ledger/balance/?q=100")
    assert "0 balances" in text_of(console, "/admin/ledger/balance/?q=' OR 1=1")
    assert "0 balances" in text_of(console, "/admin/ledger/balance/?q=" + "9" * 40)
    assert "1 transaction" in text_of(console, "/admin/ledger/transaction/?q=trade:1:1")


def test_filters_narrow_lists(console: Client) -> None:
    page = text_of(console, "/admin/trading/trade/?market_id=2")
    rows = page.partition("By market")[0]
    assert "ETHUSDT" in rows
    assert "BTCUSDT" not in rows
    assert "0 trades" in text_of(console, "/admin/trading/trade/?market_id=99")
    refused = text_of(console, "/admin/mirror/engineevent/?type__exact=28")
    assert "1 engine event" in refused
    account = text_of(console, f"/admin/ledger/leg/?user_id={CAROL}&asset_id=1")
    assert f"{CAROL}" in account


def test_periods_and_days_narrow_histories(console: Client) -> None:
    total = Trade.objects.count()
    assert f"{total} trades" in text_of(console, "/admin/trading/trade/?period=24h")
    newest = Trade.objects.order_by("-event_seq")[0].executed_at
    day = f"{newest:%Y-%m-%d}"
    same_day = Trade.objects.filter(executed_at__date=newest.date()).count()
    query = f"?executed_at_from={day}&executed_at_to={day}"
    assert f"{same_day} trade" in text_of(console, f"/admin/trading/trade/{query}")
    assert "0 trades" in text_of(console, "/admin/trading/trade/?executed_at_to=2001-01-01")
    assert "0 trades" in text_of(console, "/admin/trading/trade/?executed_at_from=2101-01-01")
    ignored = "?executed_at_from=notaday&executed_at_to=2026-13-45"
    assert f"{total} trades" in text_of(console, f"/admin/trading/trade/{ignored}")


def test_market_and_conservation_pages_show_exact_terms(console: Client) -> None:
    market = text_of(console, "/admin/markets/market/2/change/")
    for words in ("State Halt", "Tick 0.01 USDT", "Lot 0.0001 ETH", "Taker fee 0.15 %"):
        assert words in market, market
    page = text_of(console, "/admin/ledger/assettotal/")
    assert "ETH 1,499.99999995 ETH 1,500 ETH 0 ETH -0.00000005 ETH Conserved" in page


def test_text_of_traders_and_processes_cannot_become_markup(
    console: Client, sample: ProcessHealth
) -> None:
    ProcessHealth.objects.filter(pk=sample.pk).update(detail="<script>alert(1)</script>")
    for url in ("/admin/core/processhealth/", "/admin/core/processhealth/relay/change/", "/admin/"):
        assert b"<script>alert(1)" not in console.get(url).content
