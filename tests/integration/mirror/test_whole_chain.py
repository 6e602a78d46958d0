"""Engine, relay, JetStream, mirror and PostgreSQL together, and what connects them broken."""

from __future__ import annotations

import asyncio
import random
import shutil
from pathlib import Path

import psycopg

from engine.client import EngineClient, SyncEngineClient
from engine.proto.records import (
    Command,
    CommandType,
    OrderType,
    Side,
    TimeInForce,
)
from tests.fixtures_database import DatabaseHandle
from tests.fixtures_engine import EngineFactory
from tests.integration.mirror.books_support import one
from tests.integration.mirror.conftest import OwnNats, StartChild
from tests.integration.mirror.support import wait_for_event
from tests.integration.mirror.test_verify import verify_command

USERS = 8
IN_FLIGHT = 256
LOOKS_MAX = 400


def list_market(engine: SyncEngineClient) -> None:
    """One market and funded users."""
    engine.add_asset(asset_id=1, code="BTC", decimals=8, max_total_atoms=10**18)
    engine.add_asset(asset_id=2, code="USDT", decimals=6, max_total_atoms=10**18)
    engine.add_market(
        market_id=1,
        symbol="BTCUSDT",
        base_asset_id=1,
        quote_asset_id=2,
        tick_atoms=10**4,
        lot_atoms=10**4,
        maker_fee=1_000,
        taker_fee=2_000,
    )
    for user_id in range(1, USERS + 1):
        engine.add_user(user_id=user_id)
        for asset_id in (1, 2):
            engine.deposit(
                user_id=user_id,
                asset_id=asset_id,
                amount_atoms=10**13,
                business_id=b"%016d" % (user_id * 10 + asset_id),
                reference="start",
            )


async def _orders(engine: EngineClient, count: int, chance: random.Random) -> None:
    slots = asyncio.Semaphore(IN_FLIGHT)

    async def place() -> None:
        async with slots:
            await engine.submit(
                Command(
                    CommandType.PLACE,
                    side=chance.choice([Side.ASK, Side.BID]),
                    order_type=OrderType.LIMIT,
                    time_in_force=chance.choice([TimeInForce.GTC] * 4 + [TimeInForce.IOC]),
                    market_id=1,
                    user_id=chance.randint(1, USERS),
                    price=1_000 + chance.randint(-20, 20),
                    quantity=chance.randint(1, 50),
                )
            )

    await asyncio.gather(*(place() for _ in range(count)))


def place_orders(engine: SyncEngineClient, count: int, seed: int = 1) -> int:
    """Place random orders; return the engine's newest event."""
    chance = random.Random(seed)
    engine.call(lambda client: _orders(client, count, chance))
    return engine.get_status().event_seq


def test_verify_all_holds_right_after_a_burst_and_when_the_books_have_caught_up(
    database: DatabaseHandle,
    own_nats: OwnNats,
    start_mirror: StartChild,
    start_relay: StartChild,
    engine_process: EngineFactory,
    tmp_path: Path,
) -> None:
    engine = engine_process()
    start_relay(engine.data_dir, engine.address)
    mirror = start_mirror(engine.address)
    with SyncEngineClient(engine.address) as client:
        list_market(client)
        newest = place_orders(client, 5_000)
        burst = verify_command(database, "all", address=engine.address, var=tmp_path)
        assert (burst.returncode, burst.stderr) == (0, "")
        assert "16 of 16 checks proved, none violated" in burst.stdout
        wait_for_event(database, client.get_status().event_seq)
        calm = verify_command(database, "all", address=engine.address, var=tmp_path)
        assert (calm.returncode, calm.stderr) == (0, "")
        assert client.get_status().event_seq >= newest
    assert mirror.wait_for_page(200) == "ready"
    row = one(database, "SELECT last_checkpoint_ok, halted_reason FROM mirror_cursor")
    assert row == (True, "")


def test_events_that_the_stream_has_lost_are_read_from_the_engine(
    database: DatabaseHandle,
    own_nats: OwnNats,
    start_mirror: StartChild,
    start_relay: StartChild,
    engine_process: EngineFactory,
    tmp_path: Path,
) -> None:
    """The stream keeps so little that its beginning is trimmed before the mirror first looks."""
    engine = engine_process()
    relay = start_relay(engine.data_dir, engine.address, "--stream-bytes-max", "100000")
    with SyncEngineClient(engine.address) as client:
        list_market(client)
        place_orders(client, 3_000)
        relay.wait_for_page(200)
        mirror = start_mirror(engine.address)
        wait_for_event(database, client.get_status().event_seq)
        assert mirror.wait_for_page(200) == "ready"
        assert "qt_mirror_gaps_total 1.0" in mirror.page("/metrics")[1]
        result = verify_command(database, "all", address=engine.address, var=tmp_path)
        assert (result.returncode, result.stderr) == (0, "")


def test_a_stream_made_anew_goes_on_where_the_books_are(
    database: DatabaseHandle,
    own_nats: OwnNats,
    start_mirror: StartChild,
    start_relay: StartChild,
    engine_process: EngineFactory,
    tmp_path: Path,
) -> None:
    engine = engine_process()
    relay = start_relay(engine.data_dir, engine.address)
    mirror = start_mirror(engine.address)
    with SyncEngineClient(engine.address) as client:
        list_market(client)
        wait_for_event(database, place_orders(client, 500))
        relay.stop()
        own_nats.process.kill()
        shutil.rmtree(tmp_path / "nats" / "jetstream")
        own_nats.process.start()
        place_orders(client, 500, seed=2)
        start_relay(engine.data_dir, engine.address)
        wait_for_event(database, client.get_status().event_seq)
        assert mirror.wait_for_page(200) == "ready"
        result = verify_command(database, "all", address=engine.address, var=tmp_path)
        assert (result.returncode, result.stderr) == (0, "")


def test_without_a_relay_the_books_follow_the_engine_itself(
    database: DatabaseHandle,
    own_nats: OwnNats,
    start_mirror: StartChild,
    start_relay: StartChild,
    engine_process: EngineFactory,
) -> None:
    engine = engine_process()
    relay = start_relay(engine.data_dir, engine.address)
    mirror = start_mirror(engine.address)
    with SyncEngineClient(engine.address) as client:
        list_market(client)
        wait_for_event(database, client.get_status().event_seq)
        relay.kill()
        place_orders(client, 200)
        wait_for_event(database, client.get_status().event_seq)
    assert mirror.wait_for_page(200) == "ready"


def test_an_engine_with_another_history_halts_the_mirror(
    database: DatabaseHandle,
    own_nats: OwnNats,
    start_mirror: StartChild,
    start_relay: StartChild,
    engine_process: EngineFactory,
    tmp_path: Path,
) -> None:
    engine = engine_process()
    relay = start_relay(engine.data_dir, engine.address)
    mirror = start_mirror(engine.address)
    with SyncEngineClient(engine.address) as client:
        list_market(client)
        wait_for_event(database, client.get_status().event_seq)
    assert mirror.stop() == 0
    relay.kill()
    other = engine_process(data_dir=tmp_path / "other")
    with SyncEngineClient(other.address) as client:
        for asset_id in range(1, 60):
            client.add_asset(
                asset_id=asset_id, code=f"A{asset_id}", decimals=8, max_total_atoms=10**18
            )
    mirror = start_mirror(other.address)
    mirror.wait_for_page(503, "WrongEngineError")


def test_an_engine_that_was_set_back_is_told_by_the_mirror(
    database: DatabaseHandle,
    own_nats: OwnNats,
    start_mirror: StartChild,
    start_relay: StartChild,
    engine_process: EngineFactory,
    tmp_path: Path,
) -> None:
    engine = engine_process()
    start_relay(engine.data_dir, engine.address)
    mirror = start_mirror(engine.address)
    with SyncEngineClient(engine.address) as client:
        list_market(client)
        wait_for_event(database, client.get_status().event_seq)
    old = engine_process(data_dir=tmp_path / "old")
    mirror.stop()
    mirror = start_mirror(old.address)
    mirror.wait_for_page(503, "WrongEngineError")
    assert old.wait() != 0


def test_the_lag_is_on_record_while_the_stream_is_down(
    database: DatabaseHandle,
    own_nats: OwnNats,
    start_mirror: StartChild,
    start_relay: StartChild,
    engine_process: EngineFactory,
) -> None:
    engine = engine_process()
    start_relay(engine.data_dir, engine.address)
    mirror = start_mirror(engine.address)
    with SyncEngineClient(engine.address) as client:
        list_market(client)
        booked = client.get_status().event_seq
        wait_for_event(database, booked)
        own_nats.process.kill()
        mirror.wait_for_page(503)
        newest = place_orders(client, 300)
        with psycopg.connect(database.app_url, autocommit=True) as connection:
            for _ in range(LOOKS_MAX):
                row = connection.execute(
                    "SELECT engine_event_seq >= %s, last_event_seq < %s FROM mirror_cursor",
                    [newest, newest],
                ).fetchone()
                if row == (True, True):
                    break
                connection.execute("SELECT pg_sleep(0.05)")
        assert row == (True, True)
        own_nats.process.start()
        wait_for_event(database, client.get_status().event_seq)
