"""The archive's binary rows, and the digest over balances."""

from __future__ import annotations

import hashlib
import struct

import pytest

from apps.ledger.mirror_apply import ChangedBalance
from apps.mirror.archive import ArchivedEvent, chained, pack_rows, unpack_rows
from apps.mirror.digest import BalanceDigest, row_hash
from engine.proto.records import RECORD_BYTES, Checkpoint, unpack_event
from engine.proto.stream import CHAIN_GENESIS, chain_extend
from tests.engine_events import EngineScript


def test_packed_rows_are_read_back_however_they_are_cut() -> None:
    events = EngineScript().prepare(users=1).events
    links = chained(CHAIN_GENESIS, events)
    packed = pack_rows(events, links)
    expected = [
        ArchivedEvent(
            header.event_seq,
            header.command_seq,
            header.type,
            header.time_us,
            events[offset : offset + RECORD_BYTES],
            link,
        )
        for offset, link in zip(range(0, len(events), RECORD_BYTES), links, strict=True)
        for header, _ in [unpack_event(events, offset)]
    ]
    for size in (1, 7, 221, len(packed)):
        blocks = [packed[at : at + size] for at in range(0, len(packed), size)]
        assert list(unpack_rows(blocks)) == expected


def test_links_are_the_chain_of_the_stream() -> None:
    events = EngineScript().prepare(users=1).events
    assert chained(CHAIN_GENESIS, events)[-1] == chain_extend(CHAIN_GENESIS, events)


def test_an_archive_that_ends_early_is_an_error() -> None:
    events = EngineScript().prepare(users=1).events
    packed = pack_rows(events, chained(CHAIN_GENESIS, events))
    with pytest.raises(ValueError, match="expected the trailer"):
        list(unpack_rows([packed[:-50]]))


def test_a_row_of_another_shape_is_an_error() -> None:
    events = EngineScript().prepare(users=1).events
    packed = bytearray(pack_rows(events, chained(CHAIN_GENESIS, events)))
    packed[19 + 3] ^= 1  # in the first length
    with pytest.raises(ValueError, match="has another shape"):
        list(unpack_rows([bytes(packed)]))


def test_one_row_is_hashed_as_four_little_endian_integers() -> None:
    row = struct.pack("<4q", 3, 1, 70, 30)
    expected = int.from_bytes(hashlib.blake2b(row, digest_size=16).digest(), "little")
    assert row_hash(3, 1, 70, 30) == expected


def test_the_digest_does_not_depend_on_the_way_to_a_state() -> None:
    start = BalanceDigest()
    direct = start.after([ChangedBalance(1, 1, 0, 0, 5, 2), ChangedBalance(2, 1, 0, 0, 9, 0)])
    detour = (
        start.after([ChangedBalance(2, 1, 0, 0, 4, 4), ChangedBalance(3, 1, 0, 0, 1, 0)])
        .after([ChangedBalance(2, 1, 4, 4, 9, 0), ChangedBalance(3, 1, 1, 0, 0, 0)])
        .after([ChangedBalance(1, 1, 0, 0, 5, 2)])
    )
    assert detour == direct
    assert direct.row_count == 2
    assert BalanceDigest.unpack(direct.packed, 2) == direct


def test_the_digest_is_the_one_that_the_engine_states() -> None:
    script = EngineScript().prepare().run(400)
    digest = BalanceDigest().after(
        ChangedBalance(each.user_id, each.asset_id, 0, 0, each.available_atoms, each.locked_atoms)
        for each in script.kernel.all_balances()
    )
    events = script.checkpoint()
    _, body = unpack_event(events, len(events) - RECORD_BYTES)
    assert body == Checkpoint(digest.packed, digest.row_count)
