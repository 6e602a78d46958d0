"""Every error has one shape and a stable code; refusals are counted, not logged in SQL."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.test import Client
from rest_framework.test import APIClient

from apps.api.errors import REASON_ERRORS, ErrorCode, reason_error
from apps.audit import refusals
from apps.audit.models import RefusalCount
from apps.audit.refusals import OTHERS, refusal_count, refusals_store
from engine.proto.records import Reason
from tests.integration.api.test_auth import ANN, V1, bearer, error_of, register

# What only operators, defects, or orders of kinds that this API does not place can cause; a trader
# is told `invalid_request`.
NOT_TRADERS = {
    Reason.INVALID_DECIMALS,
    Reason.INVALID_MAX_TOTAL,
    Reason.INVALID_SYMBOL,
    Reason.INVALID_TICK_OR_LOT,
    Reason.INVALID_FEE,
    Reason.INVALID_FILTER,
    Reason.REQUEST_ID_REQUIRED,
    Reason.DUPLICATE_ORDER_ID,
    Reason.NONE,
    Reason.MASS_CANCEL,
    Reason.USER_STATUS,
    Reason.MARKET_STATE,
    Reason.NO_DRAFT,
    Reason.UNBALANCED,
    Reason.UNKNOWN_HOLD,
    Reason.HOLD_SETTLED,
    Reason.HOLD_RELEASED,
    Reason.REBATE,
    Reason.WOULD_TRIGGER,
    Reason.INVALID_STOP_PRICE,
    Reason.INVALID_TRAILING_DELTA,
    Reason.INVALID_EXPIRE_TIME,
    Reason.ORDER_IS_PARKED,
    Reason.GTD,
    Reason.DEADMAN,
    Reason.SESSION,
    Reason.LIST,
    Reason.INVALID_TIMEOUT,
    Reason.INVALID_LIST,
    Reason.ORDER_IN_LIST,
    Reason.UNKNOWN_SESSION,
    Reason.STP,
    Reason.INVALID_ICEBERG,
    Reason.QUOTE_REPLACED,
    Reason.CANCEL_RESTRICTED,
    Reason.INVALID_BAND,
}


def test_every_reason_of_the_engine_has_a_code_or_is_none_of_a_traders() -> None:
    assert set(REASON_ERRORS) == set(Reason) - NOT_TRADERS
    for reason in Reason:
        error = reason_error(reason)
        assert error.code in ErrorCode
        assert 400 <= error.status <= 503
        assert error.message


@pytest.mark.parametrize(
    ("method", "path", "body", "expected"),
    [
        ("get", "/api/v1/nothing", None, (404, "not_found")),
        ("get", "/api/nothing", None, (404, "not_found")),
        ("get", "/api/v1/auth/login", None, (405, "method_not_allowed")),
        ("post", "/api/v1/auth/login", "{", (400, "invalid_request")),
        ("post", "/api/v1/auth/login", "[]", (400, "invalid_request")),
        ("post", "/api/v1/auth/login", "null", (400, "invalid_request")),
        ("post", "/api/v1/auth/login", '{"email": 1e999}', (400, "invalid_request")),
    ],
)
def test_errors_of_all_kinds_have_one_shape(
    api: APIClient, method: str, path: str, body: str | None, expected: tuple[int, str]
) -> None:
    options = {} if body is None else {"data": body, "content_type": "application/json"}
    response = getattr(api, method)(path, HTTP_ACCEPT="text/html,*/*", **options)
    assert error_of(response) == expected


def test_only_json_is_read(api: APIClient) -> None:
    response = Client().post(f"{V1}/auth/login", ANN)  # a form
    assert error_of(response) == (415, "unsupported_media_type")


def test_the_caller_names_its_request(api: APIClient) -> None:
    response = api.get(f"{V1}/me", HTTP_X_REQUEST_ID="caller-0009")
    assert response.json()["request_id"] == "caller-0009"


def test_refusals_are_counted_per_principal_code_and_minute_in_one_row_each(
    api: APIClient,
) -> None:
    token = register(api)["access_token"]
    for _ in range(5):
        api.get(f"{V1}/me")
    for _ in range(3):
        api.put(f"{V1}/me", {}, **bearer(token))
    api.post(f"{V1}/auth/login", {})
    for _ in range(3):  # carrying them again changes nothing
        refusals_store()
    rows = {(row.principal, row.code): row.count for row in RefusalCount.objects.all()}
    user = next(principal for principal, _ in rows if principal.startswith("user:"))
    assert rows == {
        ("address:127.0.0.1", "not_authenticated"): 5,
        ("address:127.0.0.1", "invalid_request"): 1,
        (user, "method_not_allowed"): 3,
    }


def test_a_minute_that_is_over_leaves_redis_when_it_is_stored(
    api: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    instant = datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC)
    refusal_count(principal="user:1", code="rate_limited", clock=lambda: instant)
    later = instant.replace(minute=12)
    assert refusals_store(clock=lambda: later) == 1
    assert refusals_store(clock=lambda: later) == 0
    row = RefusalCount.objects.get()
    assert (row.minute, row.count) == (instant.replace(second=0), 1)


def test_a_flood_from_many_addresses_has_a_limit(
    api: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refusals, "FIELDS_MAX", 3)
    for number in range(10):
        refusal_count(principal=f"address:2001:db8::{number}", code="not_authenticated")
    refusals_store()
    rows = {row.principal: row.count for row in RefusalCount.objects.all()}
    assert len(rows) == 4
    assert rows[OTHERS] == 7


def test_without_redis_a_refusal_is_answered_all_the_same(api: APIClient, no_redis: None) -> None:
    assert error_of(api.get(f"{V1}/me")) == (401, "not_authenticated")


def test_the_description_names_every_address_and_the_page_needs_no_other_host(
    api: APIClient,
) -> None:
    schema = api.get("/api/schema/?format=json").json()
    assert {f"{V1}/auth/register", f"{V1}/auth/login", f"{V1}/me"} <= set(schema["paths"])
    page = api.get("/api/docs/", HTTP_ACCEPT="text/html")
    assert page.status_code == 200
    html = page.content.decode()
    assert "https://" not in html
    assert "http://" not in html
    policy = page.headers["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert "unsafe-eval" not in policy
