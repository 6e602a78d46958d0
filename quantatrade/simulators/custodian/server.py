"""The HTTP side of the simulated custodian, on loopback only.

Invariant: the vendor's interface asks for the customer's token; the simulation takes JSON from
programs on this machine only, which a web page in a browser cannot send here.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, cast
from urllib.parse import parse_qsl, unquote, urlsplit

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from quantatrade.simulators.custodian.custodian import Custodian, RefusedError
from quantatrade.simulators.custodian.store import Document

HOST: Final = "127.0.0.1"
BODY_BYTES_MAX: Final = 1 << 20
CONNECTION_TIMEOUT_S: Final = 15
_LOOPBACK_NAMES: Final = frozenset({"127.0.0.1", "localhost", "[::1]"})
_PLAIN: Final = "text/plain; charset=utf-8"


class Server(ThreadingHTTPServer):
    """One thread for each connection."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, custodian: Custodian, ready: Callable[[], str | None]) -> None:
        super().__init__((HOST, port), _Handler)
        self.custodian = custodian
        self.ready = ready


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = CONNECTION_TIMEOUT_S
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        server = cast("Server", self.server)
        if self.path == "/healthz":
            self._send(200, b"alive\n", _PLAIN)
        elif self.path == "/readyz":
            reason = server.ready()
            self._send(200 if reason is None else 503, f"{reason or 'ready'}\n".encode(), _PLAIN)
        elif self.path == "/metrics":
            self._send(200, generate_latest(), CONTENT_TYPE_LATEST)
        else:
            self._serve()

    def do_POST(self) -> None:
        self._serve()

    def _serve(self) -> None:
        custodian = cast("Server", self.server).custodian
        try:
            body = self._body()
            self._send_json(200, self._answer(custodian, body))
        except RefusedError as refusal:
            self._send_json(refusal.status, refusal.body)

    def _answer(self, custodian: Custodian, body: Document) -> Document:
        parts = urlsplit(self.path)
        place = [unquote(each) for each in parts.path.strip("/").split("/")]
        if place[0] == "simulate":
            return self._simulation(custodian, place[1:], body)
        custodian.require_token(self.headers.get("Authorization", ""))
        custodian.fail_on_request()
        match (self.command, place):
            case ("POST", ["api", "v2", coin, "wallet", wallet, "address"]):
                return custodian.address_create(coin, wallet, body)
            case ("GET", ["api", "v2", coin, "wallet", wallet, "transfer"]):
                return custodian.transfers(coin, wallet, dict(parse_qsl(parts.query)))
            case ("GET", ["api", "v2", coin, "wallet", wallet, "transfer", id_]):
                return custodian.transfer(coin, wallet, id_)
        raise RefusedError(404, "NotFound", f"{self.command} {parts.path} is not known here")

    def _simulation(self, custodian: Custodian, place: list[str], body: Document) -> Document:
        host = self.headers.get("Host", "").rpartition(":")[0] or self.headers.get("Host", "")
        if host not in _LOOPBACK_NAMES:
            raise RefusedError(403, "Forbidden", "the simulation is for this machine only")
        match (self.command, place):
            case ("POST", ["transfers"]):
                return custodian.simulate_transfer(body)
            case ("POST", ["transfers", id_]):
                return custodian.simulate_change(id_, body)
            case ("GET", ["transfers", id_, "webhooks"]):
                return custodian.deliveries(id_)
            case ("POST", ["misbehaviour"]):
                return custodian.simulate_misbehaviour(body)
        raise RefusedError(404, "NotFound", "expected POST /simulate/transfers")

    def _body(self) -> Document:
        length = self.headers.get("Content-Length", "0")
        if self.command != "POST":
            return {}
        if not length.isdecimal() or int(length) > BODY_BYTES_MAX:
            self.close_connection = True
            raise RefusedError(413, "TooLarge", f"a body has up to {BODY_BYTES_MAX} bytes")
        content = self.rfile.read(int(length))
        if self.headers.get("Content-Type", "").partition(";")[0].strip() != "application/json":
            raise RefusedError(415, "Invalid", "expected Content-Type: application/json")
        try:
            body = json.loads(content)
        except ValueError as error:
            raise RefusedError(400, "Invalid", f"the body was not JSON: {error}") from error
        if not isinstance(body, dict):
            raise RefusedError(400, "Invalid", "the body was not a JSON object")
        return body

    def _send_json(self, status: int, content: Document) -> None:
        self._send(status, json.dumps(content).encode(), "application/json; charset=utf-8")

    def _send(self, status: int, body: bytes, content_type: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Say nothing: a probe every second would drown the log."""
