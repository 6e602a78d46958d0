"""Bearer tokens and signatures of API keys as REST framework's authentication.

Invariant: `request.user` of an authenticated request is a `Principal` that a verified access token
or signature proves. Cookies are never looked at, so no request can be forged from a browser. A key
does no more than it was made for, and never what changes the login itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from apps.accounts.principal import Principal
from apps.accounts.roles import Role
from apps.accounts.signatures import KeyRefusedError, SignedRequest, signature_verify
from apps.accounts.tokens import TokenError, access_verify

if TYPE_CHECKING:
    from rest_framework.views import APIView  # whose module imports this one

SCHEME: Final = "bearer"
KEY_HEADER: Final = "X-QT-KEY"
TIMESTAMP_HEADER: Final = "X-QT-TIMESTAMP"
SIGNATURE_HEADER: Final = "X-QT-SIGNATURE"


class BearerAuthentication(BaseAuthentication):
    """`Authorization: Bearer <access token>`.

    A view with `accepts_outage = True` (cancels) also serves while Redis does not answer.
    """

    def authenticate(self, request: Request) -> tuple[Principal, str] | None:
        """Return the principal; None without the header. TokenError if the token is not valid."""
        header = request.META.get("HTTP_AUTHORIZATION", "")
        if not header:
            return None
        scheme, _, token = header.partition(" ")
        if scheme.lower() != SCHEME or not token:
            raise TokenError("token_invalid", "Expected `Authorization: Bearer <access token>`.")
        principal = access_verify(token.strip(), accept_outage=_accepts_outage(request))
        structlog.contextvars.bind_contextvars(user_id=principal.user_id)
        return principal, principal.session_id

    def authenticate_header(self, _request: Request) -> str:
        """Return how to log in; it makes REST framework answer 401 rather than 403."""
        return 'Bearer realm="quantatrade"'


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the API's description names it."""

    target_class = BearerAuthentication
    name = "accessToken"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        """Return the OpenAPI security scheme."""
        del auto_schema
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}


class SignatureAuthentication(BaseAuthentication):
    """`X-QT-KEY`, `X-QT-TIMESTAMP` and `X-QT-SIGNATURE` of a request signed with an API key."""

    def authenticate(self, request: Request) -> tuple[Principal, str] | None:
        """Return the principal; None without the headers. KeyRefusedError if they are not valid."""
        headers = request.headers
        stated = [headers.get(name) for name in (KEY_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER)]
        if not any(stated):
            return None
        if not all(stated) or request.META.get("HTTP_AUTHORIZATION"):
            raise KeyRefusedError(
                "key_invalid",
                f"Expected {KEY_HEADER}, {TIMESTAMP_HEADER} and {SIGNATURE_HEADER},"
                " without Authorization.",
            )
        key_id, timestamp, signature = (str(each) for each in stated)
        query = request.META.get("QUERY_STRING", "")
        signed = SignedRequest(
            key_id=key_id,
            timestamp=timestamp,
            signature=signature,
            method=str(request.method),
            target=f"{request.path}?{query}" if query else request.path,
            body=request.body,  # the bytes as sent, before any parser
            address=str(request.META.get("REMOTE_ADDR") or "unknown"),
        )
        principal = signature_verify(signed, accept_outage=_accepts_outage(request))
        structlog.contextvars.bind_contextvars(user_id=principal.user_id, key_id=principal.key_id)
        return principal, principal.key_id

    def authenticate_header(self, _request: Request) -> str:
        """Return how to log in; it makes REST framework answer 401 rather than 403."""
        return 'Bearer realm="quantatrade"'


def _accepts_outage(request: Request) -> bool:
    view = (request.parser_context or {}).get("view")
    return bool(getattr(view, "accepts_outage", False)) or (
        request.method in getattr(view, "outage_methods", ())
    )


class SignatureScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the API's description names it: three headers, all of them."""

    target_class = SignatureAuthentication
    name = ["apiKey", "apiTimestamp", "apiSignature"]  # noqa: RUF012 - as the base class reads it

    def get_security_definition(self, auto_schema: object) -> list[dict[str, str]]:
        """Return the OpenAPI security schemes."""
        del auto_schema
        told = {
            KEY_HEADER: "The API key.",
            TIMESTAMP_HEADER: "Milliseconds since 1970, at most 5 s old.",
            SIGNATURE_HEADER: (
                "Hex HMAC-SHA256(secret, timestamp + METHOD + path with query + body)."
            ),
        }
        return [
            {"type": "apiKey", "in": "header", "name": name, "description": words}
            for name, words in told.items()
        ]


class IsLoggedIn(BasePermission):
    """Whoever has a valid access token, or signs with a key that may do this."""

    def has_permission(self, request: Request, _view: APIView) -> bool:
        """Tell whether the request is somebody's."""
        user = _user(request)
        return isinstance(user, Principal) and _key_allows(user, request)


class IsPerson(BasePermission):
    """Whoever has a valid access token: what concerns the login itself is no key's business."""

    message = "An API key cannot do this; log in."

    def has_permission(self, request: Request, _view: APIView) -> bool:
        """Tell whether the request was made with an access token."""
        user = _user(request)
        return isinstance(user, Principal) and bool(user.session_id)


class IsTrader(BasePermission):
    """Traders alone: staff have no trading account."""

    message = "Only traders have a trading account."

    def has_permission(self, request: Request, _view: APIView) -> bool:
        """Tell whether the request is a trader's."""
        user = _user(request)
        if not isinstance(user, Principal) or user.role is not Role.TRADER:
            return False
        return _key_allows(user, request)


def _key_allows(user: Principal, request: Request) -> bool:
    """Every key may read. PermissionDenied, so that the answer says what the key lacks."""
    if user.may_trade or request.method in SAFE_METHODS:
        return True
    raise PermissionDenied("This API key may read, and nothing else.")


def principal_of(request: Request) -> Principal:
    """Return who makes the request, of a view that only serves people who have logged in."""
    principal = _user(request)
    assert isinstance(principal, Principal), "the view lets in people without a token"
    return principal


def _user(request: Request) -> object:
    return request.user  # the stubs take it for a row of the user model
