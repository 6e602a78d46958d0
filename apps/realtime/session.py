"""What one client has asked for: its requests, its subscriptions, who it is, and its limits.

No input or output of its own: texts come in by `receive`, answers go to the outbox. Invariant:
private channels are subscribed only while a verified token or key of their user is in force; when
it ends, so do they, and the client is told.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, Protocol

import structlog

from apps.accounts.principal import Principal
from apps.accounts.tokens import SessionsUnavailableError, TokenError
from apps.realtime.encoding import encode
from apps.realtime.hub import PRIVATE_CHANNELS, Hub, UnknownChannelError
from apps.realtime.limits import RealtimeLimits
from apps.realtime.messages import BadRequestError, KeyProof, Request, parse_request
from apps.realtime.outbox import Outbox
from apps.realtime.state import StateBoard

PROTOCOL: Final = 1
CLOSE_TOO_MANY_MESSAGES: Final = 4429
CLOSE_BAD_MESSAGES: Final = 4400
ERRORS_MAX: Final = 100  # of one socket; beyond it the client is not going to get it right

Verify = Callable[[str], Principal]
Check = Callable[[], Principal]
_LOG: Final = structlog.get_logger("quantatrade.realtime")


class KeyLogins(Protocol):
    """How a socket's client proves itself by API key, and is asked again whether it still may."""

    def verify(self, proof: KeyProof, address: str) -> Principal:
        """Return whose key signed the proof. TokenError, SessionsUnavailableError."""

    def recheck(self, key_id: str, address: str) -> Principal:
        """Return the same of a key that proved itself before."""


class Session:
    """One socket's conversation."""

    def __init__(
        self, hub: Hub, states: StateBoard, verify: Verify, keys: KeyLogins, address: str = ""
    ) -> None:
        self._hub = hub
        self._states = states
        self._verify = verify
        self._keys = keys
        self._address = address
        self._limits: RealtimeLimits = hub.limits
        self.outbox = Outbox(hub.limits)
        self._subscriptions: dict[str, None] = {}
        self._principal: Principal | None = None
        self._recheck: Check | None = None  # says whether the login still stands
        self._allowance = float(hub.limits.message_burst)
        self._allowance_s = time.monotonic()
        self._errors = 0

    def put(self, text: str) -> None:
        """Queue a message for this client."""
        self.outbox.put(text)

    @property
    def user_id(self) -> int | None:
        """Who has been authenticated on this socket."""
        return self._principal.user_id if self._principal is not None else None

    def welcome(self) -> None:
        """Say what is spoken here, and how the feeds are."""
        limits = self._limits
        self._answer(
            "welcome",
            None,
            protocol=PROTOCOL,
            heartbeat_ms=round(limits.heartbeat_s * 1000),
            subscriptions_max=limits.subscriptions_max,
            messages_per_second=round(limits.messages_per_s),
            **self._states.fields(),
        )

    async def receive(self, text: str) -> None:
        """Take one message of the client."""
        if not self._may_speak():
            self.outbox.close(CLOSE_TOO_MANY_MESSAGES, "too many messages")
            return
        try:
            request = parse_request(text, self._limits)
            await self._handlers()[request.op](request)
        except BadRequestError as error:
            self._refuse(error.request_id, error.code, str(error))

    def end(self) -> None:
        """Leave every channel."""
        for name in tuple(self._subscriptions):
            self._leave(name)

    async def check_login(self) -> None:
        """End the private channels if token, session or key is no longer in force."""
        if self._principal is None or self._recheck is None:
            return
        recheck, expires_at = self._recheck, self._principal.expires_at
        try:
            if expires_at is not None and datetime.now(UTC) >= expires_at:
                raise TokenError("token_expired", "The access token has expired; refresh it.")
            await self._verified(recheck)
        except TokenError as error:
            if recheck is self._recheck:  # nobody has logged in anew meanwhile
                self._forget_login()
                self._answer("auth_ended", None, error={"code": error.code, "message": str(error)})
        except SessionsUnavailableError:
            # Who was let in stays until the token's own end: nothing new is granted meanwhile.
            _LOG.warning("session_not_checked", user_id=self.user_id)

    def _handlers(self) -> dict[str, Callable[[Request], Awaitable[None]]]:
        return {
            "subscribe": self._subscribe,
            "unsubscribe": self._unsubscribe,
            "auth": self._auth,
            "ping": self._ping,
        }

    def _may_speak(self) -> bool:
        now = time.monotonic()
        earned = (now - self._allowance_s) * self._limits.messages_per_s
        self._allowance = min(self._allowance + earned, float(self._limits.message_burst)) - 1
        self._allowance_s = now
        return self._allowance >= 0

    async def _subscribe(self, request: Request) -> None:
        new = [name for name in request.channels if name not in self._subscriptions]
        if len(self._subscriptions) + len(new) > self._limits.subscriptions_max:
            raise BadRequestError(
                "too_many_subscriptions",
                f"expected at most {self._limits.subscriptions_max} on one socket",
                request.id,
            )
        for name in new:  # all of them exist, or nothing happens
            try:
                self._hub.check(name, self.user_id)
            except UnknownChannelError as error:
                raise BadRequestError(error.code, str(error), request.id) from None
        self._answer("subscribed", request.id, channels=list(request.channels))
        for name in new:
            self._subscriptions[name] = None
            self._hub.subscribe(name, self, self.user_id)

    async def _unsubscribe(self, request: Request) -> None:
        for name in request.channels:
            if name in self._subscriptions:
                self._leave(name)
        self._answer("unsubscribed", request.id, channels=list(request.channels))

    async def _auth(self, request: Request) -> None:
        first: Check = partial(self._verify, request.token)
        if request.proof is not None:
            first = partial(self._keys.verify, request.proof, self._address)
        try:
            principal = await self._verified(first)
        except TokenError as error:
            raise BadRequestError(error.code, str(error), request.id) from None
        except SessionsUnavailableError:
            raise BadRequestError(
                "unavailable", "Logins cannot be checked now; try again.", request.id
            ) from None
        if self._principal is not None and principal.user_id != self._principal.user_id:
            self._forget_login()
        self._principal, self._recheck = principal, first
        if principal.key_id:
            self._recheck = partial(self._keys.recheck, principal.key_id, self._address)
        expires_at = principal.expires_at
        self._answer(
            "authenticated",
            request.id,
            user_id=principal.user_id,
            expires_at=None
            if expires_at is None
            else f"{expires_at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}Z",
        )

    async def _ping(self, request: Request) -> None:
        self._answer("pong", request.id)

    async def _verified(self, check: Check) -> Principal:
        # It may look into Redis: not in the loop that feeds everybody else.
        try:
            async with asyncio.timeout(self._limits.verify_timeout_s):
                return await asyncio.to_thread(check)
        except TimeoutError:
            raise SessionsUnavailableError("Redis did not answer in time") from None

    def _forget_login(self) -> None:
        for name in PRIVATE_CHANNELS:
            if name in self._subscriptions:
                self._leave(name)
        self._principal, self._recheck = None, None

    def _leave(self, name: str) -> None:
        del self._subscriptions[name]
        self._hub.unsubscribe(name, self, self.user_id)

    def _answer(self, kind: str, request_id: str | int | None, **fields: Any) -> None:
        named = {"type": kind} if request_id is None else {"type": kind, "id": request_id}
        self.put(encode({**named, **fields}))

    def _refuse(self, request_id: str | int | None, code: str, message: str) -> None:
        self._errors += 1
        self._answer("error", request_id, error={"code": code, "message": message})
        if self._errors > ERRORS_MAX:
            self.outbox.close(CLOSE_BAD_MESSAGES, "too many requests that are none")
