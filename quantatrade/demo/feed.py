"""What the public socket tells one trader: books, states, and its own orders, fills and balances.

Invariant: what is offered here is whole. After a gap, an outage or a long silence the connection is
given up and everything is forgotten; until new snapshots are there nothing is offered.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple

from websockets.asyncio.client import ClientConnection, connect

from quantatrade.demo.rest import Account
from quantatrade.demo.steady import FILLS, NotNowError

OPEN_TIMEOUT_S: Final = 10.0
SILENCE_MAX_S: Final = 60.0
TOKEN_LOOK_S: Final = 20.0
MESSAGE_BYTES_MAX: Final = 4 * 1024 * 1024
MESSAGES_MAX: Final = 64
PRIVATE_CHANNELS: Final = ("orders", "fills", "balances")
LIVE: Final = "live"
_ENDED: Final = ("filled", "canceled", "expired")


class Best(NamedTuple):
    """The best prices and what stands there."""

    bid: Decimal
    bid_quantity: Decimal
    ask: Decimal
    ask_quantity: Decimal


class OwnOrder(NamedTuple):
    """An open order, and when this trader first heard of it."""

    symbol: str
    seen_s: float


class Feed:
    """One socket. `listen` runs it until the connection ends."""

    def __init__(self, url: str, account: Account, symbols: Sequence[str]) -> None:
        self._url = url
        self._account = account
        self._symbols = symbols
        self._forget()

    def _forget(self) -> None:
        self._state = ""
        self._seqs: dict[str, int] = {}
        self._books: dict[str, dict[str, dict[str, Decimal]]] = {}
        self._market_states: dict[str, str] = {}
        self.balances: dict[str, tuple[Decimal, Decimal]] = {}
        self.orders: dict[int, OwnOrder] = {}

    @property
    def is_whole(self) -> bool:
        """Whether every channel has been heard and the exchange says that it is live."""
        channels = {f"{kind}.{symbol}" for kind in ("book", "market") for symbol in self._symbols}
        return self._state == LIVE and not {*channels, *PRIVATE_CHANNELS} - self._seqs.keys()

    def best(self, symbol: str) -> Best | None:
        """Return the best of both sides of a market that trades; None if there is none."""
        book = self._books.get(symbol)
        if book is None or self._market_states.get(symbol) != "TRADING":
            return None
        bids, asks = book["bids"], book["asks"]
        if not bids or not asks:
            return None
        bid = max(bids, key=Decimal)
        ask = min(asks, key=Decimal)
        return Best(Decimal(bid), bids[bid], Decimal(ask), asks[ask])

    async def listen(self) -> None:
        """Connect and follow; ends only by an error, after which nothing is known any more."""
        try:
            async with connect(
                self._url,
                proxy=None,
                open_timeout=OPEN_TIMEOUT_S,
                max_size=MESSAGE_BYTES_MAX,
                max_queue=MESSAGES_MAX,
                compression=None,
            ) as socket:
                token = await self._log_in(socket)
                channels = [
                    f"{kind}.{symbol}" for kind in ("book", "market") for symbol in self._symbols
                ]
                await _send(socket, op="subscribe", channels=[*channels, *PRIVATE_CHANNELS])
                await self._follow(socket, token)
        finally:
            self._forget()

    async def _log_in(self, socket: ClientConnection, known_token: str = "") -> str:
        """Show the account's token, if it is another than the socket knows; returns it."""
        token = await self._account.token()
        if token != known_token:
            await _send(socket, op="auth", token=token)
        return token

    async def _follow(self, socket: ClientConnection, token: str) -> None:
        look_at_s = time.monotonic() + TOKEN_LOOK_S
        while True:
            async with asyncio.timeout(SILENCE_MAX_S):
                message = json.loads(await socket.recv())
            self.take(message)
            if time.monotonic() > look_at_s:
                token = await self._log_in(socket, token)
                look_at_s = time.monotonic() + TOKEN_LOOK_S

    def take(self, message: dict[str, Any]) -> None:
        """Take in one message. NotNowError if one was missed, or the socket refuses."""
        kind = message.get("type")
        if kind in ("welcome", "status", "heartbeat"):
            self._state = message["state"]
        elif kind in ("error", "auth_ended"):
            raise NotNowError(f"the socket said {message['error']['code']}")
        elif "channel" in message:
            channel = message["channel"]
            if kind != "snapshot" and message["prev_seq"] != self._seqs.get(channel):
                raise NotNowError(f"a message of {channel} was missed")
            self._seqs[channel] = message["seq"]
            self._take_of(*_parts(channel), message)

    def _take_of(self, kind: str, symbol: str, message: dict[str, Any]) -> None:
        is_snapshot = message["type"] == "snapshot"
        if kind == "book":
            if is_snapshot:
                self._books[symbol] = {"bids": {}, "asks": {}}
            self._take_levels(self._books[symbol], message)
        elif kind == "market":
            self._market_states[symbol] = message["state"]
        elif kind == "balances":
            if is_snapshot:
                self.balances.clear()
            for each in message["balances"]:
                self.balances[each["asset"]] = (
                    Decimal(each["available"]),
                    Decimal(each["locked"]),
                )
        elif kind == "orders":
            self._take_orders(message, is_snapshot=is_snapshot)
        elif kind == "fills" and not is_snapshot:
            FILLS.inc()

    @staticmethod
    def _take_levels(book: dict[str, dict[str, Decimal]], message: dict[str, Any]) -> None:
        for side, levels in book.items():
            for price, quantity in message[side]:
                if quantity == "0":
                    levels.pop(price, None)
                else:
                    levels[price] = Decimal(quantity)

    def _take_orders(self, message: dict[str, Any], *, is_snapshot: bool) -> None:
        if is_snapshot:
            self.orders.clear()
        for order in message["orders"] if is_snapshot else [message["order"]]:
            if order["status"] in _ENDED:
                self.orders.pop(order["order_id"], None)
            else:
                seen = OwnOrder(order["symbol"], time.monotonic())
                self.orders.setdefault(order["order_id"], seen)


def _parts(channel: str) -> tuple[str, str]:
    kind, _, symbol = channel.partition(".")
    return kind, symbol


async def _send(socket: ClientConnection, **request: Any) -> None:
    await socket.send(json.dumps(request))
