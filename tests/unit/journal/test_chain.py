"""The chain index gives the same head as hashing all events from the first one."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.journal import journal_records
from engine.journal.chain import CACHE_NAME, ChainIndex
from engine.proto.stream import CHAIN_GENESIS, chain_extend
from tests.unit.journal.support import content, written


@pytest.fixture
def heads(tmp_path: Path) -> list[bytes]:
    written(tmp_path, [content(n, 2, 2 + n % 9) for n in range(150)])
    heads = [CHAIN_GENESIS]
    for record in journal_records(tmp_path):
        for at in range(0, len(record.events), 128):
            heads.append(chain_extend(heads[-1], record.events[at : at + 128]))
    return heads


def test_every_head_is_that_of_the_events_before(tmp_path: Path, heads: list[bytes]) -> None:
    last = len(heads) - 1
    for seq in [0, 1, last, last // 2, last // 2 + 1, 3, last]:
        assert ChainIndex(tmp_path).head(seq) == heads[seq]
    index = ChainIndex(tmp_path, keep_cache=True)
    for seq in [*range(0, last, 31), *range(last, 0, -57)]:
        assert index.head(seq) == heads[seq]


def test_a_damaged_cache_is_computed_again(tmp_path: Path, heads: list[bytes]) -> None:
    last = len(heads) - 1
    assert ChainIndex(tmp_path, keep_cache=True).head(last) == heads[last]
    cache = tmp_path / CACHE_NAME
    entries = len(cache.read_bytes()) // 44
    assert entries >= 2
    damaged = bytearray(cache.read_bytes())
    damaged[50] ^= 1
    cache.write_bytes(damaged + b"torn")
    index = ChainIndex(tmp_path, keep_cache=True)
    assert [index.head(seq) for seq in range(0, last, 17)] == heads[0:last:17]


def test_a_head_beyond_the_journal_is_a_mistake(tmp_path: Path, heads: list[bytes]) -> None:
    with pytest.raises(ValueError, match="is not durable"):
        ChainIndex(tmp_path).head(len(heads))
