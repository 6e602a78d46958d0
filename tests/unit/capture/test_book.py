"""The venue's rule for depth streams: what is dropped, what must come first, what is a gap."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

import pytest

from apps.markets.recorded import (
    DepthSnapshot,
    DepthUpdate,
    StreamMessage,
    depth_snapshots,
    stream_messages,
)
from apps.trading.capture.book import (
    UPDATES_BUFFERED_MAX,
    LevelChange,
    RecordedBook,
    SequenceGapError,
    steps,
)
from engine.proto.records import Side

ONE, TWO, THREE = Decimal(1), Decimal(2), Decimal(3)


def snapshot(last_update_id: int = 100, received_us: int = 10) -> DepthSnapshot:
    return DepthSnapshot("X", received_us, last_update_id, {ONE: TWO}, {TWO: THREE})


def update(
    first: int, last: int, received_us: int = 20, **sides: dict[Decimal, Decimal]
) -> DepthUpdate:
    return DepthUpdate("X", received_us, first, last, sides.get("bids", {}), sides.get("asks", {}))


def loaded() -> RecordedBook:
    book = RecordedBook("X")
    book.load(snapshot())
    return book


def test_a_snapshot_is_every_level_from_nothing() -> None:
    assert RecordedBook("X").load(snapshot()) == (
        LevelChange(Side.BID, ONE, Decimal(0), TWO),
        LevelChange(Side.ASK, TWO, Decimal(0), THREE),
    )


@pytest.mark.parametrize(("first", "last"), [(1, 99), (90, 100), (100, 100)])
def test_an_update_not_beyond_the_snapshot_is_dropped(first: int, last: int) -> None:
    book = loaded()
    assert book.take(update(first, last, bids={ONE: THREE})) is None
    assert book.quantity(Side.BID, ONE) == TWO
    assert book.last_update_id == 100


@pytest.mark.parametrize(("first", "last"), [(95, 101), (101, 101), (101, 150), (1, 150)])
def test_the_first_update_used_covers_the_id_after_the_snapshot(first: int, last: int) -> None:
    book = loaded()
    assert book.take(update(first, last)) == ()
    assert book.last_update_id == last


def test_a_first_update_that_begins_too_late_is_a_gap() -> None:
    with pytest.raises(SequenceGapError, match=r"X update was 102\.\.103, expected to continue"):
        loaded().take(update(102, 103))


@pytest.mark.parametrize(("first", "last"), [(111, 112), (113, 114), (105, 108), (112, 111)])
def test_a_later_update_that_does_not_begin_right_after_is_a_gap(first: int, last: int) -> None:
    book = loaded()
    book.take(update(101, 111))
    with pytest.raises(SequenceGapError, match="expected to continue at 112"):
        book.take(update(first, last, bids={ONE: THREE}))
    assert book.quantity(Side.BID, ONE) == TWO


def test_an_update_sets_totals_and_zero_removes_a_level() -> None:
    book = loaded()
    changes = book.take(update(101, 101, bids={ONE: Decimal(0)}, asks={TWO: ONE, THREE: ONE}))
    assert changes == (
        LevelChange(Side.BID, ONE, TWO, Decimal(0)),
        LevelChange(Side.ASK, TWO, THREE, ONE),
        LevelChange(Side.ASK, THREE, Decimal(0), ONE),
    )
    assert book.sides == {Side.BID: {}, Side.ASK: {TWO: ONE, THREE: ONE}}


def test_a_level_set_to_what_it_is_or_removed_when_absent_is_no_change() -> None:
    book = loaded()
    assert book.take(update(101, 101, bids={ONE: TWO, THREE: Decimal(0)})) == ()


def test_updates_before_the_snapshot_wait_for_it_and_follow_it() -> None:
    early = [update(95, 100, 1), update(101, 102, 2), update(103, 103, 3)]
    inputs: list[StreamMessage] = [*early, update(104, 104, 11)]
    seen = [(step.label, step.is_dropped) for step, _ in steps([snapshot()], inputs)]
    assert seen == [
        ("snapshot 100", False),
        ("update 95..100", True),
        ("update 101..102", False),
        ("update 103..103", False),
        ("update 104..104", False),
    ]


def test_a_symbol_whose_snapshot_never_comes_is_an_error() -> None:
    with pytest.raises(SequenceGapError, match="X has updates but no snapshot"):
        list(steps([], [update(1, 1)]))


def test_the_wait_for_a_snapshot_is_bounded() -> None:
    waiting = [update(n, n) for n in range(UPDATES_BUFFERED_MAX + 1)]
    with pytest.raises(SequenceGapError, match="X has 1000 updates and no snapshot yet"):
        list(steps([], waiting))


def test_a_second_snapshot_of_a_symbol_is_an_error() -> None:
    with pytest.raises(SequenceGapError, match="X has its snapshot already"):
        list(steps([snapshot(), snapshot()], []))


def test_of_the_recorded_updates_5_are_dropped_and_172_applied() -> None:
    counts: Counter[tuple[str, str]] = Counter()
    for step, _ in steps(depth_snapshots(), stream_messages()):
        counts[step.symbol, "dropped" if step.is_dropped else step.label.split()[0]] += 1
    assert counts == {
        ("NKNUSDT", "snapshot"): 1, ("NKNUSDT", "dropped"): 1, ("NKNUSDT", "update"): 149,
        ("BLZETH", "snapshot"): 1, ("BLZETH", "dropped"): 1, ("BLZETH", "update"): 9,
        ("LRCBTC", "snapshot"): 1, ("LRCBTC", "dropped"): 2, ("LRCBTC", "update"): 13,
        ("RUNEEUR", "snapshot"): 1, ("RUNEEUR", "dropped"): 1, ("RUNEEUR", "update"): 1,
        ("NKNUSDT", "trade"): 1, ("LRCBTC", "trade"): 1,
    }  # fmt: skip


def test_the_recorded_books_are_never_crossed() -> None:
    for _, book in steps(depth_snapshots(), stream_messages()):
        assert max(book.sides[Side.BID]) < min(book.sides[Side.ASK])
