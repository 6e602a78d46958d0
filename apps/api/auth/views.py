"""POST register, login, refresh, logout; GET me."""

from __future__ import annotations

from dataclasses import asdict
from http import HTTPStatus
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.limits import REGISTRATIONS_OF_ADDRESS, LimitReachedError, limit_spend
from apps.accounts.login import InvalidCredentialsError, login, logout, refresh
from apps.accounts.registration import (
    EmailRefusedError,
    EmailTakenError,
    PasswordRefusedError,
    user_register,
)
from apps.accounts.roles import Role
from apps.accounts.selectors import user_facts
from apps.accounts.tiers import tier_rights
from apps.accounts.tokens import tokens_issue
from apps.accounts.types import TokenPair, UserFacts
from apps.api.auth.serializers import (
    LoginRequest,
    RefreshRequest,
    RegisterRequest,
    SessionBody,
    TokensBody,
    UserBody,
)
from apps.api.authentication import IsPerson, principal_of
from apps.api.errors import ApiError, ErrorCode
from apps.api.requests import client_address, request_id, valid_data


class RegisterView(APIView):
    """Open a login for a trader."""

    authentication_classes = ()
    permission_classes = ()

    @extend_schema(request=RegisterRequest, responses={201: SessionBody}, tags=["auth"])
    def post(self, request: Request) -> Response:
        """Make the login and log it in. Its trading account is open a moment later."""
        data = valid_data(RegisterRequest, request)
        address = client_address(request)
        try:
            limit_spend(REGISTRATIONS_OF_ADDRESS, address)
            user = user_register(
                email=data["email"],
                password=data["password"],
                request_id=request_id(request),
                address=address,
            )
        except LimitReachedError as error:
            raise _limited(ErrorCode.RATE_LIMITED, error) from error
        except EmailRefusedError as error:
            raise _invalid("email", str(error)) from error
        except PasswordRefusedError as error:
            raise ApiError(
                ErrorCode.PASSWORD_REFUSED, str(error), details={"reasons": error.reasons}
            ) from error
        except EmailTakenError as error:
            raise ApiError(ErrorCode.EMAIL_TAKEN, str(error), status=HTTPStatus.CONFLICT) from error
        tokens = tokens_issue(user_id=user.user_id, role=user.role)
        return Response(_session(user, tokens), status=HTTPStatus.CREATED)


class LoginView(APIView):
    """Log in with e-mail address and password."""

    authentication_classes = ()
    permission_classes = ()

    @extend_schema(request=LoginRequest, responses={200: SessionBody}, tags=["auth"])
    def post(self, request: Request) -> Response:
        """Open a session."""
        data = valid_data(LoginRequest, request)
        try:
            logged_in = login(
                email=data["email"],
                password=data["password"],
                address=client_address(request),
                request_id=request_id(request),
            )
        except LimitReachedError as error:
            raise _limited(ErrorCode.LOGIN_LOCKED, error) from error
        except InvalidCredentialsError as error:
            raise ApiError(
                ErrorCode.INVALID_CREDENTIALS, str(error), status=HTTPStatus.UNAUTHORIZED
            ) from error
        return Response(_session(logged_in.user, logged_in.tokens))


class RefreshView(APIView):
    """Go on with a session whose access token ends."""

    authentication_classes = ()
    permission_classes = ()

    @extend_schema(request=RefreshRequest, responses={200: TokensBody}, tags=["auth"])
    def post(self, request: Request) -> Response:
        """Exchange the refresh token, which is used up. Using an old one ends the session."""
        data = valid_data(RefreshRequest, request)
        return Response(_tokens(refresh(refresh_token=data["refresh_token"])))


class LogoutView(APIView):
    """End this session."""

    permission_classes = (IsPerson,)

    @extend_schema(request=None, responses={204: None}, tags=["auth"])
    def post(self, request: Request) -> Response:
        """End the session of the access token."""
        logout(
            principal=principal_of(request),
            address=client_address(request),
            request_id=request_id(request),
        )
        return Response(status=HTTPStatus.NO_CONTENT)


class MeView(APIView):
    """Who I am."""

    @extend_schema(responses={200: UserBody}, tags=["auth"])
    def get(self, request: Request) -> Response:
        """Show the login of the access token."""
        return Response(_user(user_facts(principal_of(request).user_id)))


def _session(user: UserFacts, tokens: TokenPair) -> dict[str, Any]:
    return {**_tokens(tokens), "user": _user(user)}


def _tokens(tokens: TokenPair) -> dict[str, Any]:
    return {
        "access_token": tokens.access_token,
        "refresh_token": tokens.refresh_token,
        "token_type": "Bearer",
        "expires_in": tokens.expires_in_s,
    }


def _user(user: UserFacts) -> dict[str, Any]:
    account: str | None = None
    is_trader = user.role == Role.TRADER
    if user.is_registered is not None:
        # Between the engine's answer and the mirror's row an account is new, so active.
        account = (user.status.lower() or "active") if user.is_registered else "pending"
    return {
        "id": user.user_id,
        "email": user.email,
        "role": str(user.role),
        "account": account,
        "tier": user.tier if is_trader else None,
        "may": asdict(tier_rights(user.tier)) if is_trader else None,
        "joined_at": user.joined_at.isoformat().replace("+00:00", "Z"),
    }


def _limited(code: ErrorCode, error: LimitReachedError) -> ApiError:
    return ApiError(
        code,
        f"Too many attempts; try again in {error.retry_after_s} s.",
        status=HTTPStatus.TOO_MANY_REQUESTS,
        retry_after_s=error.retry_after_s,
    )


def _invalid(field: str, problem: str) -> ApiError:
    return ApiError(
        ErrorCode.INVALID_REQUEST,
        "The request is not valid.",
        details={"fields": {field: [problem]}},
    )
