"""The page's modules in a browser, without the page: nothing is asked of any network."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, Route

from tests.architecture.sources import ROOT
from tests.browser import chromium

ORIGIN = "http://modules.test"
SCRIPT = "text/javascript"


class Modules:
    """Runs expressions over the modules; whole numbers beyond a double come back as text."""

    def __init__(self, page: Page) -> None:
        self._page = page

    def run(self, names: str, body: str, argument: Any = None) -> Any:
        """Import every export of `names` and return the result of the function `body(given)`."""
        paths = [f"{ORIGIN}/static/quantatrade/trade/{name}.js" for name in names.split()]
        program = f"""async ([paths, given]) => {{
            const all = Object.assign({{}}, ...await Promise.all(paths.map((p) => import(p))));
            const result = await ({body})(all, given);
            return JSON.parse(JSON.stringify(result, (_, each) =>
                typeof each === "bigint" ? String(each) : each));
        }}"""
        return self._page.evaluate(program, [paths, argument])


def _answer(route: Route) -> None:
    path = urlsplit(route.request.url).path
    if path.startswith("/static/"):
        route.fulfill(path=ROOT / path.removeprefix("/"), content_type=SCRIPT)
    else:
        route.fulfill(body="<!doctype html><title>modules</title>", content_type="text/html")


@pytest.fixture(scope="package")
def modules() -> Iterator[Modules]:
    with chromium() as browser:
        page = browser.new_page()
        page.route("**/*", _answer)
        page.goto(f"{ORIGIN}/")
        yield Modules(page)
