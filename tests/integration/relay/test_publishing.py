"""What the relay puts into the stream: all events, in order, once, chained and addressed."""

from __future__ import annotations

import shutil
from pathlib import Path

from nats.js.api import DiscardPolicy, RetentionPolicy, StorageType

from engine.proto.stream import (
    BATCH_EVENTS_MAX,
    CHAIN_GENESIS,
    STREAM_NAME,
    STREAM_SUBJECT,
    StreamBatch,
    chain_extend,
)
from engine.relay.stream import DUPLICATE_WINDOW_S, STREAM_BYTES_DEFAULT
from tests.integration.relay.conftest import OwnNats
from tests.integration.relay.support import (
    EngineStandIn,
    RelayProcess,
    journal_events,
    relay_running,
    stream_batches,
    stream_messages,
    with_stream,
)


def wait_published(relay: RelayProcess, event_seq: int) -> None:
    """Wait until the stream has confirmed everything up to an event."""
    relay.wait_until(
        lambda: relay.metric("relay_published_event_seq") >= event_seq, f"event {event_seq}"
    )


def assert_chained(batches: list[StreamBatch]) -> None:
    """Assert that the batches are dense from 1 and that each states the chain's head."""
    chain, event_seq = CHAIN_GENESIS, 0
    for batch in batches:
        assert batch.first_event_seq == event_seq + 1
        chain = chain_extend(chain, batch.events)
        assert batch.chain == chain
        event_seq = batch.last_event_seq


def test_the_stream_holds_the_journal_in_order_with_the_chain_in_full_batches(
    own_nats: OwnNats, engine_dir: EngineStandIn
) -> None:
    engine_dir.deposit(5_000, batch_size=7)
    with relay_running(engine_dir.data_dir, own_nats.url) as relay:
        wait_published(relay, engine_dir.event_seq)
    messages = stream_messages(own_nats.url)
    batches = [batch for batch, _ in messages]
    assert b"".join(batch.events for batch in batches) == journal_events(engine_dir.data_dir)
    assert_chained(batches)
    assert [len(batch.events) // 128 for batch in batches] == [480] * 10 + [202]
    assert BATCH_EVENTS_MAX == 480


def test_each_message_names_its_events_and_the_stream_sequence_it_follows(
    own_nats: OwnNats, engine_dir: EngineStandIn
) -> None:
    engine_dir.deposit(1_000)
    with relay_running(engine_dir.data_dir, own_nats.url) as relay:
        wait_published(relay, engine_dir.event_seq)
    headers = [
        (stated["Nats-Msg-Id"], stated["Nats-Expected-Last-Sequence"])
        for _, stated in stream_messages(own_nats.url)
    ]
    assert headers == [("1-1-480", "0"), ("1-481-960", "1"), ("1-961-1002", "2")]


def test_no_message_holds_events_of_two_epochs(
    own_nats: OwnNats, engine_dir: EngineStandIn
) -> None:
    engine_dir.deposit(100)
    engine_dir.close()
    second = EngineStandIn(engine_dir.data_dir)
    second.deposit(50)
    with relay_running(engine_dir.data_dir, own_nats.url) as relay:
        wait_published(relay, second.event_seq)
    second.close()
    batches = stream_batches(own_nats.url)
    assert [(b.epoch, b.first_event_seq, b.last_event_seq) for b in batches] == [
        (1, 1, 102),
        (2, 103, 152),
    ]


def test_a_running_relay_goes_on_after_the_engine_has_restarted(
    own_nats: OwnNats, engine_dir: EngineStandIn
) -> None:
    engine_dir.deposit(10)
    with relay_running(engine_dir.data_dir, own_nats.url) as relay:
        wait_published(relay, 12)
        engine_dir.close()
        second = EngineStandIn(engine_dir.data_dir)
        second.deposit(10)
        wait_published(relay, 22)
        second.close()
    batches = stream_batches(own_nats.url)
    assert batches[-1].epoch == 2
    assert_chained(batches)


def test_the_stream_is_made_durable_bounded_and_append_only(
    own_nats: OwnNats, engine_dir: EngineStandIn
) -> None:
    with relay_running(engine_dir.data_dir, own_nats.url) as relay:
        relay.wait_ready()
        config = with_stream(own_nats.url, lambda js: js.stream_info(STREAM_NAME)).config
    assert config.subjects == [STREAM_SUBJECT]
    assert config.storage == StorageType.FILE
    assert config.retention == RetentionPolicy.LIMITS
    assert config.discard == DiscardPolicy.OLD
    assert config.max_bytes == STREAM_BYTES_DEFAULT
    assert config.duplicate_window == DUPLICATE_WINDOW_S
    assert (config.deny_delete, config.deny_purge) == (True, True)


def test_two_relays_of_one_history_racing_leave_each_event_in_the_stream_once(
    own_nats: OwnNats, engine_dir: EngineStandIn, tmp_path: Path
) -> None:
    engine_dir.deposit(20_000, batch_size=1_000)
    copy = tmp_path / "copy"
    shutil.copytree(engine_dir.data_dir, copy)
    with (
        relay_running(engine_dir.data_dir, own_nats.url) as one,
        relay_running(copy, own_nats.url) as other,
    ):
        wait_published(one, engine_dir.event_seq)
        wait_published(other, engine_dir.event_seq)
    batches = stream_batches(own_nats.url)
    assert b"".join(batch.events for batch in batches) == journal_events(engine_dir.data_dir)


def test_a_stream_that_was_lost_is_filled_again_from_the_first_event(
    own_nats: OwnNats, engine_dir: EngineStandIn
) -> None:
    engine_dir.deposit(1_000)
    with relay_running(engine_dir.data_dir, own_nats.url) as relay:
        wait_published(relay, engine_dir.event_seq)
        with_stream(own_nats.url, lambda js: js.delete_stream(STREAM_NAME))
        engine_dir.deposit(10)
        relay.wait_until(lambda: "session_lost" in relay.log(), "the loss to be seen")
        wait_published(relay, engine_dir.event_seq)
    batches = stream_batches(own_nats.url)
    assert b"".join(batch.events for batch in batches) == journal_events(engine_dir.data_dir)
