"""GET and POST deposit-address; GET deposits and deposit-networks."""

from __future__ import annotations

from dataclasses import asdict
from http import HTTPStatus
from typing import Any, Final

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.selectors import user_is_registered
from apps.api.authentication import IsTrader, principal_of
from apps.api.custody.serializers import (
    SHOWN_STATES,
    AddressBody,
    AddressQuery,
    DepositsBody,
    DepositsQuery,
    NetworksBody,
)
from apps.api.domain_errors import DomainView
from apps.api.errors import ApiError, ErrorCode
from apps.api.fields import decimal_text
from apps.api.idempotency import HEADER, idempotent
from apps.api.pagination import page_body, page_request
from apps.api.requests import client_address, request_id, valid_data, valid_query
from apps.custody.addresses import address_ensure
from apps.custody.selectors import address_get, deposits_list, networks_list
from apps.custody.types import (
    AddressFacts,
    CustodianRefusedError,
    CustodianUnavailableError,
    CustodyError,
    CustodyNotConfiguredError,
    DepositFacts,
    NoSuchNetworkError,
)

RETRY_AFTER_S: Final = 2
_KEY: Final = OpenApiParameter(
    HEADER,
    str,
    OpenApiParameter.HEADER,
    description="16 to 64 of [A-Za-z0-9_-]. The same key and content again gets the first answer.",
)


class CustodyView(DomainView):
    """For people who have a trading account."""

    permission_classes = (IsTrader,)


class NetworksView(CustodyView):
    """Networks on which assets can be deposited."""

    @extend_schema(
        responses={200: NetworksBody}, tags=["custody"], operation_id="deposit_networks_list"
    )
    def get(self, request: Request) -> Response:
        """List assets and networks, and how many confirmations a deposit needs on each."""
        del request
        items = [
            {
                "asset": each.asset_code,
                "network": each.network,
                "min_confirmations": each.min_confirmations,
            }
            for each in networks_list()
        ]
        return Response({"items": items})


class AddressView(CustodyView):
    """My deposit address for an asset."""

    @extend_schema(
        request=AddressQuery,
        parameters=[_KEY],
        responses={200: AddressBody, 201: AddressBody},
        tags=["custody"],
        operation_id="deposit_address_make",
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Return my address for an asset; it is made at the first time (201)."""
        principal, data = principal_of(request), valid_data(AddressQuery, request)
        if not user_is_registered(principal.user_id):
            raise ApiError(
                ErrorCode.ACCOUNT_PENDING,
                "The account is being opened; try again in a moment.",
                status=HTTPStatus.CONFLICT,
                retry_after_s=1,
            )
        try:
            facts, is_new = address_ensure(
                actor=principal.actor(),
                user_id=principal.user_id,
                asset_code=data["asset"],
                network=data["network"],
                request_id=request_id(request),
                address=client_address(request),
            )
        except CustodyError as error:
            raise _api_error(error) from error
        status = HTTPStatus.CREATED if is_new else HTTPStatus.OK
        return Response(_address_body(facts), status=status)

    @extend_schema(
        parameters=[AddressQuery],
        responses={200: AddressBody},
        tags=["custody"],
        operation_id="deposit_address_get",
    )
    def get(self, request: Request) -> Response:
        """Return my address for an asset, if I have one; POST makes one."""
        asked = valid_query(AddressQuery, request)
        facts = address_get(
            user_id=principal_of(request).user_id,
            asset_code=asked["asset"],
            network=asked["network"],
        )
        if facts is None:
            raise ApiError(
                ErrorCode.NOT_FOUND,
                "You have no address for this asset yet; POST makes one.",
                status=HTTPStatus.NOT_FOUND,
            )
        return Response(_address_body(facts))


class DepositsView(CustodyView):
    """My deposits."""

    @extend_schema(
        parameters=[DepositsQuery],
        responses={200: DepositsBody},
        tags=["custody"],
        operation_id="deposits_list",
    )
    def get(self, request: Request) -> Response:
        """List my deposits, newest first."""
        asked, page = valid_query(DepositsQuery, request), page_request(request)
        rows = deposits_list(
            user_id=principal_of(request).user_id,
            asset_code=asked["asset"],
            before_id=page.before,
            limit=page.limit + 1,
        )
        return Response(page_body(rows, page, key=lambda row: row.deposit_id, show=_deposit_body))


def _address_body(facts: AddressFacts) -> dict[str, Any]:
    body = asdict(facts)
    del body["user_id"]
    return {"asset": body.pop("asset_code"), **body}


def _deposit_body(facts: DepositFacts) -> dict[str, Any]:
    return {
        "id": facts.deposit_id,
        "asset": facts.asset_code,
        "network": facts.network,
        "address": facts.address,
        "txid": facts.txid,
        "amount": decimal_text(facts.amount),
        "confirmations": facts.confirmations,
        "min_confirmations": facts.min_confirmations,
        "state": SHOWN_STATES[facts.state],
        "event_seq": facts.event_seq,
        "created_at": facts.created_at,
        "credited_at": facts.credited_at,
    }


def _api_error(error: CustodyError) -> ApiError:
    if isinstance(error, NoSuchNetworkError):
        return ApiError(
            ErrorCode.UNKNOWN_ASSET,
            "This asset cannot be deposited.",
            status=HTTPStatus.NOT_FOUND,
        )
    assert isinstance(
        error, CustodianUnavailableError | CustodyNotConfiguredError | CustodianRefusedError
    ), f"was {type(error).__name__}"
    return ApiError(
        ErrorCode.UNAVAILABLE,
        "The custodian cannot be reached now; try again in a moment.",
        status=HTTPStatus.SERVICE_UNAVAILABLE,
        retry_after_s=RETRY_AFTER_S,
    )
