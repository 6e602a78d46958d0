"""What a page answers while logins cannot be checked.

Invariant: an outage is told as one, and never as a wrong password.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Final

import structlog
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from apps.accounts.tokens import SessionsUnavailableError
from apps.core.views import error_response

RETRY_AFTER_S: Final = 5
_LOG: Final = structlog.get_logger("quantatrade.login")


class LoginsUnavailableMiddleware:
    """Answers 503 where a page raises SessionsUnavailableError; the API's views answer theirs."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self._get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Answer the exception if it is this one."""
        if not isinstance(exception, SessionsUnavailableError):
            return None
        _LOG.warning("logins_unavailable", path=request.path_info, error=str(exception))
        response = error_response(request, HTTPStatus.SERVICE_UNAVAILABLE)
        response.headers["Retry-After"] = str(RETRY_AFTER_S)
        return response
