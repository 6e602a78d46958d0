"""Relay and engine together: the greeting, restarts under load, and an engine on an old journal."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

from engine.client import EngineClient
from engine.proto.records import INT64_MAX
from engine.relay.errors import StaleRelayError
from engine.relay.progress import Anchor, save_progress
from engine.service.errors import ExitCode
from tests.fixtures_engine import EngineFactory, EngineUnderTest
from tests.integration.relay.conftest import OwnNats
from tests.integration.relay.support import journal_events, relay_running, stream_batches
from tests.integration.relay.test_publishing import assert_chained, wait_published

QUICK = ("--settle-s", "2")
USER_ID, ASSET_ID = 7, 1
DEPOSITS = 50


def deposit(engine: EngineUnderTest, first: int, count: int = DEPOSITS) -> int:
    """Make deposits numbered from `first` on and return the engine's last event."""

    async def work() -> int:
        async with EngineClient(engine.address) as client:
            await client.wait_ready(20)
            await client.add_asset(
                asset_id=ASSET_ID, code="BTC", decimals=8, max_total_atoms=INT64_MAX
            )
            await client.add_user(user_id=USER_ID)
            for number in range(first, first + count):
                await client.deposit(
                    user_id=USER_ID,
                    asset_id=ASSET_ID,
                    amount_atoms=number,
                    business_id=number.to_bytes(16, "big"),
                )
            return (await client.get_status()).event_seq

    return asyncio.run(work())


def test_the_relay_greets_the_engine_at_every_start_and_is_then_known_to_it(
    own_nats: OwnNats, engine_process: EngineFactory
) -> None:
    engine = engine_process()
    listen = engine.address
    with relay_running(engine.data_dir, own_nats.url, "--engine", listen) as relay:
        first = engine.wait_for_log("peer_greeted")
        assert (first["peer"], first["event_seq"]) == ("relay", 0)
        last = deposit(engine, 1)
        wait_published(relay, last)
        engine.kill()
        second = engine_process("--listen", listen, "--peer-wait", "60", wait_ready=False)
        greeting = second.wait_for_log("peer_greeted")
        assert (greeting["peer"], greeting["event_seq"]) == ("relay", last)
        assert second.wait_for_log("ready")["epoch"] == 2


def test_the_stream_is_the_journal_after_the_engine_was_killed_ten_times_under_load(
    own_nats: OwnNats, engine_process: EngineFactory
) -> None:
    engine = engine_process()
    listen, data_dir = engine.address, engine.data_dir
    with relay_running(data_dir, own_nats.url, "--engine", listen) as relay:
        for kill in range(10):
            deposit(engine, 1 + kill * DEPOSITS)
            engine.kill()
            engine = engine_process("--listen", listen)
        wait_published(relay, deposit(engine, 1 + 10 * DEPOSITS))
        assert engine.stop() == 0
        assert relay.stop() == 0
    batches = stream_batches(own_nats.url)
    assert_chained(batches)
    assert b"".join(batch.events for batch in batches) == journal_events(data_dir)
    assert sorted({batch.epoch for batch in batches}) == list(range(1, 12))


def test_an_engine_on_an_old_journal_is_stopped_by_what_the_stream_knows(
    own_nats: OwnNats, engine_process: EngineFactory, tmp_path: Path
) -> None:
    engine = engine_process()
    deposit(engine, 1)
    assert engine.stop() == 0
    old = tmp_path / "old"
    shutil.copytree(engine.data_dir, old)
    newer = engine_process(data_dir=engine.data_dir)
    last = deposit(newer, 1 + DEPOSITS)
    with relay_running(newer.data_dir, own_nats.url) as relay:
        wait_published(relay, last)
    stale = engine_process(data_dir=old)
    with relay_running(old, own_nats.url, "--engine", stale.address, *QUICK) as relay:
        assert stale.wait() == ExitCode.PEER_AHEAD
        assert relay.exit_code() == StaleRelayError.exit_code
    assert stream_batches(own_nats.url)[-1].last_event_seq >= last


def test_a_wrong_note_of_the_relay_does_not_stop_the_engine(
    own_nats: OwnNats, engine_process: EngineFactory
) -> None:
    engine = engine_process()
    last = deposit(engine, 1)
    save_progress(engine.data_dir, Anchor(10**9, b"x" * 32))
    with relay_running(engine.data_dir, own_nats.url, "--engine", engine.address) as relay:
        wait_published(relay, last)
        engine.wait_for_log("peer_greeted")
    assert engine.process.poll() is None
