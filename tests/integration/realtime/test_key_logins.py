"""Real API keys and a real Redis: a signature logs a socket in once, while its key lives."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest
from django.db import connections
from websockets.asyncio.client import ClientConnection, connect

from apps.accounts.api_keys import api_key_create, api_key_revoke
from apps.accounts.signatures import request_signature
from apps.accounts.tokens import access_verify
from apps.accounts.types import NewApiKey
from apps.audit.types import system_actor
from tests.integration.realtime.support import edge_serving
from tests.people import person

NOWHERE = ("nats://127.0.0.1:9", "127.0.0.1:9")
ACTOR = system_actor("test")


def make_key(*addresses: str) -> tuple[int, NewApiKey]:
    user = person("trader", f"ann{len(addresses)}")
    made = api_key_create(
        user_id=user.pk, label="bot", permissions=["read"], addresses=addresses, actor=ACTOR
    )
    return user.pk, made


def proof(made: NewApiKey, *, target: str = "/ws/") -> dict[str, Any]:
    timestamp = time.time_ns() // 1_000_000
    signature = request_signature(
        made.secret.encode(), timestamp=str(timestamp), method="GET", target=target
    )
    return {
        "op": "auth", "key": made.key.key_id, "timestamp": timestamp, "signature": signature,
    }  # fmt: skip


async def asked(client: ClientConnection, request: dict[str, Any]) -> dict[str, Any]:
    await client.send(json.dumps(request))
    while True:
        answer: dict[str, Any] = json.loads(await client.recv())
        if answer["type"] not in ("heartbeat", "status", "welcome"):
            return answer


@pytest.mark.usefixtures("platform")
async def test_a_signature_opens_the_private_channels_until_the_key_is_revoked() -> None:
    user_id, made = await asyncio.to_thread(make_key)
    async with edge_serving(*NOWHERE, verify=access_verify) as (feeds, url), connect(url) as client:
        signed = proof(made)
        told = {"type": "authenticated", "user_id": user_id, "expires_at": None}
        assert await asked(client, signed) == told
        assert (await asked(client, signed))["error"]["code"] == "signature_used"
        assert (await asked(client, {"op": "subscribe", "channels": ["balances"]}))["type"] == (
            "subscribed"
        )
        assert list(feeds.hub.users) == [user_id]
        await asyncio.to_thread(
            lambda: api_key_revoke(user_id=user_id, key_id=made.key.key_id, actor=ACTOR)
        )
        async with asyncio.timeout(20):
            while (ended := json.loads(await client.recv()))["type"] != "auth_ended":
                pass
        assert ended["error"]["code"] == "key_invalid"
        assert feeds.hub.users == {}
    await asyncio.to_thread(connections.close_all)


@pytest.mark.usefixtures("platform")
async def test_a_signature_of_another_request_or_from_elsewhere_opens_nothing() -> None:
    _, made = await asyncio.to_thread(make_key)
    _, bound = await asyncio.to_thread(make_key, "192.0.2.1")
    async with edge_serving(*NOWHERE, verify=access_verify) as (feeds, url), connect(url) as client:
        for request in (proof(made, target="/api/v1/me"), proof(bound)):
            assert (await asked(client, request))["error"]["code"] == "key_invalid"
        request = {**proof(made), "timestamp": 1_600_000_000_000}
        assert (await asked(client, request))["error"]["code"] == "timestamp_outside_window"
        refused = await asked(client, {"op": "subscribe", "channels": ["balances"]})
        assert refused["error"]["code"] == "auth_required"
        assert feeds.hub.users == {}
    await asyncio.to_thread(connections.close_all)
