"""Errors of the REST API: stable codes, one shape.

    {"error": {"code": "insufficient_balance", "message": "…", "details": {…}},
     "request_id": "…"}

Invariant: every answer of 400 or more has this shape and a code of `ErrorCode`. A code never
changes its meaning; messages are for people and may change.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from http import HTTPStatus
from typing import Any, Final

import structlog
from django.core.exceptions import PermissionDenied
from django.http import Http404
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import set_rollback

from apps.accounts.limits import LimitReachedError
from apps.accounts.principal import Principal
from apps.accounts.tokens import SessionsUnavailableError, TokenError
from apps.audit.actions import ActionRefusedError
from apps.audit.refusals import refusal_count
from engine.client import EngineOverloaded, EngineRefused, EngineUnavailable, OutcomeUnknown
from engine.proto.records import Reason

RETRY_AFTER_S: Final = 1
_LOG: Final = structlog.get_logger("quantatrade.api")


class ErrorCode(StrEnum):
    """Every code that the API answers. Those after the blank line are the engine's reasons."""

    INVALID_REQUEST = "invalid_request"
    NOT_AUTHENTICATED = "not_authenticated"
    TOKEN_INVALID = "token_invalid"  # noqa: S105 - a code, not a secret
    TOKEN_EXPIRED = "token_expired"  # noqa: S105
    SESSION_ENDED = "session_ended"
    INVALID_CREDENTIALS = "invalid_credentials"
    LOGIN_LOCKED = "login_locked"
    KEY_INVALID = "key_invalid"
    TIMESTAMP_OUTSIDE_WINDOW = "timestamp_outside_window"
    SIGNATURE_USED = "signature_used"
    TOO_MANY_KEYS = "too_many_keys"
    EMAIL_TAKEN = "email_taken"
    PASSWORD_REFUSED = "password_refused"  # noqa: S105
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    NOT_ACCEPTABLE = "not_acceptable"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    RATE_LIMITED = "rate_limited"
    IDEMPOTENCY_KEY_INVALID = "idempotency_key_invalid"
    IDEMPOTENCY_KEY_REUSED = "idempotency_key_reused"
    REQUEST_IN_PROGRESS = "request_in_progress"
    ACCOUNT_PENDING = "account_pending"
    UNAVAILABLE = "unavailable"
    ENGINE_UNAVAILABLE = "engine_unavailable"
    OUTCOME_UNKNOWN = "outcome_unknown"
    BAD_REQUEST = "bad_request"
    INTERNAL_SERVER_ERROR = "internal_server_error"
    REQUEST_TIMEOUT = "request_timeout"
    REQUEST_ENTITY_TOO_LARGE = "request_entity_too_large"
    BAD_GATEWAY = "bad_gateway"
    SERVICE_UNAVAILABLE = "service_unavailable"
    GATEWAY_TIMEOUT = "gateway_timeout"

    UNKNOWN_ASSET = "unknown_asset"
    UNKNOWN_MARKET = "unknown_market"
    UNKNOWN_ORDER = "unknown_order"
    ALREADY_EXISTS = "already_exists"
    NOTHING_CHANGES = "nothing_changes"
    INVALID_AMOUNT = "invalid_amount"
    INVALID_PRICE = "invalid_price"
    INVALID_QUANTITY = "invalid_quantity"
    PRICE_FILTER = "price_filter"
    LOT_SIZE = "lot_size"
    NOTIONAL = "notional"
    OVERFLOW = "overflow"
    INSUFFICIENT_BALANCE = "insufficient_balance"
    MAX_TOTAL_EXCEEDED = "max_total_exceeded"
    WOULD_TAKE = "would_take"
    PRICE_ABOVE_CEILING = "price_above_ceiling"
    MARKET_NOT_TRADING = "market_not_trading"
    USER_SUSPENDED = "user_suspended"
    DUPLICATE_CLIENT_ORDER_ID = "duplicate_client_order_id"
    CAPACITY = "capacity"
    TIME_IN_FORCE = "time_in_force"
    BUDGET = "budget"
    KILL_SWITCH = "kill_switch"
    MAX_NUM_ORDERS = "max_num_orders"
    MAX_POSITION = "max_position"
    PERCENT_PRICE = "percent_price"


class ApiError(Exception):
    """An answer of 400 or more."""

    def __init__(
        self,
        code: ErrorCode,
        message: str,
        *,
        status: HTTPStatus = HTTPStatus.BAD_REQUEST,
        details: Mapping[str, Any] | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.details = dict(details or {})
        self.retry_after_s = retry_after_s


_BAD, _CONFLICT = HTTPStatus.BAD_REQUEST, HTTPStatus.CONFLICT
_LATER: Final = HTTPStatus.SERVICE_UNAVAILABLE

# What a trader can cause. A reason that is not here is a defect of ours, or an operator's matter.
REASON_ERRORS: Final[dict[Reason, tuple[ErrorCode, HTTPStatus, str]]] = {
    Reason.MALFORMED: (ErrorCode.INVALID_REQUEST, _BAD, "The engine could not read the request."),
    Reason.UNKNOWN_ASSET: (ErrorCode.UNKNOWN_ASSET, HTTPStatus.NOT_FOUND, "No such asset."),
    Reason.UNKNOWN_MARKET: (ErrorCode.UNKNOWN_MARKET, HTTPStatus.NOT_FOUND, "No such market."),
    Reason.UNKNOWN_USER: (
        ErrorCode.ACCOUNT_PENDING,
        _CONFLICT,
        "The account is being opened; try again in a moment.",
    ),
    Reason.UNKNOWN_ORDER: (
        ErrorCode.UNKNOWN_ORDER,
        HTTPStatus.NOT_FOUND,
        "There is no such open order of yours.",
    ),
    Reason.ALREADY_EXISTS: (ErrorCode.ALREADY_EXISTS, _CONFLICT, "It exists with other content."),
    Reason.NOTHING_CHANGES: (ErrorCode.NOTHING_CHANGES, _CONFLICT, "It is so already."),
    Reason.INVALID_AMOUNT: (ErrorCode.INVALID_AMOUNT, _BAD, "The amount is not allowed."),
    Reason.INVALID_PRICE: (ErrorCode.INVALID_PRICE, _BAD, "The price is not allowed."),
    Reason.INVALID_QUANTITY: (ErrorCode.INVALID_QUANTITY, _BAD, "The quantity is not allowed."),
    Reason.PRICE_FILTER: (
        ErrorCode.PRICE_FILTER,
        _BAD,
        "The price is outside of the market's bounds.",
    ),
    Reason.LOT_SIZE: (
        ErrorCode.LOT_SIZE,
        _BAD,
        "The quantity is outside of the market's bounds.",
    ),
    Reason.NOTIONAL: (ErrorCode.NOTIONAL, _BAD, "Price times quantity is below the minimum."),
    Reason.OVERFLOW: (ErrorCode.OVERFLOW, _BAD, "Price times quantity is too large."),
    Reason.INSUFFICIENT_BALANCE: (
        ErrorCode.INSUFFICIENT_BALANCE,
        _CONFLICT,
        "The available balance does not cover it.",
    ),
    Reason.MAX_TOTAL_EXCEEDED: (
        ErrorCode.MAX_TOTAL_EXCEEDED,
        _CONFLICT,
        "The exchange may not hold more of this asset.",
    ),
    Reason.WOULD_TAKE: (ErrorCode.WOULD_TAKE, _CONFLICT, "The order would trade at once."),
    Reason.PRICE_ABOVE_CEILING: (
        ErrorCode.PRICE_ABOVE_CEILING,
        _BAD,
        "The price is above the order's ceiling.",
    ),
    Reason.MARKET_NOT_TRADING: (
        ErrorCode.MARKET_NOT_TRADING,
        _CONFLICT,
        "The market takes no orders now; cancels work.",
    ),
    Reason.USER_SUSPENDED: (
        ErrorCode.USER_SUSPENDED,
        HTTPStatus.FORBIDDEN,
        "Trading is suspended for this account; cancels work.",
    ),
    Reason.DUPLICATE_CLIENT_ORDER_ID: (
        ErrorCode.DUPLICATE_CLIENT_ORDER_ID,
        _CONFLICT,
        "An open order has this client order id.",
    ),
    Reason.REQUEST_ID_REUSED: (
        ErrorCode.IDEMPOTENCY_KEY_REUSED,
        _CONFLICT,
        "The idempotency key was used with other content.",
    ),
    Reason.CAPACITY: (ErrorCode.CAPACITY, _LATER, "A limit of the engine is reached."),
    Reason.TIME_IN_FORCE: (ErrorCode.TIME_IN_FORCE, _CONFLICT, "It could not be filled at once."),
    Reason.BUDGET: (ErrorCode.BUDGET, _CONFLICT, "It could not be filled within the budget."),
    Reason.KILL_SWITCH: (ErrorCode.KILL_SWITCH, _CONFLICT, "The exchange stopped all orders here."),
    Reason.MARKET_LOT_SIZE: (
        ErrorCode.LOT_SIZE,
        _BAD,
        "The quantity is outside of the market's bounds of a market order.",
    ),
    Reason.MAX_NUM_ORDERS: (
        ErrorCode.MAX_NUM_ORDERS,
        _CONFLICT,
        "There are too many open orders in this market.",
    ),
    Reason.MAX_NUM_ALGO_ORDERS: (
        ErrorCode.MAX_NUM_ORDERS,
        _CONFLICT,
        "There are too many waiting orders in this market.",
    ),
    Reason.MAX_POSITION: (
        ErrorCode.MAX_POSITION,
        _CONFLICT,
        "The position in this market would become too large.",
    ),
    Reason.RATE_LIMIT: (
        ErrorCode.RATE_LIMITED,
        HTTPStatus.TOO_MANY_REQUESTS,
        "Too many orders without a fill; wait a moment.",
    ),
    Reason.PERCENT_PRICE: (
        ErrorCode.PERCENT_PRICE,
        _BAD,
        "The price is too far from the market's reference price.",
    ),
    Reason.SLIPPAGE: (
        ErrorCode.PERCENT_PRICE,
        _CONFLICT,
        "What the book offers is beyond the market's slippage allowance.",
    ),
    Reason.VOLATILITY: (
        ErrorCode.PERCENT_PRICE,
        _CONFLICT,
        "What the book offers is beyond the market's volatility limit; trading pauses.",
    ),
    Reason.MARKET_POST_ONLY: (
        ErrorCode.MARKET_NOT_TRADING,
        _CONFLICT,
        "The market takes post-only orders now.",
    ),
    Reason.MARKET_LIMIT_ONLY: (
        ErrorCode.MARKET_NOT_TRADING,
        _CONFLICT,
        "The market takes limit orders only now.",
    ),
    Reason.MARKET_IN_AUCTION: (
        ErrorCode.MARKET_NOT_TRADING,
        _CONFLICT,
        "The market is in an auction: it takes limit orders that may rest.",
    ),
    Reason.MARKET_CLOSED: (ErrorCode.MARKET_NOT_TRADING, _CONFLICT, "The market is closed."),
    Reason.MARKET_DELISTED: (
        ErrorCode.MARKET_NOT_TRADING,
        _CONFLICT,
        "The market has been taken off the exchange.",
    ),
}


def reason_error(reason: Reason, *, details: Mapping[str, Any] | None = None) -> ApiError:
    """Return the error that tells a trader of the engine's refusal."""
    code, status, message = REASON_ERRORS.get(
        reason,
        (ErrorCode.INVALID_REQUEST, _BAD, f"Refused: {reason.name.lower().replace('_', ' ')}."),
    )
    later = (ErrorCode.ACCOUNT_PENDING, ErrorCode.CAPACITY, ErrorCode.RATE_LIMITED)
    retry = RETRY_AFTER_S if code in later else None
    return ApiError(code, message, status=status, details=details, retry_after_s=retry)


def error_body(error: ApiError, request_id: str) -> dict[str, Any]:
    """Return the JSON of an error."""
    stated = {"code": str(error.code), "message": error.message, "details": error.details}
    return {"error": stated, "request_id": request_id}


def exception_handler(raised: Exception, context: dict[str, Any]) -> Response | None:
    """Answer an exception of a view; None leaves a defect to Django, which logs it and answers 500.

    REST framework calls this (setting EXCEPTION_HANDLER).
    """
    error = _api_error(raised)
    if error is None:
        return None
    request: Request = context["request"]
    set_rollback()
    headers = {}
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(error.retry_after_s)
    if error.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="quantatrade"'
    _count(request, error)
    body = error_body(error, request.META.get("HTTP_X_REQUEST_ID", ""))
    return Response(body, status=error.status.value, headers=headers)


def _count(request: Request, error: ApiError) -> None:
    """Count what was refused before the engine; what the engine refused is in its journal."""
    if getattr(error, "journaled", False) or error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return
    # The attribute is there once somebody has been authenticated; asking `user` could raise again.
    user = getattr(request, "_user", None)
    address = request.META.get("REMOTE_ADDR") or "unknown"
    principal = user.key if isinstance(user, Principal) else f"address:{address}"
    refusal_count(principal=principal, code=str(error.code))


def _api_error(raised: Exception) -> ApiError | None:
    for translate in (_own_error, _engine_error, _framework_error):
        error = translate(raised)
        if error is not None:
            return error
    return None


def _own_error(raised: Exception) -> ApiError | None:
    if isinstance(raised, ApiError):
        return raised
    if isinstance(raised, TokenError):
        return ApiError(ErrorCode(raised.code), str(raised), status=HTTPStatus.UNAUTHORIZED)
    if isinstance(raised, SessionsUnavailableError):
        _LOG.warning("sessions_unavailable", error=str(raised))
        return _unavailable("Logins cannot be checked now.")
    if isinstance(raised, LimitReachedError):
        return ApiError(
            ErrorCode.RATE_LIMITED,
            f"Too many attempts; try again in {raised.retry_after_s} s.",
            status=HTTPStatus.TOO_MANY_REQUESTS,
            retry_after_s=raised.retry_after_s,
        )
    if isinstance(raised, ActionRefusedError):
        denied = raised.code == "permission_denied"
        return ApiError(
            ErrorCode.FORBIDDEN if denied else ErrorCode.INVALID_REQUEST,
            str(raised),
            status=HTTPStatus.FORBIDDEN if denied else HTTPStatus.BAD_REQUEST,
            details={"refusal": raised.code},
        )
    return None


def _engine_error(raised: Exception) -> ApiError | None:
    if isinstance(raised, EngineRefused):
        error = reason_error(raised.reason)
        error.journaled = True  # type: ignore[attr-defined]
        return error
    if isinstance(raised, EngineOverloaded):
        return _unavailable(
            "The engine has too much to do; nothing was executed.", ErrorCode.ENGINE_UNAVAILABLE
        )
    if isinstance(raised, EngineUnavailable):
        _LOG.warning("engine_unavailable", error=str(raised))
        return _unavailable(
            "The engine does not answer; nothing was executed.", ErrorCode.ENGINE_UNAVAILABLE
        )
    if isinstance(raised, OutcomeUnknown):
        _LOG.warning("outcome_unknown", error=str(raised))
        return ApiError(
            ErrorCode.OUTCOME_UNKNOWN,
            "It is not known whether this was executed. Send it again with the same"
            " Idempotency-Key to learn it.",
            status=HTTPStatus.SERVICE_UNAVAILABLE,
            retry_after_s=RETRY_AFTER_S,
        )
    return None


def _unavailable(message: str, code: ErrorCode = ErrorCode.UNAVAILABLE) -> ApiError:
    return ApiError(
        code,
        message,
        status=HTTPStatus.SERVICE_UNAVAILABLE,
        retry_after_s=RETRY_AFTER_S,
    )


_FRAMEWORK_CODES: Final[dict[type[exceptions.APIException], ErrorCode]] = {
    exceptions.ParseError: ErrorCode.INVALID_REQUEST,
    exceptions.AuthenticationFailed: ErrorCode.TOKEN_INVALID,
    exceptions.NotAuthenticated: ErrorCode.NOT_AUTHENTICATED,
    exceptions.PermissionDenied: ErrorCode.FORBIDDEN,
    exceptions.NotFound: ErrorCode.NOT_FOUND,
    exceptions.MethodNotAllowed: ErrorCode.METHOD_NOT_ALLOWED,
    exceptions.NotAcceptable: ErrorCode.NOT_ACCEPTABLE,
    exceptions.UnsupportedMediaType: ErrorCode.UNSUPPORTED_MEDIA_TYPE,
    exceptions.Throttled: ErrorCode.RATE_LIMITED,
}


def _framework_error(raised: Exception) -> ApiError | None:
    if isinstance(raised, Http404):
        return ApiError(
            ErrorCode.NOT_FOUND, "There is nothing at this address.", status=HTTPStatus.NOT_FOUND
        )
    if isinstance(raised, PermissionDenied):
        return ApiError(ErrorCode.FORBIDDEN, "You may not do this.", status=HTTPStatus.FORBIDDEN)
    if isinstance(raised, exceptions.ValidationError):
        return ApiError(
            ErrorCode.INVALID_REQUEST,
            "The request is not valid.",
            details={"fields": raised.detail},
        )
    if isinstance(raised, exceptions.APIException):
        code = next(
            (code for kind, code in _FRAMEWORK_CODES.items() if isinstance(raised, kind)),
            ErrorCode.BAD_REQUEST,
        )
        wait_s = getattr(raised, "wait", None)
        return ApiError(
            code,
            str(raised.detail),
            status=HTTPStatus(raised.status_code),
            retry_after_s=None if wait_s is None else max(1, round(wait_s)),
        )
    return None
