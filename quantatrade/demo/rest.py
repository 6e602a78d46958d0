"""One trader of the public REST API: logs in, keeps its tokens fresh, asks and places.

Invariant: a session's refresh token is used by one task at a time, so it is never used twice.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final
from uuid import uuid4

import httpx

from quantatrade.bootstrap.demo_logins import DemoLogin
from quantatrade.demo.steady import NotNowError

TIMEOUT_S: Final = 20.0
CONNECTIONS_MAX: Final = 8
REFRESH_BEFORE_S: Final = 120.0
WAIT_MAX_S: Final = 60.0
ACTIVE_LOOK_S: Final = 0.5
ACTIVE_LOOKS_MAX: Final = 40
ERROR_CHARS_MAX: Final = 300


class RefusedError(NotNowError):
    """The API answered 4xx; `code` is its stable code."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{status} {code}: {message}"[:ERROR_CHARS_MAX])
        self.status = status
        self.code = code


def rest_client(edge_url: str) -> httpx.AsyncClient:
    """Return the connections that all traders share."""
    return httpx.AsyncClient(
        base_url=f"{edge_url}/api/v1/",
        timeout=TIMEOUT_S,
        limits=httpx.Limits(max_connections=CONNECTIONS_MAX),
        trust_env=False,
    )


class Account:
    """A login of the demo at the public API."""

    def __init__(self, client: httpx.AsyncClient, login: DemoLogin) -> None:
        self._client = client
        self._login = login
        self._access_token = ""
        self._refresh_token = ""
        self._fresh_until_s = 0.0
        self._lock = asyncio.Lock()
        self.user_id = 0

    @property
    def name(self) -> str:
        """The part of the address before the @."""
        return self._login.email.partition("@")[0]

    async def open(self) -> None:
        """Log in, registering before if need be."""
        async with self._lock:
            try:
                await self._log_in()
            except RefusedError as error:
                if error.code != "invalid_credentials":
                    raise
                await self._register()

    async def become_active(self) -> None:
        """Wait until the account can trade, which a new one can within a second or two."""
        for _ in range(ACTIVE_LOOKS_MAX):
            if (await self.get("me"))["account"] != "pending":
                return
            await asyncio.sleep(ACTIVE_LOOK_S)
        raise NotNowError(f"the account of {self.name} is not open yet")

    async def token(self) -> str:
        """Return an access token that is good for a while."""
        async with self._lock:
            if time.monotonic() > self._fresh_until_s:
                await self._refresh()
            return self._access_token

    async def get(self, path: str, **query: Any) -> Any:
        """Return the answer to a GET."""
        return await self._ask("GET", path, params=query)

    async def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Return the answer to a POST, which carries an idempotency key of its own."""
        return await self._ask("POST", path, json=body, headers={"Idempotency-Key": uuid4().hex})

    async def cancel(self, order_id: int, symbol: str) -> None:
        """Cancel an order; RefusedError `unknown_order` if it has ended."""
        await self._ask(
            "DELETE",
            f"orders/{order_id}",
            params={"market": symbol},
            headers={"Prefer": "return=minimal"},
        )

    async def _ask(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **options: Any
    ) -> Any:
        token = await self.token()
        stated = {"Authorization": f"Bearer {token}", **(headers or {})}
        response = await self._client.request(method, path, headers=stated, **options)
        if response.status_code == HTTPStatus.UNAUTHORIZED:
            self._fresh_until_s = 0.0  # the next attempt refreshes, or logs in again
            raise NotNowError(f"the session of {self.name} has ended")
        return answer_of(response)

    async def _refresh(self) -> None:
        if self._refresh_token:
            body = {"refresh_token": self._refresh_token}
            self._refresh_token = ""  # whatever comes of it, it is used up
            response = await self._client.post("auth/refresh", json=body)
            if response.status_code != HTTPStatus.UNAUTHORIZED:
                self._keep(answer_of(response))
                return
        await self._log_in()

    async def _log_in(self) -> None:
        body = {"email": self._login.email, "password": self._login.password}
        session = answer_of(await self._client.post("auth/login", json=body))
        self.user_id = session["user"]["id"]
        self._keep(session)

    async def _register(self) -> None:
        body = {"email": self._login.email, "password": self._login.password}
        try:
            session = answer_of(await self._client.post("auth/register", json=body))
        except RefusedError as error:
            if error.code != "email_taken":
                raise
            raise NotNowError(
                f"{self._login.email} has another password than the file of demo logins says"
            ) from error
        self.user_id = session["user"]["id"]
        self._keep(session)

    def _keep(self, tokens: Mapping[str, Any]) -> None:
        self._access_token = tokens["access_token"]
        self._refresh_token = tokens["refresh_token"]
        self._fresh_until_s = time.monotonic() + tokens["expires_in"] - REFRESH_BEFORE_S


def answer_of(response: httpx.Response) -> Any:
    """Return the body of a good answer. RefusedError, or NotNowError where a later try may do."""
    if response.is_success:
        return response.json() if response.content else None
    try:
        error = response.json()["error"]
        code, message = str(error["code"]), str(error["message"])
    except (ValueError, KeyError, TypeError):
        code, message = "not_json", "the answer has not the shape of an error"
    status = response.status_code
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS:
        raise NotNowError(f"{status} {code}: {message}"[:ERROR_CHARS_MAX], _retry_after_s(response))
    if code in ("account_pending", "request_in_progress", "not_json"):
        raise NotNowError(f"{status} {code}: {message}"[:ERROR_CHARS_MAX], _retry_after_s(response))
    raise RefusedError(status, code, message)


def _retry_after_s(response: httpx.Response) -> float:
    stated = response.headers.get("Retry-After", "")
    return min(float(stated), WAIT_MAX_S) if stated.isdecimal() else 0.0
