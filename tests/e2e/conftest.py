"""The exchange as a browser meets it: engine, books, web process and edge, all real."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect, sync_playwright

from quantatrade.bootstrap.servers.standalone import free_ports
from tests.fixtures_database import DatabaseHandle
from tests.fixtures_engine import EngineFactory, EngineUnderTest
from tests.fixtures_servers import RedisHandle
from tests.integration.trading.exchange import Exchange, exchange

__all__ = ["exchange"]

ROOT = Path(__file__).parents[2]
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
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 20.0
COMMAND_TIMEOUT_S = 60.0
HOUR_US = 3_600_000_000


@dataclass(frozen=True)
class Site:
    """A running installation, and who may log in."""

    url: str
    username: str
    password: str


def _wait_until_answering(url: str, log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            if httpx.get(url, trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            pass
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)


@contextmanager
def _served(
    database: DatabaseHandle, engine: EngineUnderTest, redis_url: str, tmp_path: Path
) -> Iterator[Site]:
    """Serve an exchange through web process and edge."""
    web_port, edge_port = free_ports(2)
    url = f"http://127.0.0.1:{edge_port}"
    environment = {
        **os.environ,
        **database.environment,
        "ENGINE_ADDRESS": engine.address,
        "REDIS_URL": redis_url,
        "QT_PUBLIC_URL": url,
        "QT_WEB_URL": f"http://127.0.0.1:{web_port}",
        "QT_VAR": str(tmp_path),
    }
    operator = json.loads(
        subprocess.run(
            [sys.executable, "-m", "django", "ensure_operator", "--json"],
            cwd=ROOT,
            env=environment,
            check=True,
            capture_output=True,
            timeout=COMMAND_TIMEOUT_S,
        ).stdout
    )
    scripts = Path(sys.executable).parent
    commands = {
        "web": f"granian --interface wsgi --no-ws --blocking-threads 4 --port {web_port}"
        " quantatrade.wsgi:application",
        "edge": f"uvicorn --no-proxy-headers --no-server-header --no-access-log --port {edge_port}"
        " quantatrade.asgi:application",
    }
    with ExitStack() as stack:
        for name, command in commands.items():
            program, *arguments = command.split()
            output = stack.enter_context((tmp_path / f"{name}.log").open("wb"))
            process = subprocess.Popen(
                [scripts / program, *arguments],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            stack.callback(process.wait, STOP_TIMEOUT_S)
            stack.callback(process.terminate)
        _wait_until_answering(f"{url}/edge/readyz", tmp_path / "web.log")
        yield Site(url, operator["username"], operator["password"])


@pytest.fixture
def site(
    database: DatabaseHandle,
    engine_process: EngineFactory,
    redis_server: RedisHandle,
    tmp_path: Path,
) -> Iterator[Site]:
    """A site with a trading day in its books. Its engine is another, so that drift shows."""
    from tests.integration.console.exchange_day import exchange_day, write_books

    write_books(database.mirror_url, exchange_day(time.time_ns() // 1000 - HOUR_US, rounds=30))
    with _served(database, engine_process(), redis_server.url, tmp_path) as served:
        yield served


@pytest.fixture
def exchange_site(
    exchange: Exchange,
    redis_server: RedisHandle,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Site]:
    """A site whose engine and books are one; the books follow when the test says so."""
    # The browser's driver runs an event loop in this thread, beside which Django may be used.
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
    with _served(exchange.database, exchange.process, redis_server.url, tmp_path) as served:
        yield served


@pytest.fixture
def complaints() -> list[str]:
    """What the browser complained about; whatever is left of it fails the test at its end."""
    return []


@pytest.fixture
def page(complaints: list[str]) -> Iterator[Page]:
    """A page of 1366 x 768."""
    if not CHROMIUM.exists():
        pytest.fail(f"{CHROMIUM} is missing; install it with: {INSTALL}")
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
    """Keep a picture of the page, to be looked at."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"console-{name}.png")


def log_in(page: Page, site: Site, username: str = "", password: str = "") -> None:
    """Log in at the console, as its operator unless somebody else is named."""
    page.goto(f"{site.url}/admin/")
    page.fill("input[name=username]", username or site.username)
    page.fill("input[name=password]", password or site.password)
    page.get_by_role("button", name="Log in").click()
    expect(page.locator("#qt-dashboard")).to_be_visible()
