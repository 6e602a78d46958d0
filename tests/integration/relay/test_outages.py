"""Kills and outages: nothing is lost, nothing doubled, and the lag can be seen."""

from __future__ import annotations

import random
import time

import pytest

from tests.integration.relay.conftest import OwnNats
from tests.integration.relay.support import (
    EngineStandIn,
    RelayProcess,
    journal_events,
    relay_running,
    stream_batches,
)
from tests.integration.relay.test_publishing import assert_chained, wait_published

KILLS = 10
SEED = 20_260_101


def assert_stream_equals_journal(url: str, engine: EngineStandIn) -> None:
    """Assert that the stream is the journal, event for event, each once."""
    batches = stream_batches(url)
    assert_chained(batches)
    assert b"".join(batch.events for batch in batches) == journal_events(engine.data_dir)


def wait_for_progress(relay: RelayProcess) -> None:
    """Wait until the stream confirms something more."""
    before = relay.metric("relay_published_event_seq")
    relay.wait_until(lambda: relay.metric("relay_published_event_seq") > before, "progress")


def test_the_stream_is_the_journal_after_the_relay_was_killed_ten_times_under_load(
    own_nats: OwnNats, engine_dir: EngineStandIn
) -> None:
    rng = random.Random(SEED)
    with engine_dir.depositing(batch_size=20, pause_s=0.002):
        for _ in range(KILLS):
            relay = RelayProcess(engine_dir.data_dir, own_nats.url)
            relay.wait_until(relay.is_alive, "relay started")
            time.sleep(rng.uniform(0, 0.3))
            relay.kill()
    with relay_running(engine_dir.data_dir, own_nats.url) as relay:
        wait_published(relay, engine_dir.event_seq)
    assert_stream_equals_journal(own_nats.url, engine_dir)


def test_the_stream_is_the_journal_after_nats_was_killed_ten_times_under_load(
    own_nats: OwnNats, engine_dir: EngineStandIn
) -> None:
    rng = random.Random(SEED)
    with relay_running(engine_dir.data_dir, own_nats.url) as relay:
        with engine_dir.depositing(batch_size=20, pause_s=0.002):
            for _ in range(KILLS):
                time.sleep(rng.uniform(0.05, 0.4))
                own_nats.process.kill()
                time.sleep(rng.uniform(0, 0.2))
                own_nats.process.start()
                wait_for_progress(relay)
        wait_published(relay, engine_dir.event_seq)
    assert_stream_equals_journal(own_nats.url, engine_dir)


def test_an_outage_of_nats_stops_nothing_and_shows_as_lag_until_it_is_over(
    own_nats: OwnNats, engine_dir: EngineStandIn
) -> None:
    with relay_running(engine_dir.data_dir, own_nats.url) as relay:
        wait_published(relay, engine_dir.event_seq)
        relay.wait_ready()
        own_nats.process.kill()
        relay.wait_until(lambda: relay.get("/readyz")[0] == 503, "not ready")
        engine_dir.deposit(500)
        relay.wait_until(lambda: relay.metric("relay_lag_events") == 500, "lag in events")
        relay.wait_until(lambda: relay.metric("relay_lag_seconds") > 0.5, "lag in seconds")
        assert relay.metric("relay_connected") == 0
        assert relay.get("/readyz")[1].startswith("relay cannot publish: ")
        assert relay.get("/healthz")[0] == 200
        own_nats.process.start()
        wait_published(relay, engine_dir.event_seq)
        relay.wait_until(lambda: relay.metric("relay_lag_seconds") == 0, "no lag")
        relay.wait_ready()
    assert_stream_equals_journal(own_nats.url, engine_dir)


def test_a_relay_that_starts_before_nats_waits_for_it(
    own_nats: OwnNats, engine_dir: EngineStandIn
) -> None:
    own_nats.process.kill()
    with relay_running(engine_dir.data_dir, own_nats.url) as relay:
        relay.wait_until(lambda: relay.get("/readyz")[0] == 503, "not ready")
        own_nats.process.start()
        wait_published(relay, engine_dir.event_seq)


def test_a_relay_that_starts_before_the_engine_waits_for_its_journal(
    own_nats: OwnNats, tmp_path_factory: pytest.TempPathFactory
) -> None:
    directory = tmp_path_factory.mktemp("later") / "engine"
    with relay_running(directory, own_nats.url) as relay:
        answer = (503, "relay cannot publish: the engine has written nothing yet\n")
        relay.wait_until(lambda: relay.get("/readyz") == answer, "the reason")
        engine = EngineStandIn(directory)
        wait_published(relay, engine.event_seq)
        engine.close()


def test_a_lag_beyond_the_limit_makes_the_relay_not_ready(
    own_nats: OwnNats, engine_dir: EngineStandIn
) -> None:
    with relay_running(engine_dir.data_dir, own_nats.url, "--ready-lag-s", "0") as relay:
        wait_published(relay, engine_dir.event_seq)
        relay.wait_ready()
        with engine_dir.depositing(batch_size=200, pause_s=0.0):
            relay.wait_until(
                lambda: " s behind, expected at most 0 s" in relay.get("/readyz")[1], "the reason"
            )


def test_sigterm_ends_the_relay_cleanly_with_everything_confirmed(
    own_nats: OwnNats, engine_dir: EngineStandIn
) -> None:
    engine_dir.deposit(300)
    with relay_running(engine_dir.data_dir, own_nats.url) as relay:
        wait_published(relay, engine_dir.event_seq)
        assert relay.stop() == 0
        assert (engine_dir.data_dir / "relay.progress").stat().st_size == 52
        assert "Traceback" not in relay.log()


def test_sigterm_ends_a_relay_that_waits_for_nats(
    own_nats: OwnNats, engine_dir: EngineStandIn
) -> None:
    own_nats.process.kill()
    with relay_running(engine_dir.data_dir, own_nats.url) as relay:
        relay.wait_until(lambda: "session_lost" in relay.log(), "trouble")
        assert relay.stop() == 0
