"""What happens to every request before and after its view.

Invariant: addresses and schemes stated in forwarding headers are believed only from a loopback
peer (the edge); from anybody else they are removed before any code can read them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

import structlog
from csp.middleware import CSPMiddleware
from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from apps.core.addresses import is_loopback
from apps.core.request_ids import REQUEST_ID_HEADER, request_id_accept

CONSOLE_PREFIX: Final = "/admin/"
QUIET_PATHS: Final = frozenset({"/healthz", "/readyz", "/metrics"})
_FORWARDING: Final = (
    "HTTP_X_FORWARDED_FOR",
    "HTTP_X_FORWARDED_PROTO",
    "HTTP_X_FORWARDED_HOST",
    "HTTP_X_FORWARDED_PORT",
    "HTTP_X_REAL_IP",
    "HTTP_FORWARDED",
)
_ACCESS_LOG: Final = structlog.get_logger("quantatrade.access")

GetResponse = Callable[[HttpRequest], HttpResponseBase]


def is_forwarded(request: HttpRequest) -> bool:
    """True if the request came through the edge, whoever sent it."""
    return bool(request.META.get("qt.forwarded"))


class TrustedProxyMiddleware:
    """Put the client's address into REMOTE_ADDR when the edge states it."""

    def __init__(self, get_response: GetResponse) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        meta = request.META
        if not is_loopback(meta.get("REMOTE_ADDR", "")):
            for name in _FORWARDING:
                meta.pop(name, None)
        elif any(name in meta for name in _FORWARDING):
            meta["qt.forwarded"] = True
            # The edge states one address; of a list, only the last was added by our neighbour.
            client = meta.get("HTTP_X_FORWARDED_FOR", "").rpartition(",")[2].strip()
            meta["REMOTE_ADDR"] = client or "unknown"
        return self._get_response(request)


class RequestLogMiddleware:
    """Name the request, return the name, and log one line with its outcome."""

    def __init__(self, get_response: GetResponse) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        request_id = request_id_accept(request.headers.get(REQUEST_ID_HEADER))
        request.META["HTTP_X_REQUEST_ID"] = request_id
        address = request.META.get("REMOTE_ADDR", "")
        started = time.perf_counter()
        structlog.contextvars.clear_contextvars()
        with structlog.contextvars.bound_contextvars(request_id=request_id, ip=address):
            response = self._get_response(request)
            response[REQUEST_ID_HEADER] = request_id
            self._log(request, response, (time.perf_counter() - started) * 1000)
        return response

    def _log(self, request: HttpRequest, response: HttpResponseBase, duration_ms: float) -> None:
        status = response.status_code
        if request.path_info in QUIET_PATHS:
            return
        level = _ACCESS_LOG.error if status >= 500 else _ACCESS_LOG.info
        facts: dict[str, Any] = {
            "method": request.method,
            "path": request.path_info,
            "status": status,
            "duration_ms": round(duration_ms, 1),
        }
        session = getattr(request, "session", None)
        if session is not None and session.accessed:
            facts["user_id"] = request.user.pk
        level("request", **facts)


class ContentSecurityPolicyMiddleware(CSPMiddleware):
    """The strict policy everywhere; the console's on its own addresses only."""

    def get_policy_parts(
        self, request: HttpRequest, response: HttpResponseBase, report_only: bool = False
    ) -> Any:
        """Return what the policy header is built from."""
        parts = super().get_policy_parts(request, response, report_only)
        if not report_only and request.path_info.startswith(CONSOLE_PREFIX):
            parts.config = settings.CONTENT_SECURITY_POLICY_CONSOLE
        return parts
