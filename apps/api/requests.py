"""What every view needs of a request."""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request
from rest_framework.serializers import Serializer


def valid_data(serializer: type[Serializer[Any]], request: Request) -> dict[str, Any]:
    """Return the body as `serializer` reads it; ValidationError names the fields that are wrong."""
    reader = serializer(data=request.data)
    reader.is_valid(raise_exception=True)
    data: dict[str, Any] = reader.validated_data
    return data


def valid_query(serializer: type[Serializer[Any]], request: Request) -> dict[str, Any]:
    """Return the query's parameters as `serializer` reads them; ValidationError as above."""
    reader = serializer(data=request.query_params)
    reader.is_valid(raise_exception=True)
    data: dict[str, Any] = reader.validated_data
    return data


def client_address(request: Request) -> str:
    """Return the client's address, as the edge saw it."""
    return str(request.META.get("REMOTE_ADDR") or "unknown")


def request_id(request: Request) -> str:
    """Return the name of the request in logs and records."""
    return str(request.META.get("HTTP_X_REQUEST_ID", ""))
