"""A POST with a key is executed once, whatever the network does to its answer."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

import pytest
from django.db import connections
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory
from rest_framework.views import APIView

from apps.accounts.roles import Role
from apps.accounts.tokens import tokens_issue
from apps.api.errors import ApiError, ErrorCode
from apps.api.idempotency import CLAIM_S, engine_request_id, idempotent
from apps.api.models import IdempotentRequest
from engine.client import EngineUnavailable

pytestmark = pytest.mark.usefixtures("platform")
KEY = "a-key-of-mine-0001"


def _body(request: Request) -> dict[str, Any]:
    assert isinstance(request.data, dict)
    return request.data


class CountView(APIView):
    """Counts how often it is executed; does what the body asks for."""

    executed = 0

    @idempotent
    def post(self, request: Request) -> Response:
        """Count."""
        type(self).executed += 1
        wanted = _body(request).get("fail")
        if wanted == "api":
            raise ApiError(ErrorCode.NOT_FOUND, "no", status=HTTPStatus.NOT_FOUND)
        if wanted == "engine":
            raise EngineUnavailable("down")
        number = type(self).executed
        return Response({"number": number, "of": _body(request).get("x")}, status=201)


@pytest.fixture(autouse=True)
def nothing_executed() -> None:
    CountView.executed = 0


def post(body: dict[str, Any], key: str | None = KEY, user_id: int = 1) -> Any:
    token = tokens_issue(user_id=user_id, role=Role.TRADER).access_token
    headers = {"Authorization": f"Bearer {token}"}
    if key is not None:
        headers["Idempotency-Key"] = key
    request = APIRequestFactory().post("/count", body, format="json", headers=headers)
    response = CountView.as_view()(request)
    response.render()
    return response


def test_a_retry_gets_the_first_answer_and_nothing_happens_twice() -> None:
    first, second = post({"x": "0.1"}), post({"x": "0.1"})
    assert (first.status_code, first.data) == (201, {"number": 1, "of": "0.1"})
    assert (second.status_code, second.data) == (201, first.data)
    assert second.headers["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first.headers
    assert CountView.executed == 1


def test_the_order_of_fields_is_no_other_content() -> None:
    post({"x": "1", "y": "2"})
    assert post({"y": "2", "x": "1"}).data["number"] == 1


def test_other_content_under_the_same_key_is_refused() -> None:
    post({"x": "1"})
    response = post({"x": "2"})
    assert response.status_code == 409
    assert response.data["error"]["code"] == "idempotency_key_reused"
    assert CountView.executed == 1


def test_keys_of_other_users_and_other_keys_are_other_requests() -> None:
    answers = [post({}), post({}, user_id=2), post({}, key=KEY + "x"), post({}, key=None)]
    assert [answer.data["number"] for answer in answers] == [1, 2, 3, 4]


@pytest.mark.parametrize("key", ["", "short", "x" * 15, "x" * 65, "with spaces and more", "é" * 20])
def test_a_key_of_another_shape_is_refused(key: str) -> None:
    response = post({}, key=key)
    assert (response.status_code, response.data["error"]["code"]) == (
        400,
        "idempotency_key_invalid",
    )
    assert CountView.executed == 0


def test_a_refusal_is_an_answer_and_is_remembered() -> None:
    first, second = post({"fail": "api"}), post({"fail": "api"})
    assert (first.status_code, second.status_code) == (404, 404)
    assert second.data["error"] == {"code": "not_found", "message": "no", "details": {}}
    assert CountView.executed == 1


def test_a_failure_of_ours_is_not_remembered() -> None:
    assert post({"fail": "engine"}).status_code == 503
    assert post({"fail": "engine"}).status_code == 503
    assert CountView.executed == 2


def test_of_many_at_once_one_is_executed() -> None:
    statuses: list[int] = []

    def send() -> None:
        statuses.append(post({"x": "1"}).status_code)
        connections.close_all()

    threads = [threading.Thread(target=send) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert CountView.executed == 1
    assert set(statuses) <= {201, 409}
    assert 201 in statuses


def test_a_request_under_way_is_told_so_and_one_whose_process_died_is_executed_again() -> None:
    post({"x": "1"})
    row = IdempotentRequest.objects.get()
    IdempotentRequest.objects.update(status=None, body="")
    under_way = post({"x": "1"})
    assert (under_way.status_code, under_way.data["error"]["code"]) == (409, "request_in_progress")
    long_ago = datetime.now(UTC) - timedelta(seconds=CLAIM_S + 1)
    IdempotentRequest.objects.filter(pk=row.pk).update(claimed_at=long_ago)
    assert post({"x": "1"}).data["number"] == 2


def test_the_engine_gets_an_identity_of_user_and_key() -> None:
    """Trap 19: a retry is recognised by the engine itself."""
    identity = engine_request_id(7, KEY)
    assert identity == engine_request_id(7, KEY)
    assert len(identity) == 16
    assert len({identity, engine_request_id(8, KEY), engine_request_id(7, KEY + "x")}) == 3
