"""Traders at the public address while web, edge, worker, beat and custodian are killed.

Orders by REST, each with an idempotency key and sent again until it is answered; sockets, whose
sequence is checked; a session that refreshes its tokens all the time; coins that arrive at the
simulated custodian. Invariant: `orders` holds exactly what was acknowledged, and `violations` tells
of whatever a client may never see: a gap, a session that ended without cause, an answer that is
none.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

SYMBOL: Final = "COINCASH"
PASSWORD: Final = "a long phrase for one campaign"  # noqa: S105 - of an installation of its own
PATIENCE_S: Final = 90.0
REQUEST_TIMEOUT_S: Final = 10.0
RETRY_S: Final = 0.1
ORDER_PAUSE_S: Final = 0.2
REFRESH_PAUSE_S: Final = 0.5
DEPOSIT_PAUSE_S: Final = 1.0
OPEN_ORDERS_KEPT: Final = 15
SOCKETS: Final = 3
CONNECTION_ERRORS: Final = (OSError, TimeoutError, WebSocketException)
_ORDER_REFUSALS: Final = frozenset({"insufficient_balance", "notional", "user_suspended"})
_CANCEL_REFUSALS: Final = frozenset({"unknown_order"})


class PlatformError(Exception):
    """The platform did not do in time what it must do after a kill."""


@dataclass
class Session:
    """A login of one trader."""

    email: str
    access: str = ""
    refresh: str = ""


@dataclass
class Trader:
    """Who trades on one side of the market."""

    session: Session
    side: str
    user_id: int
    asset: str
    coin: str = ""
    address: str = ""
    open_orders: list[int] = field(default_factory=list)


class PlatformLoad:
    """Runs until `stop`."""

    def __init__(self, *, edge: str, custodian: str, seed: int) -> None:
        self._edge = edge
        self._custodian = custodian
        self._random = random.Random(seed + 2)  # noqa: S311 - repeatable on purpose
        self._http = httpx.AsyncClient(timeout=REQUEST_TIMEOUT_S, trust_env=False)
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = asyncio.Event()
        self._traders: list[Trader] = []
        self._numbers = 0
        self.orders: dict[str, int] = {}
        self.retries = 0
        self.messages = 0
        self.reconnects = 0
        self.refreshes = 0
        self.logins_again = 0
        self.violations: list[str] = []

    async def begin(self, credit: Callable[[int, str, str], Awaitable[dict[str, Any]]]) -> None:
        """Register traders, let `credit(user, asset, amount)` fund them, and start."""
        for side, asset in (("BID", "CASH"), ("ASK", "COIN")):
            session = Session(f"{side.lower()}@chaos.example")
            user_id = await self._register(session)
            self._traders.append(Trader(session, side, user_id, asset))
        for trader in self._traders:
            facts = await credit(trader.user_id, trader.asset, "100000")
            trader.coin, trader.address = f"sim:{trader.asset.lower()}", facts["address"]
        restless = Session("restless@chaos.example")
        await self._register(restless)
        jobs = [self._trade(trader) for trader in self._traders]
        jobs += [self._listen(number) for number in range(SOCKETS)]
        jobs += [self._refresh(restless), self._let_coins_arrive()]
        self._tasks = [asyncio.create_task(job) for job in jobs]

    async def probe(self) -> str:
        """Get one order acknowledged; returns the id of a transfer that must yet be credited."""
        self.check()
        await self._place(self._traders[0])
        deadline = time.monotonic() + PATIENCE_S
        while (transfer := await self._simulate(self._traders[0])) is None:
            _require(deadline, "a simulated transfer")
            await asyncio.sleep(RETRY_S)
        return transfer

    def check(self) -> None:
        """Raise what ended a task, if one ended."""
        for task in self._tasks:
            if task.done() and not self._stopping.is_set():
                task.result()

    async def stop(self) -> None:
        """Let everybody finish what is in hand."""
        self._stopping.set()
        await asyncio.gather(*self._tasks)

    async def close(self) -> None:
        """End whatever is left, finished or not."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._http.aclose()

    # --- orders ---------------------------------------------------------------------------------

    async def _trade(self, trader: Trader) -> None:
        while not self._stopping.is_set():
            await self._place(trader)
            if len(trader.open_orders) > OPEN_ORDERS_KEPT:
                await self._cancel(trader, trader.open_orders.pop(0))
            await asyncio.sleep(ORDER_PAUSE_S)

    async def _place(self, trader: Trader) -> None:
        key = f"{self._random.getrandbits(128):032x}"
        price = Decimal(10_000 + self._random.randint(-30, 30)) / 100
        body = {
            "market": SYMBOL, "side": trader.side, "type": "LIMIT", "price": str(price),
            "quantity": str(Decimal(self._random.randint(1, 20)) / 1000), "client_order_id": key,
        }  # fmt: skip
        answer = await self._until_answered(
            trader.session, "POST", "orders", json=body, headers={"Idempotency-Key": key}
        )
        if answer.status_code == httpx.codes.CREATED:
            order = answer.json()["order"]
            self.orders[key] = int(order["order_id"])
            if order["status"] == "OPEN":
                trader.open_orders.append(int(order["order_id"]))
        elif _code(answer) not in _ORDER_REFUSALS:
            self.violations.append(f"an order was answered {answer.status_code} {_code(answer)}")

    async def _cancel(self, trader: Trader, order_id: int) -> None:
        answer = await self._until_answered(
            trader.session, "DELETE", f"orders/{order_id}?market={SYMBOL}",
            headers={"Prefer": "return=minimal"},
        )  # fmt: skip
        if answer.status_code != httpx.codes.OK and _code(answer) not in _CANCEL_REFUSALS:
            self.violations.append(f"a cancel was answered {answer.status_code} {_code(answer)}")

    async def _until_answered(
        self, session: Session, method: str, path: str, **options: Any
    ) -> httpx.Response:
        """Send one request until its outcome is known, as a careful client does."""
        headers = options.pop("headers", {})
        deadline = time.monotonic() + PATIENCE_S
        while True:
            stated = {**headers, "Authorization": f"Bearer {session.access}"}
            answer = await self._once(method, f"api/v1/{path}", headers=stated, **options)
            if answer is not None and answer.status_code == httpx.codes.UNAUTHORIZED:
                if _code(answer) != "token_expired":
                    self.violations.append(f"a session was told {_code(answer)}")
                await self._log_in(session)
            elif answer is not None and not _is_unanswered(answer):
                return answer
            self.retries += 1
            _require(deadline, f"an answer to {method} {path}")
            await asyncio.sleep(RETRY_S)

    async def _once(self, method: str, path: str, **options: Any) -> httpx.Response | None:
        """Return the answer; None if the connection was lost."""
        try:
            return await self._http.request(method, f"{self._edge}/{path}", **options)
        except httpx.TransportError:
            return None

    # --- sessions -------------------------------------------------------------------------------

    async def _register(self, session: Session) -> int:
        body = {"email": session.email, "password": PASSWORD}
        answer = await self._http.post(f"{self._edge}/api/v1/auth/register", json=body)
        if answer.status_code != httpx.codes.CREATED:
            raise PlatformError(f"registration was answered {answer.status_code} {answer.text}")
        _take(session, answer)
        deadline = time.monotonic() + PATIENCE_S
        while (await self._until_answered(session, "GET", "me")).json()["account"] != "active":
            _require(deadline, f"the account of {session.email}")
            await asyncio.sleep(RETRY_S)
        return int(answer.json()["user"]["id"])

    async def _log_in(self, session: Session) -> None:
        body = {"email": session.email, "password": PASSWORD}
        deadline = time.monotonic() + PATIENCE_S
        while True:
            answer = await self._once("POST", "api/v1/auth/login", json=body)
            if answer is not None and answer.status_code == httpx.codes.OK:
                _take(session, answer)
                return
            _require(deadline, f"a login of {session.email}")
            await asyncio.sleep(RETRY_S)

    async def _refresh(self, session: Session) -> None:
        """Refresh again and again. Only after a lost answer may a session have ended."""
        has_lost_an_answer = False
        while not self._stopping.is_set():
            body = {"refresh_token": session.refresh}
            answer = await self._once("POST", "api/v1/auth/refresh", json=body)
            if answer is None or _is_unanswered(answer):
                has_lost_an_answer = True
            elif answer.status_code == httpx.codes.OK:
                _take(session, answer)
                self.refreshes += 1
                has_lost_an_answer = False
            elif has_lost_an_answer and _code(answer) == "session_ended":
                await self._log_in(session)
                self.logins_again += 1
                has_lost_an_answer = False
            else:
                self.violations.append(f"a refresh was answered {_code(answer)} without cause")
                await self._log_in(session)
            await asyncio.sleep(REFRESH_PAUSE_S)

    # --- sockets --------------------------------------------------------------------------------

    async def _listen(self, number: int) -> None:
        session = self._traders[number % len(self._traders)].session
        url = f"{self._edge.replace('http', 'ws', 1)}/ws/"
        while not self._stopping.is_set():
            with suppress(*CONNECTION_ERRORS):
                async with connect(url, open_timeout=REQUEST_TIMEOUT_S, proxy=None) as socket:
                    await self._follow(socket, session)
            if not self._stopping.is_set():
                self.reconnects += 1
                await asyncio.sleep(RETRY_S)

    async def _follow(self, socket: ClientConnection, session: Session) -> None:
        """Take messages until the connection ends, and hold every channel to its sequence."""
        channels = [f"book.{SYMBOL}", f"trades.{SYMBOL}", "orders", "fills", "balances"]
        await socket.send(json.dumps({"op": "auth", "token": session.access}))
        await socket.send(json.dumps({"op": "subscribe", "channels": channels}))
        seqs: dict[str, int] = {}
        while not self._stopping.is_set():
            try:
                async with asyncio.timeout(1):
                    message = json.loads(await socket.recv())
            except TimeoutError:
                continue
            if message["type"] in ("error", "auth_ended"):
                return  # not ready yet, or the token's time is over: again from the beginning
            channel = message.get("channel")
            if channel is None:
                continue
            self.messages += 1
            if message["type"] != "snapshot" and message["prev_seq"] != seqs.get(channel):
                self.violations.append(f"{channel} went from {seqs.get(channel)} to {message}")
            seqs[channel] = message["seq"]

    # --- coins ----------------------------------------------------------------------------------

    async def _let_coins_arrive(self) -> None:
        while not self._stopping.is_set():
            await self._simulate(self._random.choice(self._traders))
            await asyncio.sleep(DEPOSIT_PAUSE_S)

    async def _simulate(self, trader: Trader) -> str | None:
        """Let coins arrive; None if it is not known whether they did."""
        self._numbers += 1
        body = {
            "coin": trader.coin, "address": trader.address, "amount": str(self._numbers),
            "confirm_after_ms": 0,
            "misbehave": {
                "duplicates": self._numbers % 3, "out_of_order": self._numbers % 2 == 0,
            },
        }  # fmt: skip
        url = f"{self._custodian}/simulate/transfers"
        try:
            answer = await self._http.post(url, json=body)
        except httpx.TransportError:
            return None
        return str(answer.json()["id"]) if answer.status_code == httpx.codes.OK else None


def _take(session: Session, answer: httpx.Response) -> None:
    tokens = answer.json()
    session.access, session.refresh = tokens["access_token"], tokens["refresh_token"]


def _is_unanswered(answer: httpx.Response) -> bool:
    """Tell whether the same request must be sent again to learn its outcome."""
    return (
        answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR
        or _code(answer) == "request_in_progress"
    )


def _code(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["error"]["code"])
    except (ValueError, KeyError, TypeError):
        return ""


def _require(deadline: float, what: str) -> None:
    if time.monotonic() > deadline:
        raise PlatformError(f"waited {PATIENCE_S:g} s in vain for {what}")
