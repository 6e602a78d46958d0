"""Operators act and support finds out, in a real browser, on an exchange that trades."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Site, log_in, picture
from tests.integration.trading.exchange import SYMBOL, Exchange, Trader
from tests.people import PASSWORD

REASON = "Odd prints on the feed, see ticket 4711"
ORDER = {"market": SYMBOL, "side": "BID", "type": "LIMIT", "price": "100", "quantity": "1"}


@pytest.fixture
def busy(exchange: Exchange) -> tuple[Trader, Trader]:
    """Two traders who have traded; each has orders in the book."""
    maker, taker = exchange.trader(), exchange.trader()
    for step in range(12):
        maker.place("ASK", str(60_000 + 5 * step), "0.02")
        taker.place("BID", str(59_990 - 5 * step), "0.015")
        taker.place("BID", None, "0.012")
    exchange.catch_up()
    return maker, taker


def staff(role: str) -> str:
    from tests.people import person

    return person(role, f"{role}-in-a-browser").username


def end_session(page: Page) -> None:
    page.context.clear_cookies()


def chained() -> None:
    from apps.audit.services import outbox_chain

    outbox_chain()


def act(page: Page, button: str) -> None:
    """Use the form that is open: give the reason, and send it with its own button."""
    form = page.locator("dialog #qt-action")
    expect(form).to_be_visible()
    form.locator("textarea").fill(REASON)
    form.get_by_role("button", name=button, exact=True).click()
    expect(page.locator(".qt-banner")).to_contain_text("Done")
    expect(page.get_by_text("Engine command")).to_be_visible()


def test_an_operator_halts_resumes_and_cancels_and_support_finds_who_did_what_and_why(
    page: Page, exchange_site: Site, exchange: Exchange, busy: tuple[Trader, Trader]
) -> None:
    site, taker = exchange_site, busy[1]
    log_in(page, site, staff("operator"), PASSWORD)
    page.goto(f"{site.url}/admin/markets/market/")
    picture(page, "markets-with-buttons")
    page.locator("#result_list").get_by_role("link", name="Halt").click()
    expect(page.locator("dialog #qt-action")).to_contain_text("No orders are taken until")
    picture(page, "halt-dialog")
    act(page, "Halt")
    picture(page, "halt-result")
    refused = taker.post("orders", ORDER)
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "market_not_trading")

    exchange.catch_up()
    page.goto(f"{site.url}/admin/markets/market/1/change/")
    picture(page, "market-halted")
    page.get_by_role("link", name="Resume").click()
    act(page, "Resume")
    order_id = taker.place("BID", "100", "1")["order"]["order_id"]

    exchange.catch_up()
    page.goto(f"{site.url}/admin/trading/openorder/{order_id}/change/")
    picture(page, "order-open")
    page.get_by_role("link", name="Force-cancel").click()
    picture(page, "force-cancel-dialog")
    act(page, "Force-cancel")
    exchange.catch_up()
    canceled = taker.get(f"orders/{order_id}").json()
    assert (canceled["status"], canceled["by_operator"]) == ("CANCELED", True)
    page.goto(f"{site.url}/admin/trading/openorder/{order_id}/change/")
    expect(page.locator(".qt-timeline")).to_contain_text("Canceled by an operator")
    picture(page, "order-canceled")

    chained()
    end_session(page)
    log_in(page, site, staff("support"), PASSWORD)
    page.goto(f"{site.url}/admin/audit/auditentry/")
    page.fill("#searchbar", "odd ticket")
    page.press("#searchbar", "Enter")
    expect(page.locator("#result_list tbody tr")).to_have_count(3)
    picture(page, "audit-found")
    row = page.locator("#result_list tbody tr", has_text="order.force_cancel")
    expect(row).to_contain_text(f"order {order_id}")
    row.locator("th a").click()
    content = page.locator("#content")
    for words in ("o***@example.org (operator)", REASON, "order.force_cancel", "CANCELED"):
        expect(content).to_contain_text(words)
    picture(page, "audit-entry")
    page.goto(f"{site.url}/admin/accounts/user/{taker.user_id}/change/")
    expect(content).to_contain_text("t***@example.com")
    expect(content).not_to_contain_text(re.compile(r"trader\d+@example\.com"))
    expect(page.locator("[data-qt-operation]")).to_have_count(0)
    picture(page, "user-as-support")


def test_a_support_login_tries_ten_forbidden_things_and_nothing_changes(
    page: Page,
    complaints: list[str],
    exchange_site: Site,
    exchange: Exchange,
    busy: tuple[Trader, Trader],
) -> None:
    from apps.accounts.models import User
    from apps.trading.models import OpenOrder, Trade

    site, maker = exchange_site, busy[0]
    name = staff("support")
    log_in(page, site, name, PASSWORD)
    order_id = OpenOrder.objects.values_list("order_id", flat=True)[0]
    support_id = User.objects.get(username=name).pk
    trade = Trade.objects.values_list("event_seq", flat=True)[0]
    tries = [
        f"/admin/act/market.halt/{SYMBOL}/",
        f"/admin/act/market.cancel_only/{SYMBOL}/",
        f"/admin/act/market.set_fees/{SYMBOL}/",
        "/admin/act/market.list/new/",
        "/admin/act/asset.list/new/",
        f"/admin/act/order.force_cancel/{order_id}/",
        f"/admin/act/user.suspend/{maker.user_id}/",
        f"/admin/act/user.set_role/{support_id}/",
        f"/admin/trading/trade/{trade}/delete/",
        "/admin/accounts/user/add/",
    ]

    def everything() -> object:
        users = list(User.objects.order_by("pk").values_list("pk", "role", "is_active"))
        return exchange.history(), users, Trade.objects.count(), OpenOrder.objects.count()

    before = everything()
    send = """async (url) => {
      const form = new FormData();
      const cookie = document.cookie.match(/csrftoken=([^;]+)/);
      form.set("csrfmiddlewaretoken", cookie ? cookie[1] : "");
      form.set("run_id", crypto.randomUUID());
      for (const [name, value] of Object.entries({
        reason: "I want to", role: "operator", maker_fee: "0", taker_fee: "0", post: "yes",
      })) form.set(name, value);
      return (await fetch(url, {method: "POST", body: form})).status;
    }"""
    for url in tries:
        page.goto(f"{site.url}/admin/markets/market/")
        expect(page.locator("[data-qt-operation]")).to_have_count(0)
        assert page.evaluate(send, url) == 403, url
        answer = page.goto(site.url + url)
        assert answer is not None
        assert answer.status == 403, url
        expect(page.get_by_text("You may not see this page.")).to_be_visible()
    assert everything() == before
    assert len(complaints) >= 2 * len(tries)
    assert all("403" in complaint for complaint in complaints), complaints
    complaints.clear()


def test_a_refusal_is_shown_with_its_code(
    page: Page, complaints: list[str], exchange_site: Site, exchange: Exchange
) -> None:
    from engine.proto.records import MarketState

    log_in(page, exchange_site, staff("operator"), PASSWORD)
    page.goto(f"{exchange_site.url}/admin/act/market.halt/{SYMBOL}/")
    picture(page, "halt-page")
    exchange.set_state(MarketState.HALT)
    page.fill("textarea[name=reason]", REASON)
    page.get_by_role("button", name="Halt").click()
    expect(page.get_by_role("alert")).to_contain_text("Refused: nothing_changes")
    picture(page, "refusal")
    assert all("409" in complaint for complaint in complaints), complaints
    complaints.clear()


def fill_charts(now: datetime) -> None:
    """Count an hour and two weeks of a busy exchange, as the jobs do in their time."""
    from apps.console.figures import sample_store
    from apps.console.models import MarketMinute, Series

    for back in range(1, 60):
        minute = now.replace(second=0, microsecond=0) - timedelta(minutes=back)
        trades = 40 + (back * 37) % 23 + (back * back) % 31
        MarketMinute.objects.get_or_create(
            market_id=1,
            minute=minute,
            defaults={
                "trades": trades,
                "quote_volume": Decimal(trades * 731 + (back * 9_973) % 7_000),
                "last_event_seq": back,
            },
        )
        sample_store(Series.MIRROR_LAG_MS, minute, 4 + (back * 13) % 19)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    for back in range(14):
        day = midnight - timedelta(days=back)
        sample_store(Series.NEW_TRADERS, day, 6 + (back * 7) % 9)
        sample_store(Series.DEPOSITS, day, 9 + (back * 11) % 13)


def test_the_dashboard_shows_a_healthy_exchange(
    page: Page, exchange_site: Site, exchange: Exchange, busy: tuple[Trader, Trader]
) -> None:
    from apps.console.figures import trades_count
    from apps.core.models import ProcessState
    from apps.core.services import process_health_record
    from apps.core.types import ProcessReport

    trades_count()
    now = datetime.now(UTC)
    fill_charts(now)
    names = ("books", "edge", "engine", "mirror", "nats", "postgres", "redis", "relay", "web")
    process_health_record(
        reports=[ProcessReport(name, ProcessState.READY, "", 2 + len(name), now) for name in names]
    )
    log_in(page, exchange_site)
    exchange.catch_up()
    page.reload()
    tiles = page.locator(".qt-tile")
    expect(tiles.nth(0)).to_contain_text("Epoch 1")
    expect(tiles.nth(1)).to_contain_text("Ready")
    charts = page.locator(".qt-chart")
    expect(charts).to_have_count(4)
    assert charts.nth(0).locator("rect").count() >= 59
    assert charts.nth(3).locator("rect").count() == 28
    picture(page, "dashboard-healthy")
