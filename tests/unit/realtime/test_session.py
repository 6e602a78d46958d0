"""One client's conversation: what it may say, its limits, and how long its login lasts."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from apps.accounts.principal import Principal
from apps.accounts.roles import Role
from apps.accounts.tokens import SessionsUnavailableError, TokenError
from apps.realtime.limits import RealtimeLimits
from apps.realtime.messages import BadRequestError, KeyProof, parse_request
from apps.realtime.outbox import CLOSE_TOO_SLOW, Outbox
from apps.realtime.session import CLOSE_BAD_MESSAGES, CLOSE_TOO_MANY_MESSAGES, ERRORS_MAX, Session
from apps.realtime.state import StateBoard
from engine.proto.records import Side
from tests.unit.realtime.support import Feed

ADDRESS = "192.0.2.1"
PROOF = {"op": "auth", "key": "k1", "timestamp": 1_700_000_000_000, "signature": "ab"}
LIMITS = RealtimeLimits(message_burst=1_000)


class Logins:
    """What tokens are worth, changed by tests."""

    def __init__(self) -> None:
        self.refusal: Exception | None = None
        self.seconds = 600

    def verify(self, token: str) -> Principal:
        if self.refusal is not None:
            raise self.refusal
        return Principal(
            user_id=int(token),
            role=Role.TRADER,
            session_id="0" * 32,
            expires_at=datetime.now(UTC) + timedelta(seconds=self.seconds),
        )


class Keys:
    """One key, of user 7, in force until a test says otherwise."""

    def __init__(self) -> None:
        self.refusal: Exception | None = None
        self.asked: list[tuple[str, str]] = []

    def verify(self, proof: KeyProof, address: str) -> Principal:
        assert (proof.timestamp, proof.signature) == ("1700000000000", "ab")
        return self.recheck(proof.key, address)

    def recheck(self, key_id: str, address: str) -> Principal:
        self.asked.append((key_id, address))
        if self.refusal is not None:
            raise self.refusal
        return Principal(user_id=7, role=Role.TRADER, session_id="", expires_at=None, key_id=key_id)


class Talk:
    """A session on a hub that a kernel feeds."""

    def __init__(self, limits: RealtimeLimits = LIMITS) -> None:
        self.feed = Feed(limits)
        self.logins = Logins()
        self.keys = Keys()
        states = StateBoard(lambda _text: None, lambda: self.feed.hub.event_seq)
        self.session = Session(self.feed.hub, states, self.logins.verify, self.keys, ADDRESS)

    async def say(self, **request: Any) -> list[dict[str, Any]]:
        await self.session.receive(json.dumps(request))
        return await self.heard()

    async def heard(self) -> list[dict[str, Any]]:
        """Everything that waits for this client."""
        return [
            json.loads(await self.session.outbox.take() or "")
            for _ in range(len(self.session.outbox))
        ]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "not_json"),
        ("[]", "not_json"),
        ("{", "not_json"),
        ("[" * 5_000, "not_json"),
        ("{}", "unknown_op"),
        ('{"op":["subscribe"]}', "unknown_op"),
        ('{"op":"place"}', "unknown_op"),
        ('{"op":"subscribe"}', "bad_fields"),
        ('{"op":"subscribe","channels":[]}', "bad_fields"),
        ('{"op":"subscribe","channels":"book.BTCUSDT"}', "bad_fields"),
        ('{"op":"subscribe","channels":[1]}', "bad_fields"),
        ('{"op":"subscribe","channels":["a"],"user_id":2}', "bad_fields"),
        ('{"op":"auth","token":5}', "bad_fields"),
        ('{"op":"auth","token":""}', "bad_fields"),
        ('{"op":"auth","key":"a","timestamp":1}', "bad_fields"),
        ('{"op":"auth","key":"a","timestamp":1,"signature":"b","token":"c"}', "bad_fields"),
        ('{"op":"auth","key":"","timestamp":1,"signature":"b"}', "bad_fields"),
        ('{"op":"auth","key":1,"timestamp":1,"signature":"b"}', "bad_fields"),
        ('{"op":"auth","key":"a","timestamp":true,"signature":"b"}', "bad_fields"),
        ('{"op":"auth","key":"a","timestamp":1.5,"signature":"b"}', "bad_fields"),
        (f'{{"op":"auth","key":"a","timestamp":1,"signature":"{"b" * 129}"}}', "bad_fields"),
        ('{"op":"ping","id":{}}', "bad_fields"),
        ('{"op":"ping","id":true}', "bad_fields"),
        ('{"op":"ping","id":1e300}', "bad_fields"),
        (json.dumps({"op": "subscribe", "channels": ["a"] * 51}), "bad_fields"),
        (json.dumps({"op": "subscribe", "channels": ["a" * 65]}), "bad_fields"),
        ("x" * 16_385, "too_long"),
    ],
)
def test_what_is_not_a_request_is_refused_with_its_code(text: str, code: str) -> None:
    with pytest.raises(BadRequestError) as refused:
        parse_request(text, LIMITS)
    assert refused.value.code == code


async def test_the_clients_id_comes_back_with_answer_and_error() -> None:
    talk = Talk()
    assert await talk.say(op="ping", id="a-1") == [{"type": "pong", "id": "a-1"}]
    (error,) = await talk.say(op="subscribe", channels=["nothing"], id=5)
    assert (error["type"], error["id"], error["error"]["code"]) == ("error", 5, "unknown_channel")


async def test_a_subscription_is_done_as_a_whole_or_not_at_all() -> None:
    talk = Talk()
    (error,) = await talk.say(op="subscribe", channels=["trades.BTCUSDT", "trades.NOPE"])
    assert error["error"]["code"] == "unknown_market"
    assert len(talk.feed.hub.channel("trades.BTCUSDT", None)) == 0
    answer, snapshot = await talk.say(op="subscribe", channels=["trades.BTCUSDT"])
    assert (answer["type"], snapshot["type"]) == ("subscribed", "snapshot")
    assert [m["type"] for m in await talk.say(op="subscribe", channels=["trades.BTCUSDT"])] == [
        "subscribed"
    ]
    await talk.say(op="unsubscribe", channels=["trades.BTCUSDT"])
    assert len(talk.feed.hub.channel("trades.BTCUSDT", None)) == 0


async def test_a_socket_has_a_limit_of_subscriptions() -> None:
    talk = Talk(RealtimeLimits(subscriptions_max=2))
    await talk.say(op="subscribe", channels=["trades.BTCUSDT", "book.BTCUSDT"])
    (error,) = await talk.say(op="subscribe", channels=["ticker.BTCUSDT"])
    assert error["error"]["code"] == "too_many_subscriptions"


async def test_too_many_messages_and_too_many_errors_end_the_socket() -> None:
    fast = Talk(RealtimeLimits(message_burst=5, messages_per_s=0.001))
    for _ in range(6):
        await fast.say(op="ping")
    assert fast.session.outbox.close_code == CLOSE_TOO_MANY_MESSAGES
    wrong = Talk()
    for _ in range(ERRORS_MAX + 1):
        await wrong.session.receive("?")
    assert wrong.session.outbox.close_code == CLOSE_BAD_MESSAGES


async def test_private_channels_end_with_the_login_and_public_ones_go_on() -> None:
    talk = Talk()
    await talk.say(op="auth", token="1")
    await talk.say(op="subscribe", channels=["orders", "trades.BTCUSDT"])
    await talk.session.check_login()
    assert await talk.heard() == []
    talk.logins.refusal = TokenError("session_ended", "This session has ended; log in again.")
    await talk.session.check_login()
    (ended,) = await talk.heard()
    assert (ended["type"], ended["error"]["code"]) == ("auth_ended", "session_ended")
    assert talk.session.user_id is None
    assert talk.feed.hub.users == {}
    assert len(talk.feed.hub.channel("trades.BTCUSDT", None)) == 1
    (error,) = await talk.say(op="subscribe", channels=["orders"])
    assert error["error"]["code"] == "auth_required"


async def test_an_expired_token_ends_the_login_even_if_nobody_can_be_asked() -> None:
    talk = Talk()
    talk.logins.seconds = 0
    await talk.say(op="auth", token="1")
    talk.logins.refusal = SessionsUnavailableError("Redis did not answer")
    await talk.session.check_login()
    (ended,) = await talk.heard()
    assert ended["error"]["code"] == "token_expired"


async def test_a_key_logs_a_socket_in_without_an_end_and_is_asked_about_again() -> None:
    talk = Talk()
    (answer,) = await talk.say(**PROOF)
    assert answer == {"type": "authenticated", "user_id": 7, "expires_at": None}
    await talk.session.check_login()
    assert await talk.heard() == []
    assert talk.keys.asked == [("k1", ADDRESS), ("k1", ADDRESS)]


async def test_a_revoked_key_ends_the_private_channels_and_not_the_public_ones() -> None:
    talk = Talk()
    await talk.say(**PROOF)
    await talk.say(op="subscribe", channels=["orders", "trades.BTCUSDT"])
    talk.keys.refusal = TokenError("key_invalid", "The key is not valid.")
    await talk.session.check_login()
    (ended,) = await talk.heard()
    assert (ended["type"], ended["error"]["code"]) == ("auth_ended", "key_invalid")
    assert talk.feed.hub.users == {}
    assert talk.feed.hub.channel("trades.BTCUSDT", None).is_wanted


async def test_a_key_that_is_refused_logs_nobody_in() -> None:
    talk = Talk()
    talk.keys.refusal = TokenError("key_invalid", "The key is not valid.")
    (error,) = await talk.say(**PROOF)
    assert error["error"]["code"] == "key_invalid"
    assert talk.session.user_id is None


async def test_without_redis_nobody_is_let_in() -> None:
    talk = Talk()
    talk.logins.refusal = SessionsUnavailableError("Redis did not answer")
    (error,) = await talk.say(op="auth", token="1")
    assert error["error"]["code"] == "unavailable"
    assert talk.session.user_id is None


async def test_another_user_on_the_same_socket_does_not_inherit_channels() -> None:
    talk = Talk()
    await talk.say(op="auth", token="1")
    await talk.say(op="subscribe", channels=["orders"])
    await talk.say(op="auth", token="2")
    assert talk.feed.hub.users == {}
    talk.feed.script.place(1, Side.BID, 900, 1)
    talk.feed.flow()
    assert await talk.heard() == []


async def test_a_socket_that_ends_leaves_every_channel() -> None:
    talk = Talk()
    await talk.say(op="auth", token="1")
    await talk.say(op="subscribe", channels=["orders", "fills", "balances", "book.BTCUSDT"])
    talk.session.end()
    assert talk.feed.hub.users == {}
    assert not talk.feed.hub.channel("book.BTCUSDT", None).is_wanted


async def test_a_client_that_takes_nothing_is_closed_and_costs_nothing_more() -> None:
    outbox = Outbox(RealtimeLimits(queue_messages_max=3))
    for _ in range(3):
        outbox.put("text")
    assert outbox.close_code == 0
    outbox.put("one too many")
    outbox.put("never seen")
    assert (outbox.close_code, len(outbox)) == (CLOSE_TOO_SLOW, 0)
    assert await outbox.take() is None


async def test_the_size_of_what_waits_is_limited_too() -> None:
    outbox = Outbox(RealtimeLimits(queue_chars_max=10))
    outbox.put("x" * 11)
    assert outbox.close_code == CLOSE_TOO_SLOW


async def test_what_waits_is_still_sent_before_an_orderly_close() -> None:
    outbox = Outbox(LIMITS)
    waiting = asyncio.create_task(outbox.take())
    await asyncio.sleep(0)
    outbox.put("last words")
    outbox.close(1001, "going away")
    outbox.put("too late")
    assert await waiting == "last words"
    assert await outbox.take() is None


async def test_the_state_is_told_when_it_changes_and_only_then() -> None:
    told: list[str] = []
    board = StateBoard(told.append, lambda: 7)
    board.update(engine_is_up=True)
    board.update(stream_is_up=True)
    board.update(engine_is_up=True, is_delayed=False)
    board.update(is_delayed=True)
    board.update(engine_is_up=False)
    assert [json.loads(text)["state"] for text in told] == ["down", "live", "delayed", "down"]
