"""Real tokens and a real Redis: a socket's login lasts as long as its session."""

from __future__ import annotations

import asyncio
import json

import pytest
from websockets.asyncio.client import connect

from apps.accounts.tokens import access_verify, sessions_end, tokens_issue
from tests.integration.realtime.support import edge_serving

NOWHERE = ("nats://127.0.0.1:9", "127.0.0.1:9")


@pytest.mark.usefixtures("redis_url")
async def test_a_session_that_ends_takes_the_private_channels_with_it() -> None:
    pair = await asyncio.to_thread(lambda: tokens_issue(user_id=7, role="trader"))
    async with edge_serving(*NOWHERE, verify=access_verify) as (feeds, url), connect(url) as client:
        await client.recv()
        await client.send(json.dumps({"op": "auth", "token": pair.access_token + "x"}))
        assert json.loads(await client.recv())["error"]["code"] == "token_invalid"
        await client.send(json.dumps({"op": "auth", "token": pair.access_token}))
        assert json.loads(await client.recv())["user_id"] == 7
        await client.send(json.dumps({"op": "subscribe", "channels": ["balances"]}))
        assert json.loads(await client.recv())["type"] == "subscribed"
        assert list(feeds.hub.users) == [7]
        await asyncio.to_thread(lambda: sessions_end(user_id=7))
        async with asyncio.timeout(20):
            while (told := json.loads(await client.recv()))["type"] != "auth_ended":
                assert told["type"] in ("heartbeat", "status")
        assert told["error"]["code"] == "session_ended"
        assert feeds.hub.users == {}


@pytest.mark.usefixtures("no_redis")
async def test_without_redis_nobody_is_let_in_and_the_socket_stays() -> None:
    async with edge_serving(*NOWHERE, verify=access_verify) as (_, url), connect(url) as client:
        await client.recv()
        await client.send(json.dumps({"op": "auth", "token": "x" * 20}))
        assert json.loads(await client.recv())["error"]["code"] == "token_invalid"
        await client.send(json.dumps({"op": "ping"}))
        assert json.loads(await client.recv()) == {"type": "pong"}
