"""A real engine with one market, its books in a real database, and traders with tokens.

The books follow only when a test says so (`catch_up`), so a lag of any length can be had.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any, Final

import pytest
from django.conf import settings

from engine.client import SyncEngineClient
from engine.proto.records import MarketState
from tests.fixtures_database import DatabaseHandle
from tests.fixtures_engine import EngineFactory, EngineUnderTest
from tests.fixtures_servers import RedisHandle

SYMBOL: Final = "BTCUSDT"
BTC, USDT, MARKET = 1, 2, 1
UNIT: Final = 10**8


class Trader:
    """A login with an access token and, from the start, money in the engine."""

    def __init__(self, user_id: int, token: str) -> None:
        from django.test import Client

        self.user_id = user_id
        self.headers = {"Authorization": f"Bearer {token}"}
        self._client = Client(headers=self.headers)

    def get(self, path: str, **query: Any) -> Any:
        return self._client.get(f"/api/v1/{path}", query)

    def post(self, path: str, body: Any, **headers: str) -> Any:
        return self._client.post(
            f"/api/v1/{path}",
            body if isinstance(body, str) else json.dumps(body),
            content_type="application/json",
            headers={name.replace("_", "-"): value for name, value in headers.items()},
        )

    def delete(self, path: str, **headers: str) -> Any:
        return self._client.delete(f"/api/v1/{path}", headers=headers)

    def place(self, side: str, price: str | None, quantity: str, **more: Any) -> dict[str, Any]:
        """Place a LIMIT order (MARKET without a price) that must be accepted."""
        body = {"market": SYMBOL, "side": side, "type": "LIMIT", "quantity": quantity, **more}
        if price is None:
            body["type"] = "MARKET"
        else:
            body["price"] = price
        answer = self.post("orders", body)
        assert answer.status_code == 201, answer.content
        placed: dict[str, Any] = answer.json()
        return placed


class Exchange:
    """The engine, its books, and who trades."""

    def __init__(self, engine: EngineUnderTest, database: DatabaseHandle) -> None:
        self.process = engine
        self.engine = SyncEngineClient(engine.address, timeout_s=10.0)
        self.database = database
        self._mirrored = 0
        self._numbers = itertools.count(1)

    def open_market(self, symbol: str = SYMBOL, market_id: int = MARKET) -> None:
        """List both assets and a market: tick 0.01, lot 0.0001, maker 0.1 %, taker 0.15 %."""
        for asset_id, code in ((BTC, "BTC"), (USDT, "USDT")):
            self.engine.add_asset(asset_id=asset_id, code=code, decimals=8, max_total_atoms=2**62)
        self.engine.add_market(
            market_id=market_id,
            symbol=symbol,
            base_asset_id=BTC,
            quote_asset_id=USDT,
            tick_atoms=UNIT // 100,
            lot_atoms=UNIT // 10_000,
            maker_fee=1_000,
            taker_fee=1_500,
        )
        self.engine.set_market_filters(market_id=market_id, min_notional_atoms=5 * UNIT)

    def trader(self, *, btc: int = 10, usdt: int = 1_000_000) -> Trader:
        """A new login that the engine knows, with money."""
        trader = self.stranger()
        self.engine.add_user(user_id=trader.user_id)
        for asset_id, amount in ((BTC, btc), (USDT, usdt)):
            if amount:
                self.engine.deposit(
                    user_id=trader.user_id,
                    asset_id=asset_id,
                    amount_atoms=amount * UNIT,
                    business_id=next(self._numbers).to_bytes(16, "big"),
                )
        return trader

    def stranger(self, role: str = "trader") -> Trader:
        """A login that the engine does not know yet."""
        from apps.accounts.models import User
        from apps.accounts.tokens import tokens_issue

        name = f"trader{next(self._numbers)}@example.com"
        user = User.objects.create(username=name, email=name, role=role, is_staff=role != "trader")
        return Trader(user.pk, tokens_issue(user_id=user.pk, role=role).access_token)

    def catch_up(self) -> int:
        """Let the books have everything that happened; returns the newest event sequence."""
        from apps.mirror.books import Books, EventRun

        status = self.engine.get_status()
        if status.event_seq > self._mirrored:
            batches = self.engine.read_events(self._mirrored + 1, status.event_seq)
            with closing(Books(self.database.mirror_url)) as books:
                books.open()
                for batch in batches:
                    books.apply(EventRun(batch.epoch, batch.first_event_seq, batch.events))
            self._mirrored = status.event_seq
        return status.event_seq

    def history(self) -> list[tuple[int, int, int]]:
        """(type, reason, sequence) of all that happened, without the engine's own checkpoints."""
        from engine.client import iterate_events
        from engine.proto.records import EventType

        newest = self.engine.get_status().event_seq
        return [
            (header.type, header.reason, header.event_seq)
            for batch in self.engine.read_events(1, newest)
            for header, _ in iterate_events(batch.events)
            if header.type not in (EventType.CHECKPOINT, EventType.CHECKPOINT_ASSET)
        ]

    def set_state(self, state: MarketState) -> None:
        """Halt, resume or make cancel-only."""
        self.engine.set_market_state(market_id=MARKET, state=state)


@pytest.fixture
def exchange(
    django_database: DatabaseHandle,
    engine_process: EngineFactory,
    redis_server: RedisHandle,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Exchange]:
    """An exchange with the market BTCUSDT and nobody in it; the books know the market."""
    from apps.core.engine_gateway import engine_client
    from apps.markets.listed import listing_forget

    engine = engine_process()
    monkeypatch.setattr(settings, "ENGINE_ADDRESS", engine.address)
    monkeypatch.setattr(settings, "REDIS_URL", redis_server.url)
    listing_forget()
    made = Exchange(engine, django_database)
    made.open_market()
    made.catch_up()
    yield made
    made.engine.close()
    engine_client().close()
