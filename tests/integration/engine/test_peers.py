"""Relay and mirrors greet: an engine on an old journal must not answer anybody."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from engine.client import EngineClient, EngineUnavailable, InvalidRequest, PeerRefused
from engine.journal.chain import ChainIndex
from engine.proto.stream import CHAIN_GENESIS
from engine.service.errors import ExitCode
from tests.fixtures_engine import EngineFactory, EngineUnderTest
from tests.integration.engine.pages import page
from tests.integration.engine.support import set_up


async def settled(engine: EngineUnderTest, client: EngineClient) -> tuple[int, bytes]:
    """The last event after the checkpoint, and the chain head there."""
    await asyncio.sleep(1.3)
    last = (await client.get_status()).event_seq
    return last, ChainIndex(engine.data_dir).head(last)


async def test_a_peer_that_agrees_is_answered_and_waited_for_after_a_restart(
    engine_process: EngineFactory, engine: EngineUnderTest, client: EngineClient
) -> None:
    last, chain = await settled(engine, client)
    assert (await client.greet(name="relay", event_seq=0, chain=b"")).event_seq == last
    greeting = await client.greet(name="mirror.books", event_seq=last, chain=chain)
    assert (greeting.epoch, greeting.event_seq) == (1, last)
    engine.kill()

    engine = engine_process("--peer-wait", "60", wait_ready=False)
    engine.wait_for_log("waiting_for_peers")
    async with EngineClient(engine.address, timeout_s=5) as waiting:
        with pytest.raises(EngineUnavailable, match=r"waits for mirror\.books, relay to greet it"):
            await waiting.add_user(user_id=9)
        assert await page(engine, "readyz") == (
            503,
            "the engine waits for mirror.books, relay to greet it\n",
        )
        assert (await waiting.get_status()).event_seq == last
        await waiting.greet(name="relay", event_seq=0, chain=CHAIN_GENESIS)
        with pytest.raises(EngineUnavailable):
            await waiting.add_user(user_id=9)
        await waiting.greet(name="mirror.books", event_seq=last, chain=chain)
        await waiting.wait_ready(10)
        assert (await waiting.add_user(user_id=9)).first_event_seq == last + 1


async def test_a_peer_that_does_not_come_is_not_waited_for_for_ever(
    engine_process: EngineFactory, engine: EngineUnderTest, client: EngineClient
) -> None:
    await client.greet(name="relay", event_seq=0, chain=b"")
    engine.kill()
    engine = engine_process("--peer-wait", "0.3")
    assert engine.wait_for_log("peers_missing")["peers"] == ["relay"]


async def test_a_peer_that_is_ahead_ends_the_engine(
    engine_process: EngineFactory, engine: EngineUnderTest, client: EngineClient
) -> None:
    last, _ = await settled(engine, client)
    with pytest.raises(
        PeerRefused, match=f"mirror is at event {last + 5}, but this engine ends at event {last}"
    ):
        await client.greet(name="mirror", event_seq=last + 5, chain=bytes(32))
    with pytest.raises(EngineUnavailable):
        await client.add_user(user_id=9)
    assert await asyncio.to_thread(engine.wait) == ExitCode.PEER_AHEAD
    assert "this is an old journal" in engine.wait_for_log("engine_died")["detail"]
    engine = engine_process()
    async with EngineClient(engine.address) as again:
        await again.wait_ready(10)
        assert (await again.get_status()).event_seq == last


async def test_a_peer_of_another_history_is_refused_and_the_engine_goes_on(
    engine_process: EngineFactory,
    engine: EngineUnderTest,
    client: EngineClient,
    tmp_path: Path,
) -> None:
    last, chain = await settled(engine, client)
    wrong = bytes(32)
    with pytest.raises(PeerRefused, match=f"at event {last}, this journal has {chain.hex()}"):
        await client.greet(name="mirror", event_seq=last, chain=wrong)
    assert not (engine.data_dir / "peers").exists()
    await client.add_user(user_id=9)

    other = engine_process(data_dir=tmp_path / "other")
    async with EngineClient(other.address) as other_client:
        await other_client.wait_ready(10)
        await set_up(other_client)
        with pytest.raises(PeerRefused, match="not of the same history"):
            await other_client.greet(name="mirror", event_seq=2, chain=chain)


@pytest.mark.parametrize("name", ["", "Relay", "a b", "x" * 64, "../etc"])
async def test_a_name_that_is_none_is_invalid(client: EngineClient, name: str) -> None:
    with pytest.raises(InvalidRequest, match="expected a name"):
        await client.greet(name=name, event_seq=0, chain=b"")
    with pytest.raises(InvalidRequest, match="a chain of 31 bytes"):
        await client.greet(name="relay", event_seq=1, chain=bytes(31))
