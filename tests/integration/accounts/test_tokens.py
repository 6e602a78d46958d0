"""Access tokens are verified without SQL; refresh tokens rotate and cannot be used twice.

No test here has a database: a token that needed SQL would fail.
"""

from __future__ import annotations

import base64
import json
import time
from concurrent.futures import ThreadPoolExecutor

import jwt
import pytest
import redis
from django.conf import settings

from apps.accounts import tokens
from apps.accounts.roles import Role
from apps.accounts.tokens import (
    ACCESS_SECONDS,
    REFRESH_SECONDS,
    SESSION_SECONDS_MAX,
    SESSIONS_MAX,
    SessionsUnavailableError,
    TokenError,
    access_verify,
    session_end,
    sessions_end,
    tokens_issue,
    tokens_rotate,
)
from apps.accounts.types import TokenPair

pytestmark = pytest.mark.usefixtures("redis_url")


def issue(user_id: int = 7) -> TokenPair:
    return tokens_issue(user_id=user_id, role=Role.TRADER)


def forget_what_was_seen() -> None:
    """As if the time had passed for which a session is believed to live."""
    tokens._alive.clear()


def code_of(raised: pytest.ExceptionInfo[TokenError]) -> str:
    return raised.value.code


def test_an_access_token_tells_who_its_bearer_is() -> None:
    pair = issue(7)
    principal = access_verify(pair.access_token)
    assert (principal.user_id, principal.role, principal.key) == (7, Role.TRADER, "user:7")
    assert pair.expires_in_s == ACCESS_SECONDS == 600
    assert pair.refresh_token.startswith(f"{principal.session_id}.")


def test_an_access_token_ends_after_ten_minutes() -> None:
    pair = issue()
    access_verify(pair.access_token, clock=lambda: time.time() + 598)
    with pytest.raises(TokenError) as raised:
        access_verify(pair.access_token, clock=lambda: time.time() + 601)
    assert code_of(raised) == "token_expired"


def signed(key: bytes | str, algorithm: str, **changes: object) -> str:
    claims = jwt.decode(issue().access_token, options={"verify_signature": False}) | changes
    return jwt.encode({k: v for k, v in claims.items() if v is not None}, key, algorithm=algorithm)


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
def test_tokens_that_we_did_not_sign_are_refused() -> None:
    ours = tokens._signing_key(settings.SECRET_KEY)
    head, body, _ = issue().access_token.split(".")
    unsigned = base64.urlsafe_b64encode(json.dumps({"alg": "none"}).encode()).decode().rstrip("=")
    forged = [
        "",
        "x",
        "a.b.c",
        f"{head}.{body}.",
        f"{unsigned}.{body}.",
        signed(settings.SECRET_KEY, "HS256"),
        signed(b"k" * 32, "HS256"),
        signed(ours, "HS512"),
        signed(ours, "HS256", iss="another"),
        signed(ours, "HS256", sid=None),
        signed(ours, "HS256", exp=None),
        signed(ours, "HS256", role="root"),
        signed(ours, "HS256", sub="1 OR 1=1"),
        "a" * 100_000,
    ]
    for token in forged:
        with pytest.raises(TokenError) as raised:
            access_verify(token)
        assert code_of(raised) == "token_invalid", token[:80]
    access_verify(signed(ours, "HS256"))  # the same, unchanged, is ours


def test_a_refresh_token_gives_the_next_pair_of_the_same_session() -> None:
    first = issue(9)
    second = tokens_rotate(refresh_token=first.refresh_token)
    assert second.refresh_token != first.refresh_token
    before, after = access_verify(first.access_token), access_verify(second.access_token)
    assert (after.user_id, after.session_id) == (9, before.session_id)
    third = tokens_rotate(refresh_token=second.refresh_token)
    assert access_verify(third.access_token).user_id == 9


def test_the_use_of_an_old_refresh_token_ends_the_session_for_thief_and_owner() -> None:
    stolen = issue()
    newest = tokens_rotate(refresh_token=stolen.refresh_token)
    for token in (stolen.refresh_token, newest.refresh_token):
        with pytest.raises(TokenError) as raised:
            tokens_rotate(refresh_token=token)
        assert code_of(raised) == "session_ended"
    with pytest.raises(TokenError) as raised:
        access_verify(newest.access_token)
    assert code_of(raised) == "session_ended"


def test_of_many_uses_at_once_exactly_one_succeeds() -> None:
    pair = issue()

    def rotate(_: int) -> bool:
        try:
            tokens_rotate(refresh_token=pair.refresh_token)
        except TokenError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(rotate, range(16)))
    assert results.count(True) == 1


@pytest.mark.parametrize("token", ["", "x", "0" * 32, "0" * 32 + "." + "a" * 43 + "b", "é" * 76])
def test_what_never_was_a_refresh_token_is_invalid(token: str) -> None:
    with pytest.raises(TokenError) as raised:
        tokens_rotate(refresh_token=token)
    assert code_of(raised) == "token_invalid"


def test_a_session_has_a_longest_life_however_often_it_is_refreshed() -> None:
    pair = issue()
    late = time.time() + SESSION_SECONDS_MAX + 1
    with pytest.raises(TokenError) as raised:
        tokens_rotate(refresh_token=pair.refresh_token, clock=lambda: late)
    assert code_of(raised) == "session_ended"


def test_an_idle_session_is_forgotten_by_redis_itself(redis_url: str) -> None:
    issue()
    with redis.Redis.from_url(redis_url) as client:
        (key,) = client.keys("auth:session:*")
        assert REFRESH_SECONDS - 5 < client.ttl(key) <= REFRESH_SECONDS


def test_an_ended_session_is_refused_at_once_in_this_process() -> None:
    pair = issue(5)
    principal = access_verify(pair.access_token)
    session_end(session_id=principal.session_id, user_id=5)
    with pytest.raises(TokenError):
        access_verify(pair.access_token)
    with pytest.raises(TokenError):
        tokens_rotate(refresh_token=pair.refresh_token)


def test_an_ended_session_is_refused_within_a_second_even_if_nobody_is_told(
    redis_url: str,
) -> None:
    pair = issue()
    access_verify(pair.access_token)
    with redis.Redis.from_url(redis_url) as client:
        client.flushdb()  # another process ended it; this one heard nothing
    deadline = time.monotonic() + 1.5
    while time.monotonic() < deadline:
        try:
            access_verify(pair.access_token)
        except TokenError:
            break
        time.sleep(0.05)
    else:
        pytest.fail("the session was believed for more than a second")


def test_all_sessions_of_a_user_end_together_and_nobody_elses() -> None:
    mine, also_mine, other = issue(1), issue(1), issue(2)
    assert sessions_end(user_id=1) == 2
    for pair in (mine, also_mine):
        with pytest.raises(TokenError):
            access_verify(pair.access_token)
    assert access_verify(other.access_token).user_id == 2


def test_a_user_has_a_limited_number_of_sessions_and_the_oldest_ends() -> None:
    now = time.time()

    def issue_at(instant: float) -> TokenPair:
        return tokens_issue(user_id=3, role=Role.TRADER, clock=lambda: instant)

    pairs = [issue_at(now - 60 + age) for age in range(SESSIONS_MAX + 1)]
    with pytest.raises(TokenError):
        access_verify(pairs[0].access_token)
    for pair in pairs[1:]:
        access_verify(pair.access_token)


def test_no_token_is_stored_in_clear(redis_url: str) -> None:
    """Trap 18: secrets are not kept where they can be read."""
    pair = issue()
    secret = pair.refresh_token.partition(".")[2]
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        stored = [str(client.hgetall(key)) for key in client.scan_iter("auth:session:*")]
    assert stored
    assert all(secret not in text and pair.access_token not in text for text in stored)


def test_without_redis_nobody_is_let_in_except_where_that_is_accepted(
    monkeypatch: pytest.MonkeyPatch, free_address: str
) -> None:
    """Trap 10: nothing fails open. Cancels, which only reduce risk, say that they accept it."""
    pair = issue(4)
    monkeypatch.setattr(settings, "REDIS_URL", f"redis://{free_address}/0")
    forget_what_was_seen()
    with pytest.raises(SessionsUnavailableError):
        access_verify(pair.access_token)
    with pytest.raises(SessionsUnavailableError):
        tokens_rotate(refresh_token=pair.refresh_token)
    with pytest.raises(SessionsUnavailableError):
        issue()
    assert access_verify(pair.access_token, accept_outage=True).user_id == 4
    with pytest.raises(TokenError):
        access_verify("a.b.c", accept_outage=True)
