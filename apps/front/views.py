"""GET / and the page's files below /assets/."""

from __future__ import annotations

from typing import Final

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_safe

from apps.front.assets import ENTRY, STYLE, assets_current

CACHE_FOREVER: Final = "public, max-age=31536000, immutable"


@require_safe
@gzip_page
def trading_page(request: HttpRequest) -> HttpResponse:
    """Return the page. It is the same for everybody; what differs, its scripts ask the API."""
    assets = assets_current()
    context = {
        "entry": assets.url(ENTRY),
        "style": assets.url(STYLE),
        "modules": [url for url in assets.module_urls if url != assets.url(ENTRY)],
    }
    response = render(request, "trade.html", context)
    response.headers["Cache-Control"] = "no-cache"
    return response


@require_safe
def asset(request: HttpRequest, digest: str, path: str) -> HttpResponse:
    """Return one file, compressed for whoever takes that."""
    assets = assets_current()
    found = assets.files.get(path)
    if digest != assets.digest or found is None:
        raise Http404
    response = HttpResponse(content_type=found.content_type)
    if found.gzipped is not None and _takes_gzip(request):
        response.content = found.gzipped
        response.headers["Content-Encoding"] = "gzip"
    else:
        response.content = found.content
    response.headers["Cache-Control"] = CACHE_FOREVER
    patch_vary_headers(response, ["Accept-Encoding"])
    return response


def _takes_gzip(request: HttpRequest) -> bool:
    stated = request.headers.get("Accept-Encoding", "").lower().replace(" ", "").split(",")
    return any(each == "gzip" or each.startswith("gzip;q=") for each in stated) and (
        "gzip;q=0" not in stated
    )
