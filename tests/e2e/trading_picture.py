"""The README's picture of the trading page: `python -m tests.e2e.trading_picture FILE`.

It starts a demo of its own, waits until its markets move, trades a little as the demo's trader and
ends the demo again.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Final

from playwright.sync_api import Page, expect

from tests.browser import chromium, watched
from tests.e2e.installation import Installation

SIZE: Final = (1366, 768)
PATIENCE_MS: Final = 300_000
SETTLE_MS: Final = 3_000
TRADER: Final = "trader@demo.example"


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


def main(target: Path) -> None:
    """Write the picture."""
    with tempfile.TemporaryDirectory(prefix="quantatrade-picture-") as directory:
        installation = Installation(var=Path(directory) / "var")
        up = installation.manage("up", "--detach")
        assert up.returncode == 0, up.stdout + up.stderr
        try:
            with chromium() as browser:
                page = watched(browser, *SIZE).page
                page.goto(f"http://127.0.0.1:{installation.port_base}/#BTCUSDT")
                expect(page.locator("#trades li[data-trade]").nth(20)).to_be_attached(
                    timeout=PATIENCE_MS
                )
                logins = json.loads((installation.var / "demo" / "logins.json").read_text())
                trade(page, next(each["password"] for each in logins if each["email"] == TRADER))
                page.wait_for_timeout(SETTLE_MS)
                target.parent.mkdir(parents=True, exist_ok=True)
                page.screenshot(path=target)
        finally:
            installation.manage("down")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
