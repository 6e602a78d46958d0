"""What services of markets and trading raise, as answers of the API.

Invariant: a request that cannot be is answered with the field, what it was and what was expected;
a database that does not answer is 503 and never a defect of ours.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

import structlog
from django.db import InterfaceError, OperationalError
from rest_framework import serializers
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.api.errors import RETRY_AFTER_S, ApiError, ErrorCode
from apps.markets.grid import GridError
from apps.markets.listed import UnknownMarketError
from apps.trading.errors import OrderTermsError, UnknownOrderError

_FIELD_CODES: Final = {
    "price": ErrorCode.INVALID_PRICE,
    "quantity": ErrorCode.INVALID_QUANTITY,
}
_LOG: Final = structlog.get_logger("quantatrade.api")


def domain_error(raised: Exception) -> ApiError | None:
    """Return the answer to an error of a service; None if it is not one of these."""
    if isinstance(raised, GridError | OrderTermsError):
        code = _FIELD_CODES.get(raised.field, ErrorCode.INVALID_REQUEST)
        problem = f"was {raised.was!r}, expected {raised.expected}"
        return ApiError(code, f"{raised}.", details={"fields": {raised.field: [problem]}})
    if isinstance(raised, UnknownMarketError):
        return ApiError(
            ErrorCode.UNKNOWN_MARKET,
            "No such market.",
            status=HTTPStatus.NOT_FOUND,
            details={"market": raised.symbol[:40]},
        )
    if isinstance(raised, UnknownOrderError):
        return ApiError(
            ErrorCode.UNKNOWN_ORDER,
            "There is no such order of yours.",
            status=HTTPStatus.NOT_FOUND,
        )
    if isinstance(raised, OperationalError | InterfaceError):
        _LOG.warning("books_unavailable", error=str(raised))
        return ApiError(
            ErrorCode.UNAVAILABLE,
            "The books cannot be read now; orders are not affected.",
            status=HTTPStatus.SERVICE_UNAVAILABLE,
            retry_after_s=RETRY_AFTER_S,
        )
    return None


class ErrorFacts(serializers.Serializer[Any]):
    """What was wrong; `code` is stable, `details.fields` names fields where some are wrong."""

    code = serializers.ChoiceField(choices=[str(code) for code in ErrorCode])
    message = serializers.CharField()
    details = serializers.DictField()


class ErrorBody(serializers.Serializer[Any]):
    """Every answer of 400 or more."""

    error = ErrorFacts()
    request_id = serializers.CharField()


def problems(*statuses: int) -> dict[int, type[ErrorBody]]:
    """Return these statuses as the API's description states them."""
    return dict.fromkeys(statuses, ErrorBody)


class DomainView(APIView):
    """A view over services of markets and trading."""

    def handle_exception(self, exc: Exception) -> Response:
        """Answer what a service raised; everything else as usual."""
        return super().handle_exception(domain_error(exc) or exc)
