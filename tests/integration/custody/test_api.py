"""Deposit addresses and deposits over REST."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.conf import settings
from rest_framework.test import APIClient

from apps.accounts.principal import Principal
from apps.accounts.roles import Role
from apps.audit.models import OutboxRow
from apps.custody.models import DepositAddress
from tests.integration.custody.desk import Desk

ADDRESS = "/api/v1/deposit-address"
DEPOSITS = "/api/v1/deposits"
BTC = {"asset": "BTC"}


def client_of(user_id: int, role: Role = Role.TRADER) -> APIClient:
    client = APIClient()
    principal = Principal(
        user_id=user_id, role=role, session_id="s" * 32, expires_at=datetime.now(UTC)
    )
    client.force_authenticate(user=principal)  # type: ignore[arg-type]
    return client


def register(user_id: int) -> None:
    from apps.accounts.models import EngineRegistration

    EngineRegistration.objects.create(user_id=user_id, engine_event_seq=1)


@pytest.fixture
def api(desk: Desk) -> APIClient:
    register(desk.user_id)
    return client_of(desk.user_id)


def error_of(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def test_an_address_is_made_once_and_then_told(desk: Desk, api: APIClient) -> None:
    assert error_of(api.get(ADDRESS, BTC)) == (404, "not_found")
    made = api.post(ADDRESS, BTC, format="json")
    assert made.status_code == 201
    body = made.json()
    assert set(body) == {"asset", "network", "address", "min_confirmations", "created_at"}
    assert (body["asset"], body["network"], body["min_confirmations"]) == ("BTC", "bitcoin", 3)
    again = api.post(ADDRESS, BTC, format="json")
    assert (again.status_code, again.json()) == (200, body)
    assert api.get(ADDRESS, BTC).json() == body
    row = DepositAddress.objects.get()
    assert (row.user_id, row.address) == (desk.user_id, body["address"])
    assert OutboxRow.objects.filter(content__contains="custody.address_create").count() == 1


def test_a_repeated_key_gets_the_first_answer(desk: Desk, api: APIClient) -> None:
    key = {"Idempotency-Key": "0123456789abcdef"}
    first = api.post(ADDRESS, BTC, format="json", headers=key)
    second = api.post(ADDRESS, BTC, format="json", headers=key)
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json()["address"] == second.json()["address"]
    other = api.post(ADDRESS, {"asset": "ETH"}, format="json", headers=key)
    assert error_of(other) == (409, "idempotency_key_reused")


def test_what_cannot_be_deposited_has_no_address(desk: Desk, api: APIClient) -> None:
    for asset in ("USDC", "DOGE"):  # not listed; not known
        answer = api.post(ADDRESS, {"asset": asset}, format="json")
        assert error_of(answer) == (404, "unknown_asset")
    wrong = api.post(ADDRESS, {"asset": "BTC", "network": "lightning"}, format="json")
    assert error_of(wrong) == (404, "unknown_asset")
    assert error_of(api.post(ADDRESS, {"asset": "btc!"}, format="json")) == (400, "invalid_request")
    assert DepositAddress.objects.count() == 0


def test_an_account_that_the_engine_does_not_know_yet_is_pending(desk: Desk) -> None:
    answer = client_of(desk.user_id).post(ADDRESS, BTC, format="json")
    assert error_of(answer) == (409, "account_pending")
    assert DepositAddress.objects.count() == 0


def test_a_custodian_that_is_down_is_said_so_and_leaves_nothing(
    desk: Desk, api: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for url in ("http://127.0.0.1:1", ""):
        monkeypatch.setattr(settings, "CUSTODY_URL", url)
        answer = api.post(ADDRESS, BTC, format="json")
        assert error_of(answer) == (503, "unavailable")
    assert DepositAddress.objects.count() == 0


def test_only_traders_who_have_logged_in_are_answered(desk: Desk) -> None:
    for client, expected in (
        (APIClient(), 401),
        (client_of(desk.user_id, Role.SUPPORT), 403),
        (client_of(desk.user_id, Role.OPERATOR), 403),
    ):
        assert client.get(DEPOSITS).status_code == expected
        assert client.post(ADDRESS, BTC, format="json").status_code == expected
    assert DepositAddress.objects.count() == 0


def test_deposits_are_listed_newest_first_and_each_to_its_owner(desk: Desk, api: APIClient) -> None:
    desk.arrive(150_000_000)
    desk.arrive(7, state="unconfirmed")
    desk.arrive(9_999_999_999, coin="eth", address=desk.address("ETH"))
    desk.deliver()
    body = api.get(DEPOSITS).json()
    shown = [(each["asset"], each["amount"], each["state"]) for each in body["items"]]
    assert shown == [
        ("ETH", "0", "too_small"),
        ("BTC", "0.00000007", "pending"),
        ("BTC", "1.5", "credited"),
    ]
    assert body["next_cursor"] is None
    assert body["items"][2]["event_seq"] > 0
    page = api.get(DEPOSITS, {"limit": 2}).json()
    rest = api.get(DEPOSITS, {"limit": 2, "cursor": page["next_cursor"]}).json()
    assert [each["id"] for each in [*page["items"], *rest["items"]]] == [
        each["id"] for each in body["items"]
    ]
    only = api.get(DEPOSITS, {"asset": "ETH"}).json()["items"]
    assert [each["asset"] for each in only] == ["ETH"]
    stranger = desk.trader()
    assert client_of(stranger).get(DEPOSITS).json() == {"items": [], "next_cursor": None}


def test_networks_are_told(desk: Desk, api: APIClient) -> None:
    items = api.get("/api/v1/deposit-networks").json()["items"]
    assert {"asset": "BTC", "network": "bitcoin", "min_confirmations": 3} in items
