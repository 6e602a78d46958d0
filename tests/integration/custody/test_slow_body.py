"""A webhook that drips in keeps the edge waiting, and no thread of the web process (trap 45)."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from quantatrade.edge import EdgeApplication, EdgeConfig

UNREACHABLE = "http://127.0.0.1:1"  # asking web at all would be answered 502


async def answer_to(chunks: list[bytes], *, length: int, pause_s: float) -> tuple[int, Any]:
    """Send a webhook in pieces; returns status and JSON."""
    config = EdgeConfig(web_url=UNREACHABLE, short_body_timeout_s=0.3, body_pause_timeout_s=5)
    sent: list[dict[str, Any]] = []
    left = list(chunks)

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(pause_s)
        chunk = left.pop(0) if left else b""
        return {"type": "http.request", "body": chunk, "more_body": bool(left)}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": "POST", "path": "/webhooks/custody", "query_string": b"",
        "headers": [(b"content-length", str(length).encode())], "client": ("192.0.2.1", 5),
    }  # fmt: skip
    await EdgeApplication(config)(scope, receive, send)
    body = b"".join(each.get("body", b"") for each in sent[1:])
    return sent[0]["status"], json.loads(body)


async def test_trap_45_a_body_that_drips_is_refused_in_time_though_it_never_pauses_long() -> None:
    status, body = await answer_to([b"x"] * 100, length=100, pause_s=0.02)
    assert status == 408
    assert body["error"]["message"] == "The body was not whole within 0.3 s."


async def test_a_body_that_comes_in_time_is_passed_on() -> None:
    status, body = await answer_to([b"x"] * 3, length=3, pause_s=0.0)
    assert (status, body["error"]["code"]) == (502, "bad_gateway")


async def test_trap_45_ten_megabytes_are_refused_by_the_edge_before_they_are_read() -> None:
    status, body = await answer_to([b"x"], length=10_000_000, pause_s=0.0)
    assert (status, body["error"]["code"]) == (413, "request_entity_too_large")
