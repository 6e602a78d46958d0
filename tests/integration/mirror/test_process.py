"""The mirror process on a real stream: killed, fenced, halted, cut off from what it needs."""

from __future__ import annotations

import random
import time

import psycopg

from engine.proto.records import RECORD_BYTES, CommandType
from engine.proto.stream import pack_batch
from tests.engine_events import BTC, EngineScript, batches
from tests.fixtures_database import DatabaseHandle
from tests.fixtures_servers import PostgresHandle
from tests.integration.mirror.books_support import one, verified
from tests.integration.mirror.conftest import OwnNats, StartChild
from tests.integration.mirror.support import cursor_of, publish, wait_for_event, wait_for_halt

KILLS = 10


def test_the_stream_is_booked_and_the_process_stops_cleanly(
    database: DatabaseHandle, own_nats: OwnNats, start_mirror: StartChild
) -> None:
    script = EngineScript().prepare().run(500)
    count = len(script.events) // RECORD_BYTES
    publish(own_nats.url, batches(script.events, size=37))
    mirror = start_mirror()
    wait_for_event(database, count)
    assert mirror.wait_for_page(200) == "ready"
    assert mirror.page("/healthz") == (200, "alive")
    metrics = mirror.page("/metrics")[1]
    assert f"qt_mirror_events_total {float(count)}" in metrics
    assert "qt_mirror_halted 0.0" in metrics
    assert mirror.stop() == 0
    verified(database)


def test_trap_6_a_mirror_killed_again_and_again_books_every_event_once(
    database: DatabaseHandle, own_nats: OwnNats, start_mirror: StartChild
) -> None:
    script = EngineScript().prepare().run(6_000, checkpoint_every=500)
    count = len(script.events) // RECORD_BYTES
    publish(own_nats.url, batches(script.events, size=20))
    chance = random.Random(7)
    kills = 0
    while kills < KILLS:
        before = cursor_of(database)[0]
        mirror = start_mirror()
        deadline = time.monotonic() + 30
        while cursor_of(database)[0] == before < count and time.monotonic() < deadline:
            time.sleep(0.002)
        time.sleep(chance.random() * 0.2)
        mirror.kill()
        kills += 1
    start_mirror()
    wait_for_event(database, count)
    verified(database)


def test_a_second_mirror_ends_with_a_named_error(
    database: DatabaseHandle, own_nats: OwnNats, start_mirror: StartChild
) -> None:
    script = EngineScript().prepare().run(200)
    publish(own_nats.url, [])
    mirrors = [start_mirror(), start_mirror()]
    for mirror in mirrors:
        mirror.wait_for_page(200)
    publish(own_nats.url, batches(script.events, size=5))
    wait_for_event(database, len(script.events) // RECORD_BYTES)
    deadline = time.monotonic() + 20
    while all(each.process.poll() is None for each in mirrors) and time.monotonic() < deadline:
        time.sleep(0.05)
    (ended,) = (each for each in mirrors if each.process.poll() is not None)
    assert ended.wait() == 1
    assert "MirrorFencedError: the cursor mirror.books is no longer at event" in (
        ended.log.read_text()
    )
    verified(database)


def _chain(script: EngineScript, size: int) -> bytes:
    return batches(script.events[:size])[-1].chain


def test_a_checkpoint_that_differs_halts_the_mirror_and_everybody_is_told(
    database: DatabaseHandle, own_nats: OwnNats, start_mirror: StartChild
) -> None:
    script = EngineScript().prepare(users=2)
    script.checkpoint()
    count = len(script.events) // RECORD_BYTES
    publish(own_nats.url, batches(script.events))
    mirror = start_mirror()
    wait_for_event(database, count)
    with psycopg.connect(database.superuser_url) as connection:
        connection.execute("UPDATE ledger_balance SET total = total + 1, available = available + 1")
    chain, done = _chain(script, len(script.events)), len(script.events)
    script.funds(CommandType.DEPOSIT, 1, BTC, 5)
    script.checkpoint()
    publish(own_nats.url, batches(script.events[done:], first=count + 1, chain=chain))
    reason = mirror.wait_for_page(503, "halted")
    assert reason.startswith("mirror halted: CheckpointMismatchError: at checkpoint ")
    assert mirror.page("/healthz") == (200, "alive")
    assert "qt_mirror_halted 1.0" in mirror.page("/metrics")[1]
    assert "CheckpointMismatchError" in mirror.log.read_text()
    assert wait_for_halt(database).startswith("at checkpoint ")
    row = one(database, "SELECT last_event_seq, last_checkpoint_ok FROM mirror_cursor")
    assert row == (count, False)
    assert mirror.stop() == 0


def test_what_is_no_batch_halts_the_mirror(
    database: DatabaseHandle, own_nats: OwnNats, start_mirror: StartChild
) -> None:
    script = EngineScript().prepare(users=1)
    publish(own_nats.url, batches(script.events))
    mirror = start_mirror()
    wait_for_event(database, len(script.events) // RECORD_BYTES)
    publish(own_nats.url, [b"not a batch"])
    mirror.wait_for_page(503, "message 2 of stream QT_EVENTS")
    assert "message 2 of stream QT_EVENTS" in wait_for_halt(database)


def test_a_stale_relay_of_a_lower_epoch_halts_the_mirror(
    database: DatabaseHandle, own_nats: OwnNats, start_mirror: StartChild
) -> None:
    script = EngineScript().prepare(users=1)
    first, second = batches(script.events, size=7)[:2]
    publish(own_nats.url, [first._replace(epoch=3)])
    mirror = start_mirror()
    wait_for_event(database, 7)
    publish(own_nats.url, [second._replace(epoch=2)])
    mirror.wait_for_page(503, "LowerEpochError")


def test_trap_5_a_database_that_is_down_delays_the_books_and_loses_nothing(
    database: DatabaseHandle,
    own_nats: OwnNats,
    start_mirror: StartChild,
    postgres_server: PostgresHandle,
) -> None:
    script = EngineScript().prepare().run(2_000, checkpoint_every=300)
    count = len(script.events) // RECORD_BYTES
    messages = batches(script.events, size=40)
    publish(own_nats.url, messages[: len(messages) // 2])
    mirror = start_mirror()
    wait_for_event(database, messages[len(messages) // 2 - 1].last_event_seq)
    for kill in range(3):
        postgres_server.process.kill()
        if kill == 0:
            publish(own_nats.url, messages[len(messages) // 2 :])
            mirror.wait_for_page(503, "mirror has lost its session")
        postgres_server.process.start()
    wait_for_event(database, count)
    assert mirror.wait_for_page(200) == "ready"
    verified(database)


def test_a_stream_server_that_is_killed_delays_the_books_and_loses_nothing(
    database: DatabaseHandle, own_nats: OwnNats, start_mirror: StartChild
) -> None:
    script = EngineScript().prepare().run(2_000, checkpoint_every=300)
    messages = batches(script.events, size=40)
    parts = 4
    share = len(messages) // parts
    mirror = start_mirror()
    for part in range(parts):
        end = len(messages) if part == parts - 1 else (part + 1) * share
        publish(own_nats.url, messages[part * share : end])
        wait_for_event(database, messages[end - 1].last_event_seq)
        own_nats.process.kill()
        mirror.wait_for_page(503, "mirror has lost its session")
        own_nats.process.start()
    assert mirror.wait_for_page(200) == "ready"
    verified(database)


def test_payloads_are_what_the_relay_packs() -> None:
    script = EngineScript().prepare(users=1)
    (message,) = batches(script.events)
    assert pack_batch(message).startswith(b"QTE1")
