"""GET and POST keys, DELETE keys/{key}: a trader's own API keys. For people, not for keys.

A key's secret is in one answer only, so these requests are not remembered by Idempotency-Key.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.api_keys import (
    ADDRESSES_MAX,
    PERMISSIONS,
    KeyTermsError,
    TooManyKeysError,
    UnknownKeyError,
    api_key_create,
    api_key_revoke,
    api_keys_list,
)
from apps.accounts.models import KEY_LABEL_CHARS_MAX
from apps.accounts.types import ApiKeyFacts
from apps.api.authentication import IsPerson, IsTrader, principal_of
from apps.api.domain_errors import DomainView, problems
from apps.api.errors import ApiError, ErrorCode
from apps.api.requests import client_address, request_id, valid_data
from apps.api.statements import body_of

ADDRESS_CHARS_MAX = 64


class CreateKeyRequest(serializers.Serializer[Any]):
    """A name for the key, what it may do, and from where (empty: from anywhere)."""

    label = serializers.CharField(max_length=KEY_LABEL_CHARS_MAX)  # type: ignore[assignment]
    permissions = serializers.ListField(
        child=serializers.ChoiceField(choices=PERMISSIONS), min_length=1, max_length=2
    )
    addresses = serializers.ListField(
        child=serializers.CharField(max_length=ADDRESS_CHARS_MAX),
        max_length=ADDRESSES_MAX,
        required=False,
        default=list,
        help_text="IP addresses or networks, e.g. 192.0.2.7 or 2001:db8::/32.",
    )


class KeyBody(serializers.Serializer[Any]):
    """A key without its secret."""

    key = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    permissions = serializers.ListField(child=serializers.ChoiceField(choices=PERMISSIONS))
    addresses = serializers.ListField(child=serializers.CharField())
    created_at = serializers.DateTimeField()
    last_used_at = serializers.DateTimeField(allow_null=True)
    revoked_at = serializers.DateTimeField(allow_null=True)


class NewKeyBody(KeyBody):
    """A new key, with the secret that nobody is told again."""

    secret = serializers.CharField()


class KeysBody(serializers.Serializer[Any]):
    """One's own keys."""

    items = KeyBody(many=True)


class KeysView(DomainView):
    """My API keys."""

    permission_classes = (IsTrader, IsPerson)

    @extend_schema(
        responses={200: KeysBody, **problems(401, 403, 503)},
        tags=["keys"],
        operation_id="keys_list",
    )
    def get(self, request: Request) -> Response:
        """List my keys, the newest first, revoked ones included."""
        rows = api_keys_list(principal_of(request).user_id)
        return Response({"items": [_body(row) for row in rows]})

    @extend_schema(
        request=CreateKeyRequest,
        responses={201: NewKeyBody, **problems(400, 401, 403, 409, 503)},
        tags=["keys"],
        operation_id="keys_create",
    )
    def post(self, request: Request) -> Response:
        """Make a key. Its secret is in this answer and nowhere else."""
        principal, data = principal_of(request), valid_data(CreateKeyRequest, request)
        try:
            made = api_key_create(
                user_id=principal.user_id,
                label=data["label"],
                permissions=data["permissions"],
                addresses=data["addresses"],
                actor=principal.actor(),
                request_id=request_id(request),
                address=client_address(request),
            )
        except KeyTermsError as error:
            raise ApiError(
                ErrorCode.INVALID_REQUEST,
                "The request is not valid.",
                details={"fields": {error.field: [str(error)]}},
            ) from error
        except TooManyKeysError as error:
            raise ApiError(
                ErrorCode.TOO_MANY_KEYS, str(error), status=HTTPStatus.CONFLICT
            ) from error
        return Response({**_body(made.key), "secret": made.secret}, status=HTTPStatus.CREATED)


class KeyView(DomainView):
    """One of my API keys."""

    permission_classes = (IsTrader, IsPerson)

    @extend_schema(
        responses={204: None, **problems(401, 403, 404, 503)},
        tags=["keys"],
        operation_id="keys_revoke",
    )
    def delete(self, request: Request, key_id: str) -> Response:
        """Revoke a key for good; it is refused everywhere within a second."""
        principal = principal_of(request)
        try:
            api_key_revoke(
                user_id=principal.user_id,
                key_id=key_id,
                actor=principal.actor(),
                request_id=request_id(request),
                address=client_address(request),
            )
        except UnknownKeyError as error:
            raise ApiError(
                ErrorCode.NOT_FOUND, "You have no such key.", status=HTTPStatus.NOT_FOUND
            ) from error
        return Response(status=HTTPStatus.NO_CONTENT)


def _body(facts: ApiKeyFacts) -> dict[str, Any]:
    body: dict[str, Any] = body_of(facts)
    return {"key": body.pop("key_id"), **body}
