"""Health pages, metrics, and what a caller sees when there is no page.

Invariant: nothing here tells a secret: reasons name parts and addresses, errors name a code and
the request id.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from apps.core.addresses import is_loopback
from apps.core.checks import checks_run
from apps.core.middleware import is_forwarded
from apps.core.types import Check

API_PREFIX: Final = "/api/"
_PLAIN: Final = "text/plain; charset=utf-8"
_SENTENCES: Final = {
    400: "The request could not be understood.",
    403: "You may not see this page.",
    404: "There is no page at this address.",
    500: "Something failed on our side. It has been recorded.",
    503: "This is temporarily unavailable. Try again in a moment.",
}

View = Callable[[HttpRequest], HttpResponseBase]


@never_cache
@require_safe
def healthz(_request: HttpRequest) -> HttpResponse:
    """The process lives."""
    return HttpResponse("alive\n", content_type=_PLAIN)


def readyz_view(checks: Sequence[Check]) -> View:
    """Return the view that answers 200 when all `checks` pass, else 503 with the reasons."""

    @never_cache
    @require_safe
    def readyz(_request: HttpRequest) -> JsonResponse:
        results = checks_run(checks)
        failed = [result for result in results if result.reason is not None]
        body = {
            "ready": not failed,
            "reasons": [f"{result.name}: {result.reason}" for result in failed],
            "checks": {result.name: result.latency_ms for result in results},
        }
        return JsonResponse(body, status=503 if failed else 200)

    return readyz


def _may_read_metrics(request: HttpRequest) -> bool:
    token = settings.QT_METRICS_TOKEN
    scheme, _, stated = request.headers.get("Authorization", "").partition(" ")
    if token and scheme == "Bearer" and hmac.compare_digest(stated.encode(), token.encode()):
        return True
    # Through the edge, a loopback address may be that of another proxy in front of it.
    return not is_forwarded(request) and is_loopback(request.META.get("REMOTE_ADDR", ""))


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus metrics of this process: on loopback, or with QT_METRICS_TOKEN as bearer."""
    if not _may_read_metrics(request):
        return error_response(request, HTTPStatus.FORBIDDEN)
    return HttpResponse(generate_latest(), content_type=CONTENT_TYPE_LATEST)


def error_response(request: HttpRequest, status: HTTPStatus) -> HttpResponse:
    """Return a page to a browser, JSON in the API's error shape to anybody else."""
    request_id = request.META.get("HTTP_X_REQUEST_ID", "")
    sentence = _SENTENCES[status.value]
    response: HttpResponse
    is_api = request.path_info.startswith(API_PREFIX)
    if not is_api and "text/html" in request.headers.get("Accept", ""):
        context = {"status": status, "sentence": sentence, "request_id": request_id}
        response = render(request, "error.html", context, status=status.value)
    else:
        code = status.name.lower()
        error = {"code": code, "message": sentence, "details": {}}
        body = {"error": error, "request_id": request_id}
        response = JsonResponse(body, status=status.value)
    patch_vary_headers(response, ["Accept"])
    return response


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer 400."""
    del exception
    return error_response(request, HTTPStatus.BAD_REQUEST)


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer 403."""
    del exception
    return error_response(request, HTTPStatus.FORBIDDEN)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer 403 to a form whose token is missing or old."""
    del reason
    return error_response(request, HTTPStatus.FORBIDDEN)


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer 404."""
    del exception
    return error_response(request, HTTPStatus.NOT_FOUND)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer 500."""
    return error_response(request, HTTPStatus.INTERNAL_SERVER_ERROR)
