"""Register, log in, refresh, log out, and who I am: over HTTP, with real servers."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError
from rest_framework.test import APIClient

from apps.accounts import limits
from apps.accounts.limits import LOGINS_OF_ACCOUNT, Limit
from apps.accounts.models import User
from apps.accounts.registration import registrations_run
from apps.audit.models import AuditEntry
from apps.audit.services import outbox_chain
from tests.fixtures_engine import EngineUnderTest
from tests.people import PASSWORD, person

ANN = {"email": "ann@example.org", "password": PASSWORD}
V1 = "/api/v1"


def error_of(response: Any) -> tuple[int, str]:
    body = response.json()
    assert set(body) == {"error", "request_id"}
    assert set(body["error"]) == {"code", "message", "details"}
    assert body["request_id"] == response.headers["X-Request-ID"] != ""
    return response.status_code, body["error"]["code"]


def bearer(token: str) -> Any:
    return {"HTTP_AUTHORIZATION": f"Bearer {token}"}


def register(api: APIClient) -> dict[str, Any]:
    response = api.post(f"{V1}/auth/register", ANN)
    assert response.status_code == 201, response.content
    body: dict[str, Any] = response.json()
    return body


def test_a_new_trader_registers_logs_in_and_sees_the_account_open(
    api: APIClient, platform_engine: EngineUnderTest
) -> None:
    registered = register(api)
    assert registered["user"]["account"] == "pending"
    assert (registered["token_type"], registered["expires_in"]) == ("Bearer", 600)
    registrations_run()
    me = api.get(f"{V1}/me", **bearer(registered["access_token"])).json()
    assert me == {**registered["user"], "account": "active"}
    assert (me["email"], me["role"]) == ("ann@example.org", "trader")
    logged_in = api.post(f"{V1}/auth/login", {**ANN, "email": "ANN@Example.org"}).json()
    assert logged_in["user"] == me
    assert api.get(f"{V1}/me", **bearer(logged_in["access_token"])).json() == me


@pytest.mark.parametrize(("tier", "withdraw"), [(0, False), (1, True), (3, True)])
def test_a_trader_is_told_the_tier_and_what_it_allows(
    api: APIClient, tier: int, withdraw: bool
) -> None:
    registered = register(api)
    assert registered["user"]["tier"] == 0
    User.objects.update(tier=tier)
    me = api.get(f"{V1}/me", **bearer(registered["access_token"])).json()
    assert me["tier"] == tier
    assert me["may"] == {"deposit": True, "trade": True, "withdraw": withdraw}


def test_staff_have_no_tier(api: APIClient) -> None:
    person("operator")
    body = {"email": "operator@example.org", "password": PASSWORD}
    user = api.post(f"{V1}/auth/login", body).json()["user"]
    assert (user["account"], user["tier"], user["may"]) == (None, None, None)


def test_a_tier_that_does_not_exist_is_refused_by_the_database(api: APIClient) -> None:
    register(api)
    with pytest.raises(IntegrityError, match="accounts_user_tier_known"):
        User.objects.update(tier=4)


def test_answers_with_tokens_are_not_kept_by_caches(api: APIClient) -> None:
    response = api.post(f"{V1}/auth/register", ANN)
    assert response.headers["Cache-Control"] == "no-store"


def test_refresh_rotates_and_the_old_token_ends_the_session(api: APIClient) -> None:
    first = register(api)
    second = api.post(f"{V1}/auth/refresh", {"refresh_token": first["refresh_token"]}).json()
    assert api.get(f"{V1}/me", **bearer(second["access_token"])).status_code == 200
    replayed = api.post(f"{V1}/auth/refresh", {"refresh_token": first["refresh_token"]})
    assert error_of(replayed) == (401, "session_ended")
    again = api.post(f"{V1}/auth/refresh", {"refresh_token": second["refresh_token"]})
    assert error_of(again) == (401, "session_ended")
    assert error_of(api.get(f"{V1}/me", **bearer(second["access_token"]))) == (
        401,
        "session_ended",
    )


def test_logout_ends_the_session_and_is_on_record(api: APIClient) -> None:
    tokens = register(api)
    response = api.post(f"{V1}/auth/logout", **bearer(tokens["access_token"]))
    assert (response.status_code, response.content) == (204, b"")
    me = api.get(f"{V1}/me", **bearer(tokens["access_token"]))
    assert error_of(me) == (401, "session_ended")
    assert me.headers["WWW-Authenticate"] == 'Bearer realm="quantatrade"'
    outbox_chain()
    actions = list(AuditEntry.objects.order_by("seq").values_list("action", flat=True))
    assert actions == ["user.register", "session.end"]


def test_a_login_is_on_record(api: APIClient) -> None:
    register(api)
    api.post(f"{V1}/auth/login", ANN, HTTP_X_REQUEST_ID="login-request-1")
    outbox_chain()
    entry = AuditEntry.objects.get(action="session.begin")
    assert (entry.request_id, entry.address) == ("login-request-1", "127.0.0.1")
    assert User.objects.get().last_login is not None


def test_wrong_names_and_wrong_passwords_are_answered_alike(api: APIClient) -> None:
    person("trader", "ann")
    for email, password in (("ann@example.org", "wrong"), ("bob@example.org", PASSWORD)):
        response = api.post(f"{V1}/auth/login", {"email": email, "password": password})
        assert error_of(response) == (401, "invalid_credentials")
        assert response.json()["error"]["message"] == (
            "The e-mail address or the password is wrong."
        )


def test_a_disabled_login_cannot_log_in(api: APIClient) -> None:
    user = person("trader", "ann")
    User.objects.filter(pk=user.pk).update(is_active=False)
    assert error_of(api.post(f"{V1}/auth/login", ANN)) == (401, "invalid_credentials")


def test_guessing_passwords_is_locked_out_by_account_and_address(
    api: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (LOGINS_OF_ACCOUNT.attempts_max, LOGINS_OF_ACCOUNT.window_s) == (10, 900)
    monkeypatch.setattr(
        "apps.accounts.login.LOGINS_OF_ACCOUNT", Limit(name="login", attempts_max=3, window_s=900)
    )
    person("trader", "ann")
    person("trader", "bob")
    for _ in range(3):
        wrong = api.post(f"{V1}/auth/login", {**ANN, "password": "wrong"})
        assert error_of(wrong) == (401, "invalid_credentials")
    locked = api.post(f"{V1}/auth/login", ANN)
    assert error_of(locked) == (429, "login_locked")
    assert 0 < int(locked.headers["Retry-After"]) <= 900
    elsewhere = api.post(f"{V1}/auth/login", ANN, REMOTE_ADDR="192.0.2.1")
    assert elsewhere.status_code == 200
    other = api.post(f"{V1}/auth/login", {**ANN, "email": "bob@example.org"})
    assert other.status_code == 200


def test_a_right_password_clears_the_count(api: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "apps.accounts.login.LOGINS_OF_ACCOUNT", Limit(name="login", attempts_max=2, window_s=900)
    )
    person("trader", "ann")
    for _ in range(4):
        api.post(f"{V1}/auth/login", {**ANN, "password": "wrong"})
        assert api.post(f"{V1}/auth/login", ANN).status_code == 200


def test_the_console_counts_guesses_in_the_same_place(
    api: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "apps.accounts.login.LOGINS_OF_ACCOUNT", Limit(name="login", attempts_max=2, window_s=900)
    )
    person("operator")
    form = {"username": "operator@example.org", "password": "wrong"}
    for _ in range(2):
        assert api.post("/admin/login/", form, format="multipart").status_code == 200
    right = api.post("/admin/login/", {**form, "password": PASSWORD}, format="multipart")
    assert right.status_code == 200  # the form again: locked out
    body = {"email": "operator@example.org", "password": PASSWORD}
    assert error_of(api.post(f"{V1}/auth/login", body)) == (429, "login_locked")


def test_a_console_login_that_was_opened_by_itself_leads_to_the_dashboard(api: APIClient) -> None:
    person("operator")
    form = {"username": "operator@example.org", "password": PASSWORD}
    answer = api.post("/admin/login/", form, format="multipart")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/admin/")


def test_registrations_of_one_address_are_limited(
    api: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "apps.api.auth.views.REGISTRATIONS_OF_ADDRESS",
        Limit(name="register", attempts_max=1, window_s=60),
    )
    register(api)
    response = api.post(f"{V1}/auth/register", {**ANN, "email": "bob@example.org"})
    assert error_of(response) == (429, "rate_limited")
    assert User.objects.count() == 1
    assert limits.REGISTRATIONS_OF_ADDRESS.attempts_max == 600


def test_registrations_that_cannot_be_are_told_why(api: APIClient) -> None:
    register(api)
    cases = {
        (409, "email_taken"): ANN,
        (400, "password_refused"): {**ANN, "email": "b@example.org", "password": "password1234"},
        (400, "invalid_request"): {**ANN, "email": "nobody"},
    }
    for expected, body in cases.items():
        assert error_of(api.post(f"{V1}/auth/register", body)) == expected
    missing = api.post(f"{V1}/auth/register", {})
    assert error_of(missing) == (400, "invalid_request")
    assert set(missing.json()["error"]["details"]["fields"]) == {"email", "password"}
    assert User.objects.count() == 1


def test_nobody_registers_as_staff(api: APIClient) -> None:
    body = {**ANN, "role": "operator", "is_staff": True, "is_superuser": True}
    assert api.post(f"{V1}/auth/register", body).status_code == 201
    user = User.objects.get()
    assert (user.role, user.is_staff, user.is_superuser) == ("trader", False, False)


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("", "not_authenticated"),
        ("Bearer", "token_invalid"),
        ("Bearer x.y.z", "token_invalid"),
        ("Basic YTpi", "token_invalid"),
        ("Token abc", "token_invalid"),
    ],
)
def test_without_a_valid_token_nothing_is_shown(api: APIClient, header: str, code: str) -> None:
    headers: Any = {"HTTP_AUTHORIZATION": header} if header else {}
    assert error_of(api.get(f"{V1}/me", **headers)) == (401, code)
    assert error_of(api.post(f"{V1}/auth/logout", **headers)) == (401, code)


def test_a_console_session_is_no_login_of_the_api(api: APIClient) -> None:
    api.force_login(person("operator"))
    assert error_of(api.get(f"{V1}/me")) == (401, "not_authenticated")


@pytest.mark.parametrize("role", ["trader", "support", "operator"])
def test_each_role_logs_in_and_is_told_its_role(api: APIClient, role: str) -> None:
    person(role)
    body = {"email": f"{role}@example.org", "password": PASSWORD}
    assert api.post(f"{V1}/auth/login", body).json()["user"]["role"] == role


def test_without_redis_nobody_logs_in_and_the_answer_says_so(
    api: APIClient, no_redis: None
) -> None:
    """Trap 10: nothing fails open."""
    person("trader", "ann")
    for path, body in (("login", ANN), ("register", ANN)):
        response = api.post(f"{V1}/auth/{path}", body)
        assert error_of(response) == (503, "unavailable")
        assert response.headers["Retry-After"] == "1"


def test_without_redis_the_console_says_unavailable_and_not_wrong_password(
    api: APIClient, no_redis: None
) -> None:
    """Trap 10: nothing fails open, and an outage is not told as a mistake of the operator's."""
    person("operator")
    form = {"username": "operator@example.org", "password": PASSWORD}
    response = api.post("/admin/login/", form, format="multipart", HTTP_ACCEPT="text/html")
    assert (response.status_code, response.headers["Retry-After"]) == (503, "5")
    assert "temporarily unavailable" in response.content.decode()
    assert "sessionid" not in response.cookies


def test_passwords_and_tokens_are_in_no_log_and_no_table(
    api: APIClient, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Trap 18: secrets are never in the database, the logs or the audit log."""
    tokens = register(api)
    api.post(f"{V1}/auth/login", {**ANN, "password": "guess-of-a-stranger"})
    api.get(f"{V1}/me", **bearer(tokens["access_token"]))
    api.post(f"{V1}/auth/refresh", {"refresh_token": tokens["refresh_token"]})
    outbox_chain()
    rows = [str(list(model.objects.values())) for model in (User, AuditEntry)]
    told = "".join([*capfd.readouterr(), caplog.text, *rows])
    assert "/api/v1/auth/login" in told
    for secret in (
        PASSWORD,
        "guess-of-a-stranger",
        tokens["access_token"],
        tokens["refresh_token"].partition(".")[2],
    ):
        assert secret not in told
