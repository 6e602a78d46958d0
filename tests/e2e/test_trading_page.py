"""A trader's day on the page at `/`, in a real browser, on an installation of its own."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from engine.client import SyncEngineClient
from quantatrade.bootstrap.ports import NAMES as PORT_NAMES
from tests.browser import Watched, chromium, watched
from tests.e2e.installation import Installation, wait_until
from tests.e2e.trading_floor import PASSWORD, Trader, quote_levels

WIDE: Final = (1366, 768)
PHONE: Final = (390, 844)
MARKET: Final = "BTCUSDT"
ENGINE_PORT: Final = PORT_NAMES.index("engine")
PATIENCE_MS: Final = 20_000
TRANSFERRED_BYTES_MAX: Final = 160_000  # of a first visit; 60 % of it is the chart's library
LINE_LOST: Final = ("WebSocket connection", "Failed to load resource", "ERR_CONNECTION_REFUSED")
STATE: Final = """
from apps.accounts.models import User
from apps.audit.actions import action_run
from apps.markets.actions import MarketHalt, MarketResume
action_run({action}(symbol="BTCUSDT"), actor=User.objects.get(username="operator"),
           reason="a test of the page", request_id="", address="")
"""


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A running exchange with one market and somebody who quotes in it."""
    made = Installation(var=tmp_path_factory.mktemp("trading-page") / "var")
    up = made.manage("up", "--detach", "--no-demo")
    assert up.returncode == 0, up.stdout + up.stderr
    try:
        manage(made, "create_market", "BTC", "USDT", "--tick", "0.01", "--lot", "0.00001",
               "--min-notional", "5", "--maker-fee", "0.0008", "--taker-fee", "0.001")  # fmt: skip
        yield made
    finally:
        made.manage("down")


@pytest.fixture(scope="module")
def maker(installation: Installation) -> Iterator[Trader]:
    found = Trader.register(url_of(installation), "maker@example.org")
    with SyncEngineClient(f"127.0.0.1:{installation.port_base + ENGINE_PORT}") as engine:
        for asset in engine.list_assets():  # past the custodian, who is shown elsewhere
            engine.deposit(
                user_id=found.user_id,
                asset_id=asset.asset_id,
                amount_atoms=5_000_000 * 10**asset.decimals,
                business_id=f"maker-{asset.code}".rjust(16).encode(),
            )
    quote_levels(found, MARKET, "64250", "3.17", "0.012", 22)
    yield found
    found.client.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


def url_of(installation: Installation) -> str:
    return f"http://127.0.0.1:{installation.port_base}"


def manage(installation: Installation, *arguments: str) -> str:
    result = installation.manage(*arguments)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def credit(installation: Installation, email: str, asset: str, amount: str) -> None:
    manage(installation, "credit", "--user", email, "--asset", asset, "--amount", amount)


def opened(browser: Browser, installation: Installation, size: tuple[int, int]) -> Watched:
    found = watched(browser, *size)
    found.page.goto(f"{url_of(installation)}/")
    expect(found.page.locator("#line-state")).to_have_text("live", timeout=PATIENCE_MS)
    return found


def register(page: Page, email: str) -> None:
    page.click("#open-register")
    page.fill("#login-form [name=email]", email)
    page.fill("#login-form [name=password]", PASSWORD)
    page.click("#login-submit")
    expect(page.get_by_role("button", name="Log out")).to_be_visible(timeout=PATIENCE_MS)
    expect(page.locator("#available")).to_have_text("0 USDT", timeout=PATIENCE_MS)


def rest_of(installation: Installation, email: str, *paths: str) -> list[Any]:
    """What REST says to a trader, in a session of its own."""
    base = f"{url_of(installation)}/api/v1/"
    with httpx.Client(base_url=base, trust_env=False, timeout=30) as client:
        session = client.post("auth/login", json={"email": email, "password": PASSWORD}).json()
        client.headers["Authorization"] = f"Bearer {session['access_token']}"
        return [client.get(path).json() for path in paths]


def shown_balances(page: Page) -> dict[str, tuple[str, str]]:
    page.click("#tab-balances")
    rows = page.locator("#pane-balances tbody tr")
    expect(rows.first).to_be_visible()
    cells = [row.locator("td").all_inner_texts() for row in rows.all()]
    return {row[0]: (row[1].replace(",", ""), row[2].replace(",", "")) for row in cells}


def test_the_page_shows_the_live_market_and_asks_no_other_host(
    installation: Installation, maker: Trader, browser: Browser
) -> None:
    found = opened(browser, installation, WIDE)
    page = found.page
    expect(page.locator("#symbol")).to_have_text(MARKET)
    expect(page.locator("#asks li[data-ticks]")).to_have_count(20)
    expect(page.locator("#bids li[data-ticks]")).to_have_count(20)
    expect(page.locator("#asks li").last.locator("span").first).to_have_text("64,253.17")
    expect(page.locator("#bids li").first.locator("span").first).to_have_text("64,246.83")
    maker.place(MARKET, "BID", "0.2", "64253.17")  # takes his own best offer, and rests
    trades = page.locator("#trades li[data-trade]")
    expect(trades).to_have_count(1, timeout=PATIENCE_MS)
    maker.place(MARKET, "ASK", "0.05", "64253.17")
    expect(trades).to_have_count(2, timeout=PATIENCE_MS)
    expect(trades.first).to_contain_text("0.05000")
    expect(page.locator("#bids li").first.locator("span").first).to_have_text("64,253.17")
    expect(page.locator("#last")).to_have_text("64,253.17", timeout=PATIENCE_MS)
    hosts = {urlsplit(url).netloc for url in found.requests}
    assert hosts == {urlsplit(url_of(installation)).netloc}
    sizes = page.evaluate(
        "performance.getEntriesByType('resource').map((entry) => entry.transferSize)"
    )
    assert 0 < sum(sizes) < TRANSFERRED_BYTES_MAX
    assert found.complaints == []


def test_nothing_of_the_page_is_hidden_on_a_small_laptop_or_a_phone(
    installation: Installation, maker: Trader, browser: Browser
) -> None:
    del maker
    for size in (WIDE, PHONE):
        found = opened(browser, installation, size)
        page = found.page
        tabs = page.locator(".tabs button")
        for tab in tabs.all() if size == PHONE else tabs.all()[:0]:
            tab.click()
            assert_fits(page, size)
        assert_fits(page, size)
        assert found.complaints == []


def assert_fits(page: Page, size: tuple[int, int]) -> None:
    shown = page.evaluate(
        "[document.documentElement.scrollWidth, document.documentElement.scrollHeight]"
    )
    assert tuple(shown) == size


def test_a_new_trader_registers_trades_and_sees_exactly_what_rest_says(
    installation: Installation, maker: Trader, browser: Browser
) -> None:
    found = opened(browser, installation, WIDE)
    page = found.page
    register(page, "ann@example.org")
    credit(installation, "ann@example.org", "USDT", "25000")
    expect(page.locator("#available")).to_have_text("25000 USDT", timeout=PATIENCE_MS)

    # An order that rests: known from the book and the open orders over the socket.
    page.fill("#price", "64240.01")
    page.fill("#quantity", "0.1")
    expect(page.locator("#total")).to_have_value("6424.001")
    expect(page.locator("#fee-maker")).to_have_text("0.00008 BTC")
    expect(page.locator("#fee-taker")).to_have_text("0.0001 BTC")
    page.click("#place")
    expect(page.locator("#placed")).to_contain_text("Resting in the book", timeout=PATIENCE_MS)
    row = page.locator("#pane-open tbody tr")
    expect(row).to_contain_text("64,240.01")
    level = page.locator("#bids li", has_text="64,240.01")
    expect(level).to_contain_text("0.10000")
    assert shown_balances(page)["USDT"] == ("18575.999", "6424.001")

    page.click("#tab-open")
    row.get_by_role("button", name="Cancel").click()
    expect(row).to_have_count(0, timeout=PATIENCE_MS)
    expect(level).to_have_count(0)

    # What is against an order is said before it is sent.
    page.fill("#quantity", "0.1")
    page.fill("#price", "64240.005")
    expect(page.locator("#problems")).to_have_text("The price goes in steps of 0.01.")
    page.fill("#price", "1")
    expect(page.locator("#problems")).to_contain_text("the least is 5 USDT")
    page.fill("#price", "64240")
    page.fill("#quantity", "1")
    expect(page.locator("#problems")).to_have_text(
        "This needs 64240 USDT; you have 25000 USDT available."
    )

    # A market order over two levels: the fee that was told is the fee that is taken.
    page.select_option("#type", "MARKET")
    page.fill("#quantity", "0.123")
    expect(page.locator("#fee-taker")).to_have_text("0.000123 BTC")
    page.click("#place")
    expect(page.locator("#placed")).to_contain_text("Filled", timeout=PATIENCE_MS)
    expect(page.locator("#placed")).to_contain_text("0.000123 BTC")
    page.click("#tab-fills")
    expect(page.locator("#pane-fills tbody tr").first).to_be_visible(timeout=PATIENCE_MS)
    trades, holdings = rest_of(installation, "ann@example.org", "trades", "balances")
    fills = trades["items"]
    assert sum(Decimal(fill["fee"]) for fill in fills) == Decimal("0.000123")
    assert page.locator("#pane-fills tbody tr").count() == len(fills)
    balances = {each["asset"]: (each["available"], each["locked"]) for each in holdings["balances"]}
    assert balances["BTC"] == ("0.122877", "0")
    wait_until(lambda: shown_balances(page) == balances, "the balances that REST has", 10)
    assert found.complaints == []


def test_a_session_outlives_a_reload_and_its_end_is_told(
    installation: Installation, maker: Trader, browser: Browser
) -> None:
    del maker
    found = opened(browser, installation, WIDE)
    page = found.page
    register(page, "ben@example.org")
    page.reload()
    expect(page.locator("#who .name")).to_have_text("ben@example.org", timeout=PATIENCE_MS)
    expect(page.locator("#available")).to_have_text("0 USDT", timeout=PATIENCE_MS)
    assert page.evaluate("[document.cookie, localStorage.length]") == ["", 0]
    assert found.complaints == []

    # Somebody who got hold of the refresh token uses it: the session ends for both.
    stolen = json.loads(page.evaluate("sessionStorage.getItem('quantatrade.session')"))["refresh"]
    with httpx.Client(base_url=f"{url_of(installation)}/api/v1/", trust_env=False) as thief:
        got = [thief.post("auth/refresh", json={"refresh_token": stolen}) for _ in range(2)]
    assert [answer.status_code for answer in got] == [200, 401]
    expect(page.locator("#login-problem")).to_have_text(
        "Your session has ended. Log in again.", timeout=PATIENCE_MS
    )
    page.keyboard.press("Escape")
    expect(page.locator("#open-login")).to_be_visible()
    expect(page.locator("#pane-open")).to_contain_text("Log in to see your orders")
    assert page.evaluate("sessionStorage.length") == 0
    assert {each[:23] for each in found.complaints} <= {"Failed to load resource"}  # the 401

    page.click("#open-login")
    page.fill("#login-form [name=email]", "ben@example.org")
    page.fill("#login-form [name=password]", PASSWORD)
    page.keyboard.press("Enter")
    expect(page.locator("#available")).to_have_text("0 USDT", timeout=PATIENCE_MS)
    page.get_by_role("button", name="Log out").click()
    expect(page.locator("#open-login")).to_be_visible(timeout=PATIENCE_MS)
    assert page.evaluate("sessionStorage.length") == 0


def test_what_others_name_is_shown_as_text_and_never_run(
    installation: Installation, maker: Trader, browser: Browser
) -> None:
    del maker
    found = watched(browser, *WIDE)
    page = found.page
    hostile = '<img src=x onerror="document.title=1"><script>document.title=2</script>'

    def answer(route: Any) -> None:
        body = route.fetch().json()
        for market in body["items"]:
            market["base_asset"] = hostile
        route.fulfill(body=json.dumps(body), content_type="application/json")

    page.route("**/api/v1/markets", answer)
    page.goto(f"{url_of(installation)}/")
    expect(page.locator("#markets")).to_contain_text(hostile, timeout=PATIENCE_MS)
    expect(page.locator("#markets img, #markets script, #ticket img")).to_have_count(0)
    assert "BTCUSDT" in page.title()
    assert found.complaints == []


def test_a_halt_and_a_lost_line_are_shown_and_pass(
    installation: Installation, maker: Trader, browser: Browser
) -> None:
    found = opened(browser, installation, PHONE)
    page = found.page
    manage(installation, "shell", "-c", STATE.format(action="MarketHalt"))
    expect(page.locator("#market-state")).to_have_text("halted", timeout=PATIENCE_MS)
    page.click(".tabs [data-tab=trade]")
    expect(page.locator("#ticket-stop")).to_contain_text("halted by the exchange")
    expect(page.locator("#place")).to_be_disabled()
    manage(installation, "shell", "-c", STATE.format(action="MarketResume"))
    expect(page.locator("#market-state")).to_have_text("trading", timeout=PATIENCE_MS)
    expect(page.locator("#place")).to_be_enabled()
    assert found.complaints == []

    os.kill(installation.process("edge")["pid"], signal.SIGKILL)
    expect(page.locator("#line-state")).to_have_text("reconnecting", timeout=PATIENCE_MS)
    expect(page.locator("#line-state")).to_have_text("live", timeout=2 * PATIENCE_MS)
    page.click(".tabs [data-tab=book]")
    wait_until(installation.is_healthy, "the edge")
    maker.place(MARKET, "BID", "0.077", "64200.99")
    level = page.locator("#bids li", has_text="64,200.99")
    expect(level).to_contain_text("0.07700", timeout=PATIENCE_MS)
    assert [each for each in found.complaints if not any(said in each for said in LINE_LOST)] == []


def test_the_assets_are_kept_for_ever_and_compressed(installation: Installation) -> None:
    with httpx.Client(base_url=url_of(installation), trust_env=False) as client:
        page = client.get("/")
        assert page.headers["cache-control"] == "no-cache"
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        address = page.text.split('type="module" src="')[1].split('"')[0]
        script = client.get(address)
    assert script.headers["content-encoding"] == "gzip"
    assert script.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert script.text == (
        Path(__file__).parents[2] / "static/quantatrade/trade/main.js"
    ).read_text(encoding="utf-8")
