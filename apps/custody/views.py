"""The address to which the custodian sends webhooks.

Invariant: no body longer than the limit is read, nothing but a right signature opens the door, and
the answer waits for one row in the inbox and for nothing else.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from django.db import Error as DatabaseError
from django.http import HttpRequest, JsonResponse
from django.http.request import UnreadablePostError
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from apps.custody.inbox import BODY_BYTES_MAX, SIGNATURE_HEADER, webhook_receive

_WORDS: Final = {
    "signature": (HTTPStatus.UNAUTHORIZED, "the signature is not right"),
    "malformed": (HTTPStatus.BAD_REQUEST, "the body is not a JSON object"),
}


@csrf_exempt  # a signature over the body is asked for instead
@never_cache
@require_POST
def webhook(request: HttpRequest) -> JsonResponse:
    """Take a webhook: 200 once it is in the inbox, 401 for a wrong signature, 413 if too long."""
    length = request.META.get("CONTENT_LENGTH") or ""
    if not length.isascii() or not length.isdecimal():
        return _error(request, HTTPStatus.LENGTH_REQUIRED, "the length of the body is not stated")
    if int(length) > BODY_BYTES_MAX:
        return _error(
            request,
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"the body was longer than {BODY_BYTES_MAX} bytes",
        )
    try:
        body = request.body
    except UnreadablePostError:
        return _error(request, HTTPStatus.BAD_REQUEST, "the body was cut off")
    try:
        receipt = webhook_receive(
            body=body,
            signature=request.headers.get(SIGNATURE_HEADER, ""),
            address=request.META.get("REMOTE_ADDR", ""),
            request_id=request.META.get("HTTP_X_REQUEST_ID", ""),
        )
    except DatabaseError:
        # The custodian sends it again; an answer of 200 would be a promise that nobody keeps.
        return _error(request, HTTPStatus.SERVICE_UNAVAILABLE, "the inbox cannot be written now")
    if not receipt.accepted:
        return _error(request, *_WORDS[receipt.reason])
    return JsonResponse({"received": True})


def _error(request: HttpRequest, status: HTTPStatus, words: str) -> JsonResponse:
    request_id = request.META.get("HTTP_X_REQUEST_ID", "")
    error = {"code": status.name.lower(), "message": words, "details": {}}
    return JsonResponse({"error": error, "request_id": request_id}, status=status.value)
