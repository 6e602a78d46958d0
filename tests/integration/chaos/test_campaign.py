"""The campaign kills fairly and repeatably, and its check does find what is wrong."""

from __future__ import annotations

from collections import Counter

import psycopg
import pytest

from engine.proto.records import EventHeader, EventType, FundsMoved, pack_event
from quantatrade.chaos.books import Books
from quantatrade.chaos.campaign import TARGETS, kill_plan
from quantatrade.chaos.report import Report
from tests.fixtures_database import DatabaseHandle


def _deposit(
    event_seq: int,
    business_id: int,
    amount: int = 5,
    kind: EventType = EventType.FUNDS_DEPOSITED,
) -> bytes:
    header = EventHeader(event_seq, event_seq, 1_000_000, kind, 0, 0, 0)
    return pack_event(header, FundsMoved(1, 1, amount, business_id.to_bytes(16, "big"), b""))


def _archive(database: DatabaseHandle, records: list[bytes]) -> None:
    with psycopg.connect(database.mirror_url) as connection:
        for record in records:
            event_seq = int.from_bytes(record[:8], "little")
            connection.execute(
                "INSERT INTO mirror_engineevent"
                " (event_seq, command_seq, type, occurred_at, record, chain)"
                " VALUES (%s, %s, %s, now(), %s, %s)",
                (event_seq, event_seq, EventType.FUNDS_DEPOSITED, record, bytes(32)),
            )


def test_every_target_is_killed_as_often_as_the_others() -> None:
    plan = kill_plan(TARGETS, 60, seed=1)
    assert Counter(plan) == dict.fromkeys(TARGETS, 10)


def test_the_same_seed_gives_the_same_order() -> None:
    assert kill_plan(TARGETS, 20, seed=5) == kill_plan(TARGETS, 20, seed=5)
    assert kill_plan(TARGETS, 20, seed=5) != kill_plan(TARGETS, 20, seed=6)


@pytest.mark.parametrize("finding", ["lost", "doubled", "gaps", "drift", "violations"])
def test_a_report_with_any_finding_is_not_clean(finding: str) -> None:
    assert Report().is_clean
    report = Report()
    setattr(report, finding, 1)
    assert not report.is_clean


async def test_books_that_hold_every_acknowledged_event_are_clean(database: DatabaseHandle) -> None:
    records = [_deposit(1, 1), _deposit(2, 2), _deposit(3, 3)]
    _archive(database, records)
    assert await Books(database.app_url).compare([records[0] + records[1]]) == (0, 0, 0, "")


async def test_an_acknowledged_event_that_is_missing_is_lost(database: DatabaseHandle) -> None:
    _archive(database, [_deposit(1, 1)])
    findings = await Books(database.app_url).compare([_deposit(1, 1), _deposit(2, 2)])
    assert findings == (1, 0, 0, "acknowledged event 2 is not in the books")


async def test_an_acknowledged_event_with_other_content_is_lost(database: DatabaseHandle) -> None:
    _archive(database, [_deposit(1, 1, amount=6)])
    findings = await Books(database.app_url).compare([_deposit(1, 1, amount=5)])
    assert findings == (1, 0, 0, "event 1 is not the one acknowledged")


async def test_a_business_id_in_the_books_twice_is_doubled(database: DatabaseHandle) -> None:
    _archive(database, [_deposit(1, 7), _deposit(2, 7)])
    findings = await Books(database.app_url).compare([])
    assert findings[:3] == (0, 1, 0)


async def test_a_hold_may_end_once_under_its_own_id(database: DatabaseHandle) -> None:
    kinds = (EventType.FUNDS_HELD, EventType.HOLD_SETTLED, EventType.HOLD_RELEASED)
    records = [_deposit(seq, 7, kind=kind) for seq, kind in enumerate(kinds, start=1)]
    _archive(database, records[:2])
    assert (await Books(database.app_url).compare([]))[:3] == (0, 0, 0)
    _archive(database, records[2:])
    assert (await Books(database.app_url).compare([]))[:3] == (0, 1, 0)


async def test_a_missing_sequence_is_a_gap(database: DatabaseHandle) -> None:
    _archive(database, [_deposit(1, 1), _deposit(3, 3)])
    findings = await Books(database.app_url).compare([])
    assert findings == (0, 0, 1, "event 3 follows event 1")
