"""An operator's first look, in a real browser, through the edge."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.e2e.conftest import Site, log_in, picture


def test_an_operator_logs_in_and_reads_dashboard_books_and_events(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/admin/")
    picture(page, "login")
    log_in(page, site)
    tiles = page.locator(".qt-tile")
    expect(tiles.nth(0)).to_contain_text("Epoch 1")
    expect(tiles.nth(2)).to_contain_text("events that this engine never had")
    expect(tiles.nth(3)).to_contain_text("Agrees")
    expect(page.get_by_text("BTCUSDT").first).to_be_visible()
    picture(page, "dashboard")

    page.locator("#nav-sidebar").get_by_role("link", name="Transactions").click()
    expect(page.locator("#result_list")).to_contain_text("Withdrawal")
    picture(page, "transactions")
    page.locator("#result_list tbody th a", has_text=re.compile(r"^\d+$")).nth(5).click()
    expect(page.get_by_text("debits equal credits in every asset.")).to_be_visible()
    picture(page, "transaction")

    page.locator("#nav-sidebar").get_by_role("link", name="Engine events").click()
    expect(page.locator("#result_list")).to_contain_text("account 1003 · Suspended")
    picture(page, "events")
    page.locator("#result_list tbody").nth(8).locator("th a").click()
    expect(page.get_by_text("128 bytes as journaled")).to_be_visible()
    picture(page, "event")


def test_every_list_and_a_filter_work_without_a_complaint(page: Page, site: Site) -> None:
    log_in(page, site)
    links = page.locator("#nav-sidebar-apps a")
    urls = [str(links.nth(index).get_attribute("href")) for index in range(links.count())]
    assert len(urls) == 35
    for url in urls[1:]:
        page.goto(site.url + url)
        expect(page.locator("#content-main")).to_be_visible()
        picture(page, url.strip("/").replace("/", "-"))
    page.goto(f"{site.url}/admin/trading/trade/")
    page.locator("#changelist a", has_text="Filters").first.click()
    picture(page, "filters")
    page.locator("#changelist-filter").get_by_text("ETHUSDT").click()
    expect(page.locator("#result_list")).to_contain_text("ETHUSDT")
    expect(page.locator("#result_list")).not_to_contain_text("BTCUSDT")
    picture(page, "filtered")


def test_the_dashboard_refreshes_itself(page: Page, site: Site) -> None:
    log_in(page, site)
    stamp = page.locator(".qt-asof time")
    first = stamp.inner_text()
    expect(stamp).not_to_have_text(first, timeout=15_000)
    expect(page.locator(".qt-tile")).to_have_count(5)


def test_lists_fit_the_width_of_a_small_laptop(page: Page, site: Site) -> None:
    log_in(page, site)
    for url in (
        "/admin/trading/openorder/",
        "/admin/trading/trade/",
        "/admin/trading/orderhistory/",
        "/admin/ledger/leg/",
        "/admin/ledger/transaction/",
        "/admin/mirror/engineevent/",
        "/admin/mirror/cursor/",
        "/admin/markets/market/",
    ):
        page.goto(site.url + url)
        hidden = page.locator("#result_list").evaluate(
            "table => table.scrollWidth - table.parentElement.clientWidth"
        )
        assert hidden <= 0, f"{url} is {hidden} pixels too wide"
