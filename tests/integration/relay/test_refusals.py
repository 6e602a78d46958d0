"""When the relay must not publish: each case has a named error and an exit code of its own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from nats.js.api import StreamConfig

from engine.proto.stream import (
    STREAM_NAME,
    STREAM_SUBJECT,
    StreamBatch,
    chain_extend,
    pack_batch,
)
from engine.relay.errors import (
    AlreadyRunningError,
    ForeignStreamError,
    JournalDamagedError,
    StaleRelayError,
    StreamConfigError,
)
from engine.relay.progress import PROGRESS_FILE, Anchor, load_progress, save_progress
from tests.integration.relay.conftest import OwnNats
from tests.integration.relay.support import (
    EngineStandIn,
    journal_events,
    relay_running,
    stream_batches,
    stream_messages,
    with_stream,
)
from tests.integration.relay.test_publishing import wait_published

QUICK = ("--settle-s", "0.3")


def publish_all(engine: EngineStandIn, url: str) -> None:
    """Bring the stream up to the journal and stop the relay."""
    with relay_running(engine.data_dir, url) as relay:
        wait_published(relay, engine.event_seq)
        assert relay.stop() == 0


def publish_raw(url: str, payload: bytes) -> None:
    """Publish behind the relay's back."""
    with_stream(url, lambda js: js.publish(STREAM_SUBJECT, payload))


def test_a_stale_relay_whose_stream_went_on_in_a_newer_epoch_is_refused(
    own_nats: OwnNats, engine_dir: EngineStandIn, tmp_path: Path
) -> None:
    engine_dir.deposit(10)
    engine_dir.close()
    stale = tmp_path / "stale"
    shutil.copytree(engine_dir.data_dir, stale)
    newer = EngineStandIn(engine_dir.data_dir)
    newer.deposit(10)
    publish_all(newer, own_nats.url)
    with relay_running(stale, own_nats.url, *QUICK) as relay:
        assert relay.exit_code() == StaleRelayError.exit_code
        assert "stale relay: another, newer engine and relay own the stream" in relay.log()
        assert "event 22 of epoch 2, this journal is durable to event 12 of epoch 1" in relay.log()
    newer.close()
    assert stream_batches(own_nats.url)[-1].last_event_seq == 22


def test_a_stale_relay_is_refused_although_its_journal_is_longer(
    own_nats: OwnNats, engine_dir: EngineStandIn, tmp_path: Path
) -> None:
    engine_dir.deposit(100)
    engine_dir.close()
    stale = tmp_path / "stale"
    shutil.copytree(engine_dir.data_dir, stale)
    newer = EngineStandIn(engine_dir.data_dir)
    newer.deposit(1)
    publish_all(newer, own_nats.url)
    newer.close()
    shutil.copy(engine_dir.data_dir / "epoch", tmp_path / "epoch")
    longer = EngineStandIn(stale)  # epoch 2 as well, but another history
    longer.deposit(50)
    with relay_running(stale, own_nats.url, *QUICK) as relay:
        assert relay.exit_code() == ForeignStreamError.exit_code
    longer.close()
    assert stream_batches(own_nats.url)[-1].last_event_seq == 103


def test_a_running_relay_is_refused_once_a_newer_one_has_published(
    own_nats: OwnNats, engine_dir: EngineStandIn, tmp_path: Path
) -> None:
    engine_dir.deposit(10)
    copy = tmp_path / "restored"
    shutil.copytree(engine_dir.data_dir, copy)
    with relay_running(engine_dir.data_dir, own_nats.url, *QUICK) as old:
        wait_published(old, 12)
        newer = EngineStandIn(copy)
        newer.deposit(30)
        publish_all(newer, own_nats.url)
        newer.close()
        engine_dir.deposit(5)
        assert old.exit_code() == StaleRelayError.exit_code
    assert stream_batches(own_nats.url)[-1].last_event_seq == 42


@pytest.mark.parametrize(
    "payload", [b"", b"not a batch", b"QTE1" + bytes(60)], ids=["empty", "text", "torn"]
)
def test_a_last_message_that_is_no_batch_is_refused(
    own_nats: OwnNats, engine_dir: EngineStandIn, payload: bytes
) -> None:
    publish_all(engine_dir, own_nats.url)
    publish_raw(own_nats.url, payload)
    with relay_running(engine_dir.data_dir, own_nats.url, *QUICK) as relay:
        assert relay.exit_code() == ForeignStreamError.exit_code
        assert "message 2 of stream QT_EVENTS is no batch of events" in relay.log()


def test_a_last_message_with_another_chain_is_refused_and_nothing_is_published(
    own_nats: OwnNats, engine_dir: EngineStandIn
) -> None:
    publish_all(engine_dir, own_nats.url)
    engine_dir.deposit(1)
    events = journal_events(engine_dir.data_dir)[-128:]
    forged = StreamBatch(1, 3, 3, chain_extend(bytes(32), events), events)
    publish_raw(own_nats.url, pack_batch(forged))
    engine_dir.deposit(100)
    with relay_running(engine_dir.data_dir, own_nats.url, *QUICK) as relay:
        assert relay.exit_code() == ForeignStreamError.exit_code
        assert f"chain {forged.chain.hex()}" in relay.log()
    assert len(stream_messages(own_nats.url)) == 2


def test_a_foreign_message_stops_a_running_relay(
    own_nats: OwnNats, engine_dir: EngineStandIn
) -> None:
    with relay_running(engine_dir.data_dir, own_nats.url, *QUICK) as relay:
        wait_published(relay, engine_dir.event_seq)
        publish_raw(own_nats.url, b"somebody else")
        engine_dir.deposit(1)
        assert relay.exit_code() == ForeignStreamError.exit_code
    assert relay.log().count("wrong_last_sequence") == 1


def test_a_progress_note_that_is_damaged_is_recomputed_from_the_first_event(
    own_nats: OwnNats, engine_dir: EngineStandIn
) -> None:
    engine_dir.deposit(2_000)
    publish_all(engine_dir, own_nats.url)
    note = engine_dir.data_dir / PROGRESS_FILE
    whole = note.read_bytes()
    right = load_progress(engine_dir.data_dir)
    for damaged in (b"", whole[:-1], bytes([whole[20] ^ 1]).join([whole[:20], whole[21:]])):
        note.write_bytes(damaged)
        engine_dir.deposit(10)
        publish_all(engine_dir, own_nats.url)
        right = load_progress(engine_dir.data_dir)
        assert right is not None
        assert right.event_seq == engine_dir.event_seq
    note.unlink()
    publish_all(engine_dir, own_nats.url)
    assert load_progress(engine_dir.data_dir) == right
    batches = stream_batches(own_nats.url)
    assert b"".join(batch.events for batch in batches) == journal_events(engine_dir.data_dir)
    assert right is not None
    assert batches[-1].chain == right.chain


@pytest.mark.parametrize("event_seq", [100, 10**9])
def test_a_progress_note_that_is_whole_but_wrong_cannot_mislead(
    own_nats: OwnNats, engine_dir: EngineStandIn, event_seq: int
) -> None:
    engine_dir.deposit(500)
    publish_all(engine_dir, own_nats.url)
    save_progress(engine_dir.data_dir, Anchor(event_seq, b"x" * 32))
    engine_dir.deposit(500)
    publish_all(engine_dir, own_nats.url)
    batches = stream_batches(own_nats.url)
    assert b"".join(batch.events for batch in batches) == journal_events(engine_dir.data_dir)


def test_a_second_relay_on_one_directory_is_refused(
    own_nats: OwnNats, engine_dir: EngineStandIn
) -> None:
    with relay_running(engine_dir.data_dir, own_nats.url) as first:
        first.wait_ready()
        with relay_running(engine_dir.data_dir, own_nats.url) as second:
            assert second.exit_code() == AlreadyRunningError.exit_code
        assert first.process.poll() is None


def test_a_stream_that_could_lose_events_is_refused(
    own_nats: OwnNats, engine_dir: EngineStandIn
) -> None:
    loose = StreamConfig(name=STREAM_NAME, subjects=[STREAM_SUBJECT], max_bytes=1 << 20)
    with_stream(own_nats.url, lambda js: js.add_stream(loose))
    with relay_running(engine_dir.data_dir, own_nats.url) as relay:
        assert relay.exit_code() == StreamConfigError.exit_code
        assert "has deny_delete False, expected True" in relay.log()


def test_a_journal_damaged_where_it_is_durable_is_refused(
    own_nats: OwnNats, engine_dir: EngineStandIn
) -> None:
    engine_dir.deposit(300)
    segment = sorted((engine_dir.data_dir / "journal").glob("*.seg"))[0]
    content = bytearray(segment.read_bytes())
    content[5_000] ^= 1
    segment.write_bytes(content)
    with relay_running(engine_dir.data_dir, own_nats.url) as relay:
        assert relay.exit_code() == JournalDamagedError.exit_code
        assert f"{segment} at byte" in relay.log()
