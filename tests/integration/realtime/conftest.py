"""An engine, its relay, a stream and an edge that serves sockets, for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.fixtures_engine import EngineFactory
from tests.integration.realtime.support import Exchange, exchange_started
from tests.integration.relay.conftest import OwnNats, own_nats
from tests.integration.relay.support import relay_running

__all__ = ["own_nats"]


@pytest.fixture
def spine(own_nats: OwnNats, engine_process: EngineFactory) -> Iterator[tuple[str, str]]:
    """NATS url and engine address, with a relay between them."""
    engine = engine_process()
    with relay_running(engine.data_dir, own_nats.url, "--engine", engine.address) as relay:
        relay.wait_ready()
        yield own_nats.url, engine.address


@pytest.fixture
async def exchange(spine: tuple[str, str]) -> AsyncIterator[Exchange]:
    """Two assets, one market, three funded users, and an edge."""
    async with exchange_started(*spine) as started:
        yield started
