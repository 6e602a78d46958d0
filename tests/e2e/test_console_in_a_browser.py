"""An operator's first look, in a real browser, through the edge."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.e2e.conftest import ROOT, Site

CHROMIUM = Path("/usr/bin/chromium")
INSTALL = "apt-get update && apt-get install -y chromium"
SCREENSHOTS = ROOT / "var" / "screenshots"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
ABORTED = "net::ERR_ABORTED"
TELL_VIOLATIONS = """
document.addEventListener("securitypolicyviolation", (event) => {
  console.error(`policy: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`);
});
"""


@pytest.fixture
def page() -> Iterator[Page]:
    """A page of 1366 x 768; whatever the browser complained about fails the test at its end."""
    if not CHROMIUM.exists():
        pytest.fail(f"{CHROMIUM} is missing; install it with: {INSTALL}")
    complaints: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_context(viewport={"width": 1366, "height": 768}).new_page()
        page.add_init_script(TELL_VIOLATIONS)
        page.on("console", lambda m: complaints.append(m.text) if m.type != "log" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "requestfailed",
            # What a page was still loading when the next one was opened is no complaint.
            lambda r: complaints.append(f"{r.url}: {r.failure}") if r.failure != ABORTED else None,
        )
        page.on(
            "response",
            lambda r: complaints.append(f"{r.status} {r.url}") if r.status >= 400 else None,
        )
        yield page
        browser.close()
    assert complaints == []


def picture(page: Page, name: str) -> None:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"console-{name}.png")


def log_in(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/admin/")
    page.fill("input[name=username]", site.username)
    page.fill("input[name=password]", site.password)
    page.get_by_role("button", name="Log in").click()
    expect(page.locator("#qt-dashboard")).to_be_visible()


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
    assert len(urls) == 34
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
