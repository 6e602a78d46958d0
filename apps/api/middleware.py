"""What happens to every answer of the API.

Invariant: an answer is kept by no cache unless its view says for how long it may be.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from django.http import HttpRequest
from django.http.response import HttpResponseBase

PREFIX: Final = "/api/v1/"


class NoStoreMiddleware:
    """Add `Cache-Control: no-store` to answers that say nothing about caches."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self._get_response(request)
        if request.path_info.startswith(PREFIX):
            response.headers.setdefault("Cache-Control", "no-store")
        return response
