"""Peers are remembered durably, awaited boundedly, and limited in number."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from engine.journal.errors import JournalError
from engine.service.peers import FILE_NAME, PEERS_MAX, Peers, is_peer_name


async def test_without_known_peers_there_is_nothing_to_wait_for(tmp_path: Path) -> None:
    assert await Peers(tmp_path).wait(0.0)


async def test_known_peers_are_awaited_until_all_have_greeted(tmp_path: Path) -> None:
    Peers(tmp_path).greeted("relay")
    Peers(tmp_path).greeted("mirror.books")
    peers = Peers(tmp_path)
    assert peers.missing == ["mirror.books", "relay"]
    assert not await peers.wait(0.01)
    waiting = asyncio.create_task(peers.wait(10))
    peers.greeted("relay")
    await asyncio.sleep(0)
    assert not waiting.done()
    peers.greeted("mirror.books")
    assert await waiting
    assert (tmp_path / FILE_NAME).read_bytes() == b'["mirror.books", "relay"]\n'


async def test_the_number_of_peers_is_limited(tmp_path: Path) -> None:
    peers = Peers(tmp_path)
    for number in range(PEERS_MAX):
        peers.greeted(f"p{number}")
    with pytest.raises(ValueError, match="64 peers are known"):
        peers.greeted("one.more")
    peers.greeted("p0")


@pytest.mark.parametrize("text", ["{", "{}", '["A"]', "[1]"])
async def test_a_damaged_peers_file_refuses(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE_NAME).write_text(text)
    with pytest.raises(JournalError, match="peers file"):
        Peers(tmp_path)


def test_names() -> None:
    assert all(map(is_peer_name, ("relay", "mirror.books", "a", "m-2_x")))
    assert not any(map(is_peer_name, ("", "A", ".a", "a b", "a\n", "x" * 64)))
