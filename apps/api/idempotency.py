"""The header `Idempotency-Key` of POST requests: 16 to 64 of [A-Za-z0-9_-].

Orders take it to the engine (`engine_request_id`), which journals it. Everything else is remembered
here by `idempotent`: a retry with the same content gets the first answer, other content under the
same key is refused. Invariant: of two equal requests at once, one is executed. An answer of 500 or
more is not remembered: the retry is executed, so what stands behind must bear being asked again.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import wraps
from http import HTTPStatus
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from django.db import transaction
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.api.authentication import principal_of
from apps.api.errors import ApiError, ErrorCode, error_body
from apps.api.models import IdempotentRequest

HEADER: Final = "Idempotency-Key"
KEY_CHARS_MIN: Final = 16
KEY_CHARS_MAX: Final = 64
CLAIM_S: Final = 60  # longer than a request may take: its process has died
REPLAYED_HEADER: Final = "Idempotency-Replayed"
_SHAPE: Final = re.compile(rf"[A-Za-z0-9_-]{{{KEY_CHARS_MIN},{KEY_CHARS_MAX}}}")

V = TypeVar("V", bound=APIView)
P = ParamSpec("P")


def idempotency_key(request: Request) -> str | None:
    """Return the request's key, None without one. ApiError if it has another shape."""
    key: str | None = request.headers.get(HEADER)
    if key is None:
        return None
    if not _SHAPE.fullmatch(key):
        raise ApiError(
            ErrorCode.IDEMPOTENCY_KEY_INVALID,
            f"{HEADER} was {len(key)} characters, expected {KEY_CHARS_MIN} to {KEY_CHARS_MAX}"
            " of [A-Za-z0-9_-].",
        )
    return key


def engine_request_id(user_id: int, key: str) -> bytes:
    """Return the 16 bytes under which the engine remembers a user's request."""
    digest = hashlib.blake2b(f"{user_id}:{key}".encode(), digest_size=16).digest()
    return digest if any(digest) else b"\x01" * 16  # all zeros would mean: no request id


def idempotent(
    method: Callable[Concatenate[V, Request, P], Response],
) -> Callable[Concatenate[V, Request, P], Response]:
    """Decorate a view's `post` so that a request with a key is executed once.

    For requests of people who have logged in. Without the header nothing is remembered.
    """

    @wraps(method)
    def post(view: V, request: Request, /, *arguments: P.args, **named: P.kwargs) -> Response:
        key = idempotency_key(request)
        if key is None:
            return method(view, request, *arguments, **named)
        user_id = principal_of(request).user_id
        row, remembered = _claim(user_id, key, _fingerprint(request))
        if remembered is not None:
            return remembered
        try:
            response = method(view, request, *arguments, **named)
        except ApiError as error:
            if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                _release(row)
            else:
                request_id = request.META.get("HTTP_X_REQUEST_ID", "")
                _remember(row, error.status.value, error_body(error, request_id))
            raise
        except Exception:
            _release(row)
            raise
        _remember(row, response.status_code, response.data)
        return response

    return post


def _fingerprint(request: Request) -> str:
    body = json.dumps(request.data, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(f"{request.method} {request.path}\n{body}".encode()).hexdigest()


def _claim(user_id: int, key: str, fingerprint: str) -> tuple[IdempotentRequest, Response | None]:
    """Take the key for this request, or return what is remembered under it."""
    with transaction.atomic():
        row, is_new = IdempotentRequest.objects.get_or_create(
            user_id=user_id, key=key, defaults={"fingerprint": fingerprint}
        )
        if is_new:
            return row, None
        row = IdempotentRequest.objects.select_for_update().get(pk=row.pk)
        if row.fingerprint != fingerprint:
            raise ApiError(
                ErrorCode.IDEMPOTENCY_KEY_REUSED,
                f"{HEADER} was used before with other content.",
                status=HTTPStatus.CONFLICT,
            )
        if row.status is not None:
            headers = {REPLAYED_HEADER: "true"}
            return row, Response(json.loads(row.body), status=row.status, headers=headers)
        now = datetime.now(UTC)
        if now - row.claimed_at < timedelta(seconds=CLAIM_S):
            raise ApiError(
                ErrorCode.REQUEST_IN_PROGRESS,
                "A request with this key is being executed.",
                status=HTTPStatus.CONFLICT,
                retry_after_s=1,
            )
        row.claimed_at = now
        row.save(update_fields=["claimed_at"])
        return row, None


def _release(row: IdempotentRequest) -> None:
    """Let a retry execute: its claim is as old as one whose process has died."""
    expired = datetime.now(UTC) - timedelta(seconds=CLAIM_S)
    IdempotentRequest.objects.filter(pk=row.pk, status=None).update(claimed_at=expired)


def _remember(row: IdempotentRequest, status: int, body: Any) -> None:
    text = JSONRenderer().render(body).decode() if body is not None else "null"
    IdempotentRequest.objects.filter(pk=row.pk).update(status=status, body=text)
