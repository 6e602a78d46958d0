"""Bearer tokens as REST framework's authentication.

Invariant: `request.user` of an authenticated request is a `Principal` that a verified access token
proves, made without SQL. Cookies are never looked at, so no request can be forged from a browser.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from apps.accounts.principal import Principal
from apps.accounts.roles import Role
from apps.accounts.tokens import TokenError, access_verify

if TYPE_CHECKING:
    from rest_framework.views import APIView  # whose module imports this one

SCHEME: Final = "bearer"


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
        view = (request.parser_context or {}).get("view")
        outage = bool(getattr(view, "accepts_outage", False)) or (
            request.method in getattr(view, "outage_methods", ())
        )
        principal = access_verify(token.strip(), accept_outage=outage)
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


class IsLoggedIn(BasePermission):
    """Whoever has a valid access token."""

    def has_permission(self, request: Request, _view: APIView) -> bool:
        """Tell whether the request is somebody's."""
        return isinstance(_user(request), Principal)


class IsTrader(BasePermission):
    """Traders alone: staff have no trading account."""

    message = "Only traders have a trading account."

    def has_permission(self, request: Request, _view: APIView) -> bool:
        """Tell whether the request is a trader's."""
        user = _user(request)
        return isinstance(user, Principal) and user.role is Role.TRADER


def principal_of(request: Request) -> Principal:
    """Return who makes the request, of a view that only serves people who have logged in."""
    principal = _user(request)
    assert isinstance(principal, Principal), "the view lets in people without a token"
    return principal


def _user(request: Request) -> object:
    return request.user  # the stubs take it for a row of the user model
