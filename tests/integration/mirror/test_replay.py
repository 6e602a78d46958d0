"""`python -m engine.replay`, on the journal of a real engine."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from apps.mirror.books import Books
from apps.mirror.errors import DatabaseNotReadyError
from engine.client import SyncEngineClient
from tests.fixtures_database import DatabaseHandle
from tests.fixtures_engine import EngineFactory, EngineUnderTest
from tests.integration.mirror.test_whole_chain import list_market, place_orders

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture
def loaded(engine_process: EngineFactory) -> EngineUnderTest:
    """An engine with some history."""
    engine = engine_process()
    with SyncEngineClient(engine.address) as client:
        list_market(client)
        place_orders(client, 300)
    return engine


def replay(engine: EngineUnderTest, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run it beside the living engine."""
    return subprocess.run(
        [sys.executable, "-m", "engine.replay", "--data", str(engine.data_dir), *arguments],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_replay_gives_the_live_state(loaded: EngineUnderTest) -> None:
    with SyncEngineClient(loaded.address) as client:
        live = client.get_state_hash()
        place_orders(client, 50, seed=2)
    result = replay(loaded, "--until-command-seq", str(live.command_seq), "--kernel", "reference")
    assert (result.returncode, result.stderr) == (0, "")
    assert json.loads(result.stdout) == {
        "command_seq": live.command_seq,
        "event_seq": live.event_seq,
        "state_hash": live.state_hash.hex(),
        "kernel": "reference",
    }


def test_a_command_within_a_batch_can_be_the_last(loaded: EngineUnderTest) -> None:
    for command_seq in (1, 2, 100, 101):
        result = replay(loaded, "--until-command-seq", str(command_seq))
        assert json.loads(result.stdout)["command_seq"] == command_seq


def test_a_journal_that_ends_earlier_is_an_error(loaded: EngineUnderTest) -> None:
    result = replay(loaded, "--until-command-seq", "1000000")
    assert result.returncode == 1
    assert "expected one up to 1000000" in result.stderr


def test_a_flipped_byte_in_the_journal_is_an_error(loaded: EngineUnderTest) -> None:
    loaded.stop()
    (segment, *_) = sorted((loaded.data_dir / "journal").iterdir())
    content = bytearray(segment.read_bytes())
    content[20_000] ^= 1
    segment.write_bytes(content)
    result = replay(loaded)
    assert result.returncode == 1
    assert "JournalCorruptError" in result.stderr


def test_a_mirror_on_an_empty_database_asks_for_migration(database: DatabaseHandle) -> None:
    with psycopg.connect(database.owner_url) as connection:
        connection.execute("DROP TABLE mirror_cursor")
    with pytest.raises(DatabaseNotReadyError, match="migrate the database first"):
        Books(database.mirror_url).open()
