"""The engine for programs without an event loop: management commands, WSGI requests.

A thread of its own runs one `EngineClient` and its shared stream, so concurrent requests of a
process still go out together. Invariant: the thread and its channel are made at the first call and
never cross a fork.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import CancelledError
from functools import wraps
from typing import Concatenate, Final, ParamSpec, TypeVar

from engine.client.access import Access
from engine.client.aio import EngineClient
from engine.client.connection import TIMEOUT_DEFAULT_S
from engine.client.errors import OutcomeUnknown
from engine.client.types import EventBatch

CLOSE_TIMEOUT_S: Final = 5.0
P = ParamSpec("P")
T = TypeVar("T")


def _blocking(
    method: Callable[Concatenate[EngineClient, P], Awaitable[T]],
) -> Callable[Concatenate[SyncEngineClient, P], T]:
    """The same method, which returns when it is done."""

    @wraps(method)
    def run(self: SyncEngineClient, /, *arguments: P.args, **named: P.kwargs) -> T:
        return self.call(lambda engine: method(engine, *arguments, **named))

    return run


class SyncEngineClient:
    """The methods of `EngineClient`, blocking. Safe to share between threads."""

    def __init__(
        self, address: str, *, timeout_s: float = TIMEOUT_DEFAULT_S, access: Access | None = None
    ) -> None:
        self._access = access
        self._address = address
        self._timeout_s = timeout_s
        self._guard = threading.Lock()
        self._pid = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._client: EngineClient | None = None

    def __enter__(self) -> SyncEngineClient:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    wait_ready = _blocking(EngineClient.wait_ready)
    submit = _blocking(EngineClient.submit)
    place = _blocking(EngineClient.place)
    cancel = _blocking(EngineClient.cancel)
    reduce = _blocking(EngineClient.reduce)
    move = _blocking(EngineClient.move)

    add_asset = _blocking(EngineClient.add_asset)
    add_market = _blocking(EngineClient.add_market)
    set_market_filters = _blocking(EngineClient.set_market_filters)
    set_market_fees = _blocking(EngineClient.set_market_fees)
    set_market_state = _blocking(EngineClient.set_market_state)
    add_user = _blocking(EngineClient.add_user)
    set_user_status = _blocking(EngineClient.set_user_status)
    deposit = _blocking(EngineClient.deposit)
    withdraw = _blocking(EngineClient.withdraw)
    adjust = _blocking(EngineClient.adjust)
    force_cancel = _blocking(EngineClient.force_cancel)
    submit_order = _blocking(EngineClient.submit_order)
    amend = _blocking(EngineClient.amend)
    cancel_all = _blocking(EngineClient.cancel_all)
    quote = _blocking(EngineClient.quote)
    set_deadman = _blocking(EngineClient.set_deadman)
    set_session = _blocking(EngineClient.set_session)
    replace = _blocking(EngineClient.replace)
    place_list = _blocking(EngineClient.place_list)
    force_cancel_all = _blocking(EngineClient.force_cancel_all)
    set_user_fees = _blocking(EngineClient.set_user_fees)
    clear_user_fees = _blocking(EngineClient.clear_user_fees)
    set_market_limits = _blocking(EngineClient.set_market_limits)
    set_market_bands = _blocking(EngineClient.set_market_bands)
    set_kill_switch = _blocking(EngineClient.set_kill_switch)
    set_trade_group = _blocking(EngineClient.set_trade_group)
    transfer = _blocking(EngineClient.transfer)
    hold = _blocking(EngineClient.hold)
    settle_hold = _blocking(EngineClient.settle_hold)
    release_hold = _blocking(EngineClient.release_hold)

    get_status = _blocking(EngineClient.get_status)
    list_assets = _blocking(EngineClient.list_assets)
    list_markets = _blocking(EngineClient.list_markets)
    get_balances = _blocking(EngineClient.get_balances)
    dump_balances = _blocking(EngineClient.dump_balances)
    get_order = _blocking(EngineClient.get_order)
    list_open_orders = _blocking(EngineClient.list_open_orders)
    list_holds = _blocking(EngineClient.list_holds)
    get_book = _blocking(EngineClient.get_book)
    get_totals = _blocking(EngineClient.get_totals)
    get_state_hash = _blocking(EngineClient.get_state_hash)
    greet = _blocking(EngineClient.greet)
    get_tickers = _blocking(EngineClient.get_tickers)
    get_klines = _blocking(EngineClient.get_klines)

    def read_events(self, first_event_seq: int, last_event_seq: int) -> list[EventBatch]:
        """Events first..last inclusive, in batches. LookupError beyond the durable sequence."""
        return self.call(lambda engine: _collect(engine, first_event_seq, last_event_seq))

    def call(self, ask: Callable[[EngineClient], Awaitable[T]]) -> T:
        """Run anything on the asynchronous client and return what it returns.

        OutcomeUnknown if the client is closed meanwhile.
        """
        asked = asyncio.run_coroutine_threadsafe(self._ask(ask), self._running_loop())
        try:
            return asked.result()
        except CancelledError:
            raise OutcomeUnknown("the client was closed before the answer came") from None

    async def _ask(self, ask: Callable[[EngineClient], Awaitable[T]]) -> T:
        if self._client is None:
            self._client = EngineClient(
                self._address, timeout_s=self._timeout_s, access=self._access
            )
        return await ask(self._client)

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        with self._guard:
            if self._loop is None or self._pid != os.getpid():
                self._pid = os.getpid()
                self._client = None
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=self._loop.run_forever, name="engine-client", daemon=True
                )
                self._thread.start()
            return self._loop

    def close(self) -> None:
        """Close the connection and end the thread."""
        with self._guard:
            loop, thread, client = self._loop, self._thread, self._client
            self._loop = self._thread = self._client = None
        if loop is None or thread is None or self._pid != os.getpid():
            return
        asyncio.run_coroutine_threadsafe(_wind_up(client), loop).result(CLOSE_TIMEOUT_S)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(CLOSE_TIMEOUT_S)
        loop.close()


async def _wind_up(client: EngineClient | None) -> None:
    """Close the client and end every task of this loop, so that nobody waits for ever."""
    if client is not None:
        await client.close()
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)


async def _collect(engine: EngineClient, first: int, last: int) -> list[EventBatch]:
    return [batch async for batch in engine.read_events(first, last)]
