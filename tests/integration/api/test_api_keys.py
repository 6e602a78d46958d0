"""API keys over HTTP: making and revoking them, and requests that they sign."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis
from django.conf import settings
from django.db import connection, connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from apps.accounts import key_store
from apps.accounts.api_keys import KEYS_MAX
from apps.accounts.limits import Limit
from apps.accounts.models import ApiKey, User
from apps.accounts.signatures import request_signature
from apps.accounts.tokens import tokens_issue
from apps.audit.models import AuditEntry
from apps.audit.services import outbox_chain
from tests.integration.trading.exchange import SYMBOL, Exchange
from tests.people import person

V1 = "/api/v1"
BOTH = {"label": "bot", "permissions": ["read", "trade"]}
ORDER = {"market": SYMBOL, "side": "BID", "type": "LIMIT", "price": "100", "quantity": "1"}


@pytest.fixture(autouse=True)
def nothing_seen() -> Iterator[None]:
    """A process that has seen no key yet."""
    key_store._seen.clear()
    key_store._noted.clear()
    yield
    key_store._seen.clear()


class Bot:
    """A program with an API key."""

    def __init__(self, key: str, secret: str) -> None:
        self.key, self.secret = key, secret

    def headers(
        self, method: str, target: str, body: bytes = b"", *, at_ms: int | None = None
    ) -> dict[str, str]:
        """The headers of a request that is signed now, or at another time."""
        timestamp = str(at_ms or time.time_ns() // 1_000_000)
        signature = request_signature(
            self.secret.encode(), timestamp=timestamp, method=method, target=target, body=body
        )
        return {
            "X-QT-KEY": self.key,
            "X-QT-TIMESTAMP": timestamp,
            "X-QT-SIGNATURE": signature,
        }

    def send(
        self, method: str, path: str, body: Any = None, *, at_ms: int | None = None, **extra: Any
    ) -> Any:
        """Sign and send."""
        target = f"{V1}/{path}"
        raw = b"" if body is None else json.dumps(body).encode()
        signed = self.headers(method, target, raw, at_ms=at_ms)
        return self.sent(method, target, raw, signed, **extra)

    @staticmethod
    def sent(method: str, target: str, raw: bytes, headers: dict[str, str], **extra: Any) -> Any:
        """Send with these headers."""
        return Client().generic(
            method, target, raw, content_type="application/json", headers=headers, **extra
        )


def problem(answer: Any) -> tuple[int, str]:
    body = answer.json()
    assert set(body) == {"error", "request_id"}
    return answer.status_code, body["error"]["code"]


def login(user: User) -> dict[str, Any]:
    token = tokens_issue(user_id=user.pk, role=user.role).access_token
    return {"HTTP_AUTHORIZATION": f"Bearer {token}"}


def made(api: APIClient, user: User, **changes: Any) -> Bot:
    answer = api.post(f"{V1}/keys", {**BOTH, **changes}, **login(user))
    assert answer.status_code == 201, answer.content
    return Bot(answer.json()["key"], answer.json()["secret"])


@pytest.fixture
def ann(api: APIClient) -> User:
    """A trader, with an open session."""
    del api
    return person("trader", "ann")


@pytest.fixture
def bot(api: APIClient, ann: User) -> Bot:
    """A key of Ann's that may trade."""
    return made(api, ann)


def test_a_key_is_made_shown_once_and_listed_without_its_secret(api: APIClient, ann: User) -> None:
    answer = api.post(
        f"{V1}/keys",
        {"label": " my bot ", "permissions": ["read"], "addresses": ["192.0.2.7", "2001:db8::/32"]},
        **login(ann),
    )
    assert (answer.status_code, answer.headers["Cache-Control"]) == (201, "no-store")
    key = answer.json()
    secret = key.pop("secret")
    assert (len(key["key"]), len(secret)) == (32, 64)
    assert key == {
        "key": key["key"],
        "label": "my bot",
        "permissions": ["read"],
        "addresses": ["192.0.2.7/32", "2001:db8::/32"],
        "created_at": key["created_at"],
        "last_used_at": None,
        "revoked_at": None,
    }
    assert api.get(f"{V1}/keys", **login(ann)).json() == {"items": [key]}


def test_a_key_that_cannot_be_is_refused_by_field(api: APIClient, ann: User) -> None:
    cases: list[dict[str, Any]] = [
        {"label": ""},
        {"label": "x" * 65},
        {"label": "a\nb"},
        {"permissions": []},
        {"permissions": ["trade"]},
        {"permissions": ["read", "withdraw"]},
        {"addresses": ["192.0.2.300"]},
        {"addresses": ["192.0.2.1/8"]},
        {"addresses": ["192.0.2.1"] * 21},
    ]
    for changes in cases:
        answer = api.post(f"{V1}/keys", {**BOTH, **changes}, **login(ann))
        assert problem(answer) == (400, "invalid_request")
        assert set(answer.json()["error"]["details"]["fields"]) == set(changes)
    assert ApiKey.objects.count() == 0


def test_a_signed_request_is_its_owners(bot: Bot, ann: User) -> None:
    answer = bot.send("GET", "me")
    assert (answer.status_code, answer.json()["id"]) == (200, ann.pk)
    assert ApiKey.objects.get().last_used_at is not None


def test_the_query_is_signed_as_it_is_sent(bot: Bot) -> None:
    assert bot.send("GET", "me?a=%2Fb&c=1").status_code == 200
    headers = bot.headers("GET", f"{V1}/me?a=%2Fb&c=1")
    for target in ("me?a=/b&c=1", "me?c=1&a=%2Fb", "me", "me?a=%2Fb&c=2"):
        assert problem(bot.sent("GET", f"{V1}/{target}", b"", headers)) == (401, "key_invalid")


def test_a_signature_in_capitals_is_the_same_signature(bot: Bot) -> None:
    headers = bot.headers("GET", f"{V1}/me")
    headers["X-QT-SIGNATURE"] = headers["X-QT-SIGNATURE"].upper()
    assert bot.sent("GET", f"{V1}/me", b"", headers).status_code == 200


def test_trap_24_path_method_body_time_and_secret_are_all_signed(bot: Bot) -> None:
    body = json.dumps(ORDER).encode()
    target = f"{V1}/orders"
    right = bot.headers("POST", target, body)
    later = str(int(right["X-QT-TIMESTAMP"]) + 1)
    other = Bot(bot.key, "0" * 64).headers("POST", target, body)
    forged = [
        ("POST", target, body.replace(b'"1"', b'"9"'), right),
        ("POST", f"{V1}/deposit-address", body, right),
        ("PUT", target, body, right),
        ("POST", target, body, {**right, "X-QT-TIMESTAMP": later}),
        ("POST", target, body, other),
        ("POST", target, b"", right),
    ]
    for method, path, raw, headers in forged:
        assert problem(bot.sent(method, path, raw, headers)) == (401, "key_invalid")


def test_what_is_wrong_with_a_key_is_told_to_nobody(api: APIClient, ann: User, bot: Bot) -> None:
    """Unknown, revoked, misshapen, foreign address or wrong signature: one answer for all."""
    revoked, bound = made(api, ann), made(api, ann, addresses=["192.0.2.7"])
    api.delete(f"{V1}/keys/{revoked.key}", **login(ann))
    disabled = made(api, person("trader", "bob"))
    User.objects.filter(email="bob@example.org").update(is_active=False)
    bots = [
        Bot("f" * 32, bot.secret),
        Bot(bot.key.upper(), bot.secret),
        Bot("' OR 1=1 --", bot.secret),
        Bot("x" * 5_000, bot.secret),
        Bot(bot.key, bot.secret[:-1] + "!"),
        revoked,
        bound,
        disabled,
    ]
    answers = [each.send("GET", "me") for each in bots]
    assert {problem(each) for each in answers} == {(401, "key_invalid")}
    assert len({each.json()["error"]["message"] for each in answers}) == 1
    assert bot.send("GET", "me").status_code == 200


def test_headers_that_are_missing_or_misshapen_are_refused(bot: Bot) -> None:
    for name in ("X-QT-KEY", "X-QT-TIMESTAMP", "X-QT-SIGNATURE"):
        for value in ("", "x", "1e12", "-1", "¹" * 13, "0" * 64):
            headers = {**bot.headers("GET", f"{V1}/me"), name: value}
            answer = bot.sent("GET", f"{V1}/me", b"", headers)
            assert problem(answer) == (401, "key_invalid"), (name, value)


def test_a_token_and_a_signature_at_once_are_refused(bot: Bot, ann: User) -> None:
    answer = bot.send("GET", "me", **login(ann))
    assert problem(answer) == (401, "key_invalid")


def test_a_signature_is_good_for_five_seconds(bot: Bot) -> None:
    for age_ms, status in ((4_000, 200), (-500, 200), (5_200, 401)):
        answer = bot.send("GET", "me", at_ms=time.time_ns() // 1_000_000 - age_ms)
        assert answer.status_code == status, age_ms


def test_a_signature_of_the_future_is_told_the_time_it_is(bot: Bot) -> None:
    answer = bot.send("GET", "me", at_ms=time.time_ns() // 1_000_000 + 2_000)
    assert problem(answer) == (401, "timestamp_outside_window")
    assert "It is 1" in answer.json()["error"]["message"]


def test_a_key_is_accepted_from_its_networks_alone(api: APIClient, ann: User) -> None:
    bot = made(api, ann, addresses=["192.0.2.0/24", "2001:db8::1"])
    for address in ("192.0.2.200", "2001:db8::1", "::ffff:192.0.2.9"):
        assert bot.send("GET", "me", REMOTE_ADDR=address).status_code == 200
    for address in ("192.0.3.1", "2001:db8::2", "127.0.0.1", "unknown"):
        answer = bot.send("GET", "me", REMOTE_ADDR=address)
        assert problem(answer) == (401, "key_invalid")


def test_an_address_that_a_client_states_is_not_believed(api: APIClient, ann: User) -> None:
    bot = made(api, ann, addresses=["192.0.2.7"])
    headers = {**bot.headers("GET", f"{V1}/me"), "X-Forwarded-For": "192.0.2.7"}
    answer = bot.sent("GET", f"{V1}/me", b"", headers, REMOTE_ADDR="198.51.100.1")
    assert problem(answer) == (401, "key_invalid")


def test_keys_cannot_touch_keys_nor_the_login(bot: Bot) -> None:
    before = list(ApiKey.objects.values_list("key_id", "revoked_at"))
    requests = [
        ("GET", "keys", None),
        ("POST", "keys", BOTH),
        ("DELETE", f"keys/{bot.key}", None),
        ("POST", "auth/logout", None),
    ]
    for method, path, body in requests:
        assert problem(bot.send(method, path, body)) == (403, "forbidden"), path
    assert list(ApiKey.objects.values_list("key_id", "revoked_at")) == before


def test_others_keys_are_neither_seen_nor_revoked(api: APIClient, bot: Bot) -> None:
    bob = person("trader", "bob")
    assert api.get(f"{V1}/keys", **login(bob)).json() == {"items": []}
    answer = api.delete(f"{V1}/keys/{bot.key}", **login(bob))
    assert problem(answer) == (404, "not_found")
    assert bot.send("GET", "me").status_code == 200


@pytest.mark.parametrize("role", ["support", "operator"])
def test_staff_have_no_keys(api: APIClient, role: str) -> None:
    answer = api.post(f"{V1}/keys", BOTH, **login(person(role)))
    assert problem(answer) == (403, "forbidden")
    assert ApiKey.objects.count() == 0


def test_a_revoked_key_is_refused_at_once_and_stays_on_record(
    api: APIClient, ann: User, bot: Bot
) -> None:
    assert bot.send("GET", "me").status_code == 200
    for _ in range(2):  # again changes nothing
        assert api.delete(f"{V1}/keys/{bot.key}", **login(ann)).status_code == 204
    assert problem(bot.send("GET", "me")) == (401, "key_invalid")
    (listed,) = api.get(f"{V1}/keys", **login(ann)).json()["items"]
    assert listed["revoked_at"] is not None
    outbox_chain()
    entries = AuditEntry.objects.filter(object_type="api_key").order_by("seq")
    assert [(each.action, each.object_id) for each in entries] == [
        ("api_key.create", bot.key),
        ("api_key.revoke", bot.key),
    ]


def test_another_process_refuses_a_revoked_key_within_a_second(
    api: APIClient, ann: User, bot: Bot
) -> None:
    assert bot.send("GET", "me").status_code == 200
    seen = dict(key_store._seen)
    api.delete(f"{V1}/keys/{bot.key}", **login(ann))
    key_store._seen.update(seen)  # as a process that was not told
    deadline = time.monotonic() + key_store.KEY_CACHE_S + 0.1
    while bot.send("GET", "me").status_code == 200:
        assert time.monotonic() < deadline
    assert problem(bot.send("GET", "me")) == (401, "key_invalid")


def test_a_row_read_before_the_revocation_cannot_bring_the_key_back(
    api: APIClient, ann: User, bot: Bot
) -> None:
    bot.send("GET", "me")
    facts = key_store._row(bot.key)
    api.delete(f"{V1}/keys/{bot.key}", **login(ann))
    for before in ("", json.dumps(facts)):
        key_store._store(bot.key, before, facts, int(time.time()))
    assert problem(bot.send("GET", "me")) == (401, "key_invalid")


def test_a_disabled_login_has_no_key_after_the_next_look(bot: Bot, ann: User) -> None:
    assert bot.send("GET", "me").status_code == 200
    User.objects.filter(pk=ann.pk).update(is_active=False)
    later = time.time() + key_store.RECHECK_S + 1
    key_store._seen.clear()
    found = key_store.key_find(bot.key, address="127.0.0.1", clock=lambda: later)
    assert found is None
    assert problem(bot.send("GET", "me")) == (401, "key_invalid")


def test_a_key_costs_no_sql_after_its_first_use(bot: Bot) -> None:
    assert bot.send("DELETE", "orders/1").status_code == 503  # no engine here
    key_store._seen.clear()  # as a second later
    with CaptureQueriesContext(connection) as queries:
        assert bot.send("DELETE", "orders/1").status_code == 503
    assert queries.captured_queries == []


def test_known_keys_go_on_working_while_the_database_is_down(
    bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert bot.send("GET", "me").status_code == 200
    unreachable = {**connections["default"].settings_dict, "PORT": "9"}
    connections.close_all()
    monkeypatch.setattr(connections["default"], "settings_dict", unreachable)
    later = time.time() + key_store.RECHECK_S + 1
    key_store._seen.clear()
    found = key_store.key_find(bot.key, address="127.0.0.1", clock=lambda: later)
    assert found is not None
    assert found.secret == bot.secret.encode()


def test_trap_10_without_redis_no_key_is_believed_and_cancels_work(
    bot: Bot, free_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "REDIS_URL", f"redis://{free_address}/0")
    assert problem(bot.send("GET", "balances")) == (503, "unavailable")
    assert problem(bot.send("POST", "orders", ORDER)) == (503, "unavailable")
    assert problem(bot.send("DELETE", "orders/1")) == (503, "engine_unavailable")  # let through
    wrong = Bot(bot.key, "0" * 64)
    assert problem(wrong.send("DELETE", "orders/1")) == (401, "key_invalid")


def test_a_key_is_not_revoked_by_halves(
    api: APIClient, ann: User, bot: Bot, free_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers, url = login(ann), settings.REDIS_URL
    assert api.get(f"{V1}/keys", **headers).status_code == 200
    monkeypatch.setattr(settings, "REDIS_URL", f"redis://{free_address}/0")
    assert problem(api.delete(f"{V1}/keys/{bot.key}", **headers)) == (503, "unavailable")
    assert ApiKey.objects.get().revoked_at is None
    monkeypatch.setattr(settings, "REDIS_URL", url)
    assert bot.send("GET", "me").status_code == 200


def test_only_so_many_keys_also_when_asked_for_at_once(api: APIClient, ann: User) -> None:
    headers = login(ann)

    def make(_number: int) -> int:
        try:
            return int(APIClient().post(f"{V1}/keys", BOTH, **headers).status_code)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(6) as pool:
        statuses = list(pool.map(make, range(KEYS_MAX + 4)))
    assert sorted(statuses) == [201] * KEYS_MAX + [409] * 4
    full = api.post(f"{V1}/keys", BOTH, **headers)
    assert problem(full) == (409, "too_many_keys")
    api.delete(f"{V1}/keys/{ApiKey.objects.first()}", **headers)
    assert api.post(f"{V1}/keys", BOTH, **headers).status_code == 201


def test_trying_out_keys_is_limited_by_address_before_it_costs_sql(
    bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert bot.send("GET", "me").status_code == 200
    limit = Limit(name="unknown-key", attempts_max=3, window_s=60)
    monkeypatch.setattr(key_store, "UNKNOWN_KEYS_OF_ADDRESS", limit)
    for number in range(3):
        answer = Bot(f"{number:032x}", bot.secret).send("GET", "me", REMOTE_ADDR="192.0.2.1")
        assert problem(answer) == (401, "key_invalid")
    with CaptureQueriesContext(connection) as queries:
        answer = Bot("e" * 32, bot.secret).send("GET", "me", REMOTE_ADDR="192.0.2.1")
    assert problem(answer) == (429, "rate_limited")
    assert queries.captured_queries == []
    assert bot.send("GET", "me", REMOTE_ADDR="192.0.2.1").status_code == 200


def test_trap_18_secrets_of_keys_are_nowhere_in_clear(
    api: APIClient, ann: User, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    bot = made(api, ann)
    headers = bot.headers("GET", f"{V1}/me")
    assert bot.sent("GET", f"{V1}/me", b"", headers).status_code == 200
    wrong = Bot(bot.key, "0" * 64).send("POST", "orders", ORDER)
    outbox_chain()
    rows = [str(list(model.objects.values())) for model in (ApiKey, AuditEntry)]
    with redis.Redis.from_url(settings.REDIS_URL, decode_responses=True) as client:
        held = "".join(f"{name} {client.get(name)}" for name in client.scan_iter("auth:key:*"))
    assert bot.key in held
    told = "".join([*capfd.readouterr(), caplog.text, *rows, held, wrong.content.decode()])
    assert "api_key.create" in told
    for each in (bot.secret, bot.secret.encode().hex(), headers["X-QT-SIGNATURE"]):
        assert each not in told
    assert bot.secret.encode() not in bytes(ApiKey.objects.get().sealed)


def test_the_description_tells_how_to_sign(api: APIClient) -> None:
    described = api.get("/api/schema/?format=json").json()
    schemes = described["components"]["securitySchemes"]
    assert {name: schemes[name]["name"] for name in schemes if name.startswith("api")} == {
        "apiKey": "X-QT-KEY",
        "apiTimestamp": "X-QT-TIMESTAMP",
        "apiSignature": "X-QT-SIGNATURE",
    }
    security = described["paths"]["/api/v1/orders"]["post"]["security"]
    assert {"apiKey": [], "apiTimestamp": [], "apiSignature": []} in security
    assert {"accessToken": []} in security


def key_of(trader_id: int, **changes: Any) -> Bot:
    answer = APIClient().post(
        f"{V1}/keys", {**BOTH, **changes}, **login(User.objects.get(pk=trader_id))
    )
    return Bot(answer.json()["key"], answer.json()["secret"])


def test_a_key_that_may_trade_places_and_cancels(exchange: Exchange) -> None:
    bot = key_of(exchange.trader().user_id)
    placed = bot.send("POST", "orders", ORDER)
    assert placed.status_code == 201, placed.content
    order_id = placed.json()["order"]["order_id"]
    assert bot.send("DELETE", f"orders/{order_id}?market={SYMBOL}").status_code == 200
    assert bot.send("GET", "balances").json()["balances"][1]["locked"] == "0"


def test_a_key_that_may_read_changes_nothing(exchange: Exchange) -> None:
    trader = exchange.trader()
    order_id = trader.place("BID", "100", "1")["order"]["order_id"]
    bot = key_of(trader.user_id, permissions=["read"])
    before = exchange.history()
    assert bot.send("GET", "balances").status_code == 200
    for method, path, body in (
        ("POST", "orders", ORDER),
        ("DELETE", f"orders/{order_id}?market={SYMBOL}", None),
        ("POST", "deposit-address", {"asset": "BTC"}),
    ):
        answer = bot.send(method, path, body)
        assert problem(answer) == (403, "forbidden")
        assert answer.json()["error"]["message"] == "This API key may read, and nothing else."
    assert exchange.history() == before


def test_a_signed_order_is_taken_once_whatever_its_headers_say(exchange: Exchange) -> None:
    bot = key_of(exchange.trader().user_id)
    raw = json.dumps(ORDER).encode()
    headers = bot.headers("POST", f"{V1}/orders", raw)
    assert bot.sent("POST", f"{V1}/orders", raw, headers).status_code == 201
    before = exchange.history()
    capitals = {**headers, "X-QT-SIGNATURE": headers["X-QT-SIGNATURE"].upper()}
    for again in (headers, capitals, {**headers, "Idempotency-Key": "another-key-0000001"}):
        answer = bot.sent("POST", f"{V1}/orders", raw, again)
        assert problem(answer) == (401, "signature_used")
    assert exchange.history() == before


def test_of_one_signed_order_sent_twenty_times_at_once_one_is_taken(exchange: Exchange) -> None:
    bot = key_of(exchange.trader().user_id)
    raw = json.dumps(ORDER).encode()
    headers = bot.headers("POST", f"{V1}/orders", raw)

    def send(_number: int) -> int:
        try:
            return int(bot.sent("POST", f"{V1}/orders", raw, headers).status_code)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        statuses = sorted(pool.map(send, range(20)))
    assert statuses == [201] + [401] * 19


def test_a_retry_is_signed_anew_and_finds_the_first_outcome(exchange: Exchange) -> None:
    bot = key_of(exchange.trader().user_id)
    raw = json.dumps(ORDER).encode()
    answers = []
    for number in range(2):
        at_ms = time.time_ns() // 1_000_000 + number
        headers = bot.headers("POST", f"{V1}/orders", raw, at_ms=at_ms)
        headers["Idempotency-Key"] = "place-once-0000001"
        answers.append(bot.sent("POST", f"{V1}/orders", raw, headers).json())
    assert [each["is_replayed"] for each in answers] == [False, True]
    assert answers[0]["order"]["order_id"] == answers[1]["order"]["order_id"]


def test_a_suspended_trader_places_nothing_with_a_key_and_still_cancels(
    exchange: Exchange,
) -> None:
    from engine.proto.records import UserStatus

    trader = exchange.trader()
    order_id = trader.place("BID", "100", "1")["order"]["order_id"]
    bot = key_of(trader.user_id)
    exchange.engine.set_user_status(user_id=trader.user_id, status=UserStatus.SUSPENDED)
    assert problem(bot.send("POST", "orders", ORDER)) == (403, "user_suspended")
    assert bot.send("DELETE", f"orders/{order_id}?market={SYMBOL}").status_code == 200
