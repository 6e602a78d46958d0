"""GET / and /assets/, through Django's whole stack."""

from __future__ import annotations

import gzip

import pytest
from django.test import Client

from apps.front.assets import ENTRY, assets_current
from apps.front.views import CACHE_FOREVER


def test_the_page_has_the_strict_policy_and_no_inline_script_or_style() -> None:
    answer = Client().get("/")
    policy = answer.headers["Content-Security-Policy"]
    directives = {part.split()[0]: part.split()[1:] for part in policy.split(";") if part.strip()}
    assert directives["default-src"] == ["'none'"]
    assert directives["script-src"] == directives["style-src"] == ["'self'"]
    assert directives["connect-src"] == directives["form-action"] == ["'self'"]
    assert directives["frame-ancestors"] == directives["base-uri"] == ["'none'"]
    assert answer.headers["Cache-Control"] == "no-cache"
    page = answer.content.decode()
    assert page.count("<script") == page.count("<script type=") == 1
    assert "<style" not in page
    assert "style=" not in page
    assert " on" not in page.split("<body")[1].split("<main")[0].replace(" on ", "")


def test_an_asset_is_kept_for_ever_and_compressed_for_who_takes_that() -> None:
    url = assets_current().url(ENTRY)
    plain = Client().get(url)
    assert plain.status_code == 200
    assert plain.headers["Cache-Control"] == CACHE_FOREVER
    assert plain.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert plain.headers["Vary"] == "Accept-Encoding"
    assert "Content-Encoding" not in plain.headers
    packed = Client().get(url, headers={"Accept-Encoding": "br, gzip;q=0.8"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.content) == plain.content
    refused = Client().get(url, headers={"Accept-Encoding": "gzip;q=0"})
    assert "Content-Encoding" not in refused.headers


@pytest.mark.parametrize(
    "path",
    [
        f"/assets/0000000000000000/{ENTRY}",
        "/assets/{digest}/quantatrade/console.css",
        "/assets/{digest}/../../manage.py",
        "/assets/{digest}/quantatrade/trade/../../../manage.py",
    ],
)
def test_another_digest_or_path_has_nothing(path: str) -> None:
    answer = Client().get(path.format(digest=assets_current().digest))
    assert answer.status_code == 404
    assert Client().post("/").status_code == 405
