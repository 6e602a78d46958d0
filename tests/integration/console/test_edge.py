"""The edge forwards faithfully, believes nobody, and limits everything."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from quantatrade.edge import WEBSOCKET_NO_SUCH_FEED, EdgeApplication, EdgeConfig

PEER = "198.51.100.23"
SLOW_S = 1.0


class _Web(BaseHTTPRequestHandler):
    """A web process that says what it was asked."""

    protocol_version = "HTTP/1.1"

    def _echo(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path.startswith("/slow"):
            time.sleep(SLOW_S)
        if self.path.startswith("/cut"):
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"only this")
            self.close_connection = True
            return
        said = json.dumps(
            {
                "method": self.command,
                "target": self.path,
                "headers": [[name.lower(), value] for name, value in self.headers.items()],
                "body": body.decode("latin-1"),
            }
        ).encode()
        self.send_response(404 if self.path.startswith("/missing") else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(said)))
        self.send_header("Set-Cookie", "a=1")
        self.send_header("Set-Cookie", "b=2")
        self.send_header("X-Request-ID", "from-the-web-process")
        self.send_header("Connection", "x-hop")
        self.send_header("X-Hop", "for the edge only")
        self.end_headers()
        if self.command != "HEAD":
            with contextlib.suppress(BrokenPipeError):  # the edge may have given up
                self.wfile.write(said)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _echo  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


@pytest.fixture
def web() -> Iterator[str]:
    """The address of a web process."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Web)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


class Browser:
    """A client at a public address, in front of an edge."""

    def __init__(self, config: EdgeConfig, address: str = PEER) -> None:
        self.edge = EdgeApplication(config)
        self._client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=self.edge, client=(address, 50_123)),
            base_url="http://trade.example",
        )

    async def __aenter__(self) -> httpx.AsyncClient:
        return self._client

    async def __aexit__(self, *_exception: object) -> None:
        await self._client.aclose()
        received = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

        async def receive() -> Any:
            return next(received)

        async def send(_message: Any) -> None:
            return None

        await self.edge({"type": "lifespan"}, receive, send)


def headers_of(response: httpx.Response) -> dict[str, str]:
    return dict(response.json()["headers"])


async def test_method_target_body_and_headers_arrive_as_sent(web: str) -> None:
    async with Browser(EdgeConfig(web_url=web)) as client:
        response = await client.request(
            "PUT",
            "/a%2Fb/../c?x=%20y&empty=",
            content=b"\x00\xffbody",
            headers={"X-Own": "mine", "Cookie": "session=1"},
        )
    said = response.json()
    assert said["method"] == "PUT"
    assert said["target"].endswith("c?x=%20y&empty=")
    assert said["body"].encode("latin-1") == b"\x00\xffbody"
    arrived = headers_of(response)
    assert arrived["x-own"] == "mine"
    assert arrived["cookie"] == "session=1"
    assert arrived["host"] == "trade.example"
    assert arrived["content-length"] == "6"


async def test_what_a_client_states_about_addresses_never_passes(web: str) -> None:
    lies = {
        "X-Forwarded-For": "127.0.0.1",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "evil.example",
        "X_Forwarded_For": "127.0.0.1",
        "Forwarded": "for=127.0.0.1",
        "X-Real-IP": "127.0.0.1",
        "True-Client-IP": "127.0.0.1",
    }
    async with Browser(EdgeConfig(web_url=web)) as client:
        arrived = headers_of(await client.get("/", headers=lies))
    assert arrived["x-forwarded-for"] == PEER
    assert arrived["x-forwarded-proto"] == "http"
    assert "127.0.0.1" not in [v for k, v in arrived.items() if k != "host"]
    assert not {"x-forwarded-host", "x_forwarded_for", "forwarded", "x-real-ip"} & set(arrived)


async def test_behind_a_public_https_address_everything_is_https(web: str) -> None:
    async with Browser(EdgeConfig(web_url=web, scheme="https")) as client:
        arrived = headers_of(await client.get("/"))
    assert arrived["x-forwarded-proto"] == "https"


async def test_headers_of_one_connection_stop_at_the_edge_in_both_directions(web: str) -> None:
    sent = {
        "Connection": "keep-alive, X-Private",
        "X-Private": "1",
        "TE": "trailers",
        "Upgrade": "h2c",
        "Proxy-Authorization": "Basic x",
    }
    async with Browser(EdgeConfig(web_url=web)) as client:
        response = await client.get("/", headers=sent)
    assert not {"x-private", "te", "upgrade", "proxy-authorization"} & set(headers_of(response))
    assert "x-hop" not in response.headers
    assert "server" not in response.headers
    assert response.headers.get_list("set-cookie") == ["a=1", "b=2"]


async def test_cookies_of_one_client_are_never_sent_for_another(web: str) -> None:
    async with Browser(EdgeConfig(web_url=web)) as client:
        await client.get("/")
        client.cookies.clear()
        assert "cookie" not in headers_of(await client.get("/"))


async def test_the_request_id_is_kept_if_sane_and_made_if_not(web: str) -> None:
    async with Browser(EdgeConfig(web_url=web)) as client:
        kept = await client.get("/", headers={"X-Request-ID": "caller-0001"})
        made = await client.get("/", headers={"X-Request-ID": "{}"})
    assert headers_of(kept)["x-request-id"] == "caller-0001"
    assert kept.headers.get_list("x-request-id") == ["caller-0001"]
    assert len(made.headers["x-request-id"]) == 32
    assert headers_of(made)["x-request-id"] == made.headers["x-request-id"]


async def test_a_status_of_the_web_process_is_passed_on(web: str) -> None:
    async with Browser(EdgeConfig(web_url=web)) as client:
        assert (await client.get("/missing")).status_code == 404
        head = await client.head("/")
    assert (head.status_code, head.content) == (200, b"")


async def test_a_body_that_is_stated_or_turns_out_too_long_is_refused(web: str) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(10):
            yield b"x" * 30

    async with Browser(EdgeConfig(web_url=web, body_bytes_max=100)) as client:
        stated = await client.post("/", content=b"x" * 101)
        unstated = await client.post("/", content=chunks())
        fits = await client.post("/", content=b"x" * 100)
    for refused in (stated, unstated):
        assert refused.status_code == 413
        assert refused.json()["error"]["code"] == "request_entity_too_large"
        assert refused.json()["request_id"] == refused.headers["x-request-id"]
    assert fits.status_code == 200


async def test_a_body_of_unstated_length_arrives_with_its_length(web: str) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"one "
        yield b"two"

    async with Browser(EdgeConfig(web_url=web)) as client:
        response = await client.post("/", content=chunks())
    assert response.json()["body"] == "one two"
    assert headers_of(response)["content-length"] == "7"
    assert "transfer-encoding" not in headers_of(response)


async def test_a_body_that_stalls_is_refused(web: str) -> None:
    async def stalls() -> AsyncIterator[bytes]:
        yield b"begin"
        await asyncio.sleep(5)

    config = EdgeConfig(web_url=web, body_pause_timeout_s=0.2)
    async with Browser(config) as client:
        response = await client.post("/", content=stalls(), headers={"Content-Length": "50"})
    assert response.status_code == 408
    assert response.json()["error"]["message"] == "The body paused for 0.2 s."


async def test_a_web_process_that_is_down_is_a_502_and_not_ready() -> None:
    async with Browser(EdgeConfig(web_url="http://127.0.0.1:1")) as client:
        response = await client.get("/admin/")
        ready = await client.get("/edge/readyz")
        alive = await client.get("/edge/healthz")
    assert response.status_code == 502
    assert response.json() == {
        "error": {
            "code": "bad_gateway",
            "message": "The web process cannot be reached.",
            "details": {},
        },
        "request_id": response.headers["x-request-id"],
    }
    assert ready.status_code == 503
    assert ready.json() == {"ready": False, "reasons": ["web: no answer (ConnectError)"]}
    assert (alive.status_code, alive.text) == (200, "alive\n")


async def test_a_web_process_that_is_slow_is_a_504(web: str) -> None:
    async with Browser(EdgeConfig(web_url=web, answer_timeout_s=0.3)) as client:
        response = await client.get("/slow")
    assert response.status_code == 504
    assert response.json()["error"]["code"] == "gateway_timeout"


async def test_more_requests_than_connections_are_a_503(web: str) -> None:
    config = EdgeConfig(web_url=web, connections_max=1, pool_timeout_s=0.2)
    async with Browser(config) as client:
        answers = await asyncio.gather(client.get("/slow"), client.get("/slow"))
    assert sorted(answer.status_code for answer in answers) == [200, 503]


async def test_the_edge_is_ready_when_the_web_process_is(web: str) -> None:
    async with Browser(EdgeConfig(web_url=web)) as client:
        ready = await client.get("/edge/readyz")
    assert (ready.status_code, ready.json()) == (200, {"ready": True, "reasons": []})


async def test_metrics_are_for_loopback_itself_or_the_bearer_of_the_token(web: str) -> None:
    config = EdgeConfig(web_url=web, metrics_token="t0ken")
    bearer = {"Authorization": "Bearer t0ken"}
    async with Browser(config) as outside:
        assert (await outside.get("/edge/metrics")).status_code == 403
        assert (await outside.get("/edge/metrics", headers=bearer)).status_code == 200
    async with Browser(config, "127.0.0.1") as inside:
        assert b"qt_edge_requests_total" in (await inside.get("/edge/metrics")).content
        behind_a_proxy = {"X-Forwarded-For": "203.0.113.4"}
        assert (await inside.get("/edge/metrics", headers=behind_a_proxy)).status_code == 403
    assert "t0ken" not in repr(config)


async def test_own_pages_can_only_be_read_and_unknown_ones_are_not_forwarded(web: str) -> None:
    async with Browser(EdgeConfig(web_url=web)) as client:
        assert (await client.post("/edge/healthz")).status_code == 405
        assert (await client.get("/edge/nothing")).json()["error"]["code"] == "not_found"


async def test_an_absolute_target_is_refused(web: str) -> None:
    sent: list[Any] = []
    scope = {
        "type": "http",
        "method": "GET",
        "path": "http://evil.example/",
        "raw_path": b"http://evil.example/",
        "query_string": b"",
        "headers": [],
        "client": (PEER, 1),
        "scheme": "http",
    }

    async def receive() -> Any:
        return {"type": "http.request"}

    async def send(message: Any) -> None:
        sent.append(message)

    await EdgeApplication(EdgeConfig(web_url=web))(scope, receive, send)
    assert sent[0]["status"] == 400


async def test_an_answer_that_is_cut_off_is_not_made_to_look_whole(web: str) -> None:
    sent: list[Any] = []
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/cut",
        "raw_path": b"/cut",
        "query_string": b"",
        "headers": [(b"host", b"trade.example")],
        "client": (PEER, 1),
        "scheme": "http",
    }

    async def receive() -> Any:
        return {"type": "http.request"}

    async def send(message: Any) -> None:
        sent.append(message)

    await EdgeApplication(EdgeConfig(web_url=web))(scope, receive, send)
    assert sent[0]["status"] == 200
    assert b"".join(message["body"] for message in sent[1:]) == b"only this"
    assert all(message.get("more_body") for message in sent[1:])


async def test_a_client_that_leaves_while_sending_is_left_alone(web: str) -> None:
    sent: list[Any] = []
    messages = iter(
        [
            {"type": "http.request", "body": b"half", "more_body": True},
            {"type": "http.disconnect"},
        ]
    )
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/",
        "raw_path": b"/",
        "query_string": b"",
        "headers": [(b"host", b"trade.example"), (b"content-length", b"8")],
        "client": (PEER, 1),
        "scheme": "http",
    }

    async def receive() -> Any:
        return next(messages)

    async def send(message: Any) -> None:
        sent.append(message)

    await EdgeApplication(EdgeConfig(web_url=web))(scope, receive, send)
    assert sent == []


async def test_sockets_to_anywhere_else_are_refused_with_a_code_of_their_own(web: str) -> None:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    await EdgeApplication(EdgeConfig(web_url=web))(
        {"type": "websocket", "path": "/nothing"}, receive, send
    )
    assert [message["type"] for message in sent] == ["websocket.accept", "websocket.close"]
    assert sent[1]["code"] == WEBSOCKET_NO_SUCH_FEED == 4404
