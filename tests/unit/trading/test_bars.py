"""Bars are read exactly, or refused by line."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from apps.trading import bars
from apps.trading.bars import Bar, BarsError, bars_ending, bars_parse, bars_read

HEADER = "timestamp,open,high,low,close,volume"
FIRST = "1776606960000,75901.45,75928.59,75901.45,75921.45,3.49275"
SECOND = "1776607080000,75921.45,75921.46,75900.75,75906.92,0"
AT = datetime(2026, 4, 19, 13, 56, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
EXPECTED = Bar(
    opened_at=AT,
    open=Decimal("75901.45"),
    high=Decimal("75928.59"),
    low=Decimal("75901.45"),
    close=Decimal("75921.45"),
    volume=Decimal("3.49275"),
)


def test_a_plain_and_a_compressed_file_read_the_same(tmp_path: Path) -> None:
    text = "\n".join((HEADER, FIRST, SECOND)) + "\n"
    (tmp_path / "bars.csv").write_text(text)
    (tmp_path / "bars.csv.gz").write_bytes(gzip.compress(text.encode()))
    plain = bars_read(tmp_path / "bars.csv")
    assert plain[0] == EXPECTED
    assert [bar.opened_at for bar in plain] == [AT, AT + 2 * MINUTE]
    assert bars_read(tmp_path / "bars.csv.gz") == plain


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (FIRST, "it does not open after the bar before"),
        ("1776607020001,1,1,1,1,1", "expected a whole minute"),
        ("soon,1,1,1,1,1", "timestamp was 'soon', expected milliseconds"),
        ("1776607020000,1,1,1,1", "it had 5 fields, expected 6"),
        ("1776607020000,1,1,1,1,-1", "volume was '-1', expected a plain decimal"),
        ("1776607020000,1e3,1,1,1,1", "open was '1e3', expected a plain decimal"),
        ("1776607020000,2,1,1,1,1", "are not those of one bar"),
        ("1776607020000,0,1,0,1,1", "are not those of one bar"),
    ],
)
def test_a_line_that_is_no_bar_is_named(line: str, problem: str) -> None:
    with pytest.raises(BarsError, match=problem) as caught:
        bars_parse([HEADER, FIRST, line], "some.csv")
    assert str(caught.value).startswith("some.csv line 3: ")


def test_a_file_that_holds_no_bars_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BarsError, match="has no bars"):
        bars_parse([HEADER], "some.csv")
    with pytest.raises(BarsError, match="began with 'time,open', expected 'timestamp,open,high"):
        bars_parse(["time,open"], "some.csv")
    (tmp_path / "no.gz").write_bytes(b"not compressed")
    with pytest.raises(BarsError, match="does not read"):
        bars_read(tmp_path / "no.gz")


def test_more_bars_than_the_limit_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bars, "BARS_MAX", 1)
    assert len(bars_parse([HEADER, FIRST], "f")) == 1
    with pytest.raises(BarsError, match="more than 1 bars"):
        bars_parse([HEADER, FIRST, SECOND], "f")


def test_moved_bars_keep_their_distances_and_end_with_the_minute_before() -> None:
    moved = bars_ending(
        bars_parse([HEADER, FIRST, SECOND], "f"), datetime(2026, 5, 1, 12, 0, 59, tzinfo=UTC)
    )
    last = datetime(2026, 5, 1, 11, 59, tzinfo=UTC)
    assert [bar.opened_at for bar in moved] == [last - 2 * MINUTE, last]
    assert moved[0].close == Decimal("75921.45")
