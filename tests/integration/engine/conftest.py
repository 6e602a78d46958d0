"""One engine with a market, and a client of it, for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from engine.client import EngineClient
from tests.fixtures_engine import EngineFactory, EngineUnderTest
from tests.integration.engine.support import set_up


@pytest.fixture
def engine(engine_process: EngineFactory) -> EngineUnderTest:
    return engine_process()


@pytest.fixture
async def client(engine: EngineUnderTest) -> AsyncIterator[EngineClient]:
    async with EngineClient(engine.address) as client:
        await client.wait_ready(10)
        await set_up(client)
        yield client
