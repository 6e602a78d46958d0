"""The README's pictures: `python -m tests.e2e.pictures docs/images`.

It starts a demo of its own, lets its markets move for a while, trades a little as the demo's
trader, looks at the dashboard as its operator, and ends the demo again.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from playwright.sync_api import Page, expect

from tests.browser import chromium, watched
from tests.e2e.installation import Installation

SIZE: Final = (1366, 768)
PATIENCE_MS: Final = 300_000
SETTLE_MS: Final = 3_000
MARKETS_MOVE_S: Final = 600
TRADER: Final = "trader@demo.example"
OPERATOR: Final = "olga@demo.example"


def trade(page: Page, password: str) -> None:
    """Log in, rest three orders, and begin to write a fourth."""
    page.click("#open-login")
    page.fill("#login-form [name=email]", TRADER)
    page.fill("#login-form [name=password]", password)
    page.click("#login-submit")
    expect(page.locator("#available")).to_contain_text("USDT", timeout=PATIENCE_MS)
    for level in (3, 5, 7):
        page.locator("#bids li").nth(level).click()
        page.fill("#quantity", f"0.0{level}")
        page.click("#place")
        expect(page.locator("#placed")).to_contain_text("#", timeout=PATIENCE_MS)
        expect(page.locator("#quantity")).to_have_value("")
    page.locator("#bids li").nth(4).click()
    page.click("[data-share='25']")
    page.click("#tab-open")


def log_in_to_console(page: Page, password: str) -> None:
    """Log in as the operator, who is led to the dashboard."""
    page.fill("[name=username]", OPERATOR)
    page.fill("[name=password]", password)
    page.click("[type=submit]")
    expect(page.locator("h1, h2, nav").first).to_be_visible(timeout=PATIENCE_MS)


def main(target: Path) -> None:
    """Write `trading.png` and `console.png`."""
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="quantatrade-picture-") as directory:
        installation = Installation(var=Path(directory) / "var")
        up = installation.manage("up", "--detach")
        assert up.returncode == 0, up.stdout + up.stderr
        url = f"http://127.0.0.1:{installation.port_base}"
        try:
            time.sleep(MARKETS_MOVE_S)
            logins = json.loads((installation.var / "demo" / "logins.json").read_text())
            passwords = {each["email"]: each["password"] for each in logins}
            with chromium() as browser:
                page = watched(browser, *SIZE).page
                page.goto(f"{url}/#BTCUSDT")
                expect(page.locator("#trades li[data-trade]").nth(20)).to_be_attached(
                    timeout=PATIENCE_MS
                )
                trade(page, passwords[TRADER])
                page.wait_for_timeout(SETTLE_MS)
                page.screenshot(path=target / "trading.png")
                console = watched(browser, *SIZE).page
                console.goto(f"{url}/admin/login/")
                log_in_to_console(console, passwords[OPERATOR])
                console.wait_for_timeout(SETTLE_MS)
                console.screenshot(path=target / "console.png")
        finally:
            installation.manage("down")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
