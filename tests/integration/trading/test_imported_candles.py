"""A market's past from elsewhere: before its first own trade, marked, and never counted here."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from django.core.management import CommandError, call_command

from tests.integration.trading.test_candles import (
    MINUTE_US,
    TEN,
    TEN_US,
    Mirror,
    day,
    mirror,
    trade,
)

if TYPE_CHECKING:
    from tests.integration.console.exchange_day import ExchangeDay

__all__ = ["day", "mirror"]

HEADER: Final = "timestamp,open,high,low,close,volume"
MINUTE: Final = timedelta(minutes=1)


def line(at: datetime, opening: str, high: str, low: str, close: str, volume: str) -> str:
    return f"{int(at.timestamp()) * 1000},{opening},{high},{low},{close},{volume}"


@pytest.fixture
def history(tmp_path: Path) -> Path:
    """Three minutes, of which the last opens two minutes after the first two."""
    path = tmp_path / "history.csv"
    lines = (
        line(TEN - 9 * MINUTE, "100", "120", "90", "110", "3"),
        line(TEN - 8 * MINUTE, "110", "111", "109", "110.5", "0.25"),
        line(TEN - 5 * MINUTE, "111", "115", "110", "114", "1"),
    )
    path.write_text("\n".join((HEADER, *lines)) + "\n")
    return path


def imported(*arguments: str) -> dict[str, Any]:
    output = StringIO()
    call_command("import_klines", *arguments, "--json", stdout=output)
    stated: dict[str, Any] = json.loads(output.getvalue())
    return stated


def candles(symbol_market_id: int, interval: str, now: datetime, **more: Any) -> list[Any]:
    from apps.core.amounts import plain
    from apps.trading.candles import candles_get

    return [
        (
            f"{candle.opened_at:%H:%M}",
            *map(plain, (candle.open, candle.high, candle.low, candle.close, candle.volume)),
            None if candle.quote_volume is None else plain(candle.quote_volume),
            candle.trades,
            candle.imported,
        )
        for candle in candles_get(symbol_market_id, interval, now=now, **more)
    ]


def test_imported_minutes_are_the_past_and_marked_as_such(
    day: ExchangeDay, mirror: Mirror, history: Path
) -> None:
    mirror.catch_up()
    assert imported("BTCUSDT", str(history)) == {
        "symbol": "BTCUSDT",
        "candles": 3,
        "began_at": (TEN - 9 * MINUTE).isoformat(),
        "ended_at": (TEN - 4 * MINUTE).isoformat(),
    }
    trade(day, TEN_US + 10_000_000, 20_000, 10_000)
    mirror.catch_up()
    found = candles(1, "1m", TEN + MINUTE - timedelta(seconds=1), limit=11)
    assert found == [
        ("09:51", "100", "120", "90", "110", "3", None, 0, True),
        ("09:52", "110", "111", "109", "110.5", "0.25", None, 0, True),
        ("09:53", *["110.5"] * 4, "0", "0", 0, False),
        ("09:54", *["110.5"] * 4, "0", "0", 0, False),
        ("09:55", "111", "115", "110", "114", "1", None, 0, True),
        *[(f"09:{minute}", *["114"] * 4, "0", "0", 0, False) for minute in (56, 57, 58, 59)],
        ("10:00", *["200"] * 4, "1", "200", 1, False),
    ]
    late = candles(1, "1m", TEN, start=TEN - 3 * MINUTE, limit=1)
    assert late == [("09:57", *["114"] * 4, "0", "0", 0, False)]


def test_an_interval_of_both_kinds_joins_them_and_says_so(
    day: ExchangeDay, mirror: Mirror, history: Path
) -> None:
    mirror.catch_up()
    imported("BTCUSDT", str(history))
    trade(day, TEN_US - 2 * MINUTE_US, 8_000, 20_000)
    mirror.catch_up()
    assert candles(1, "1h", TEN, limit=2) == [
        ("09:00", "100", "120", "80", "80", "6.25", None, 1, True),
        ("10:00", *["80"] * 4, "0", "0", 0, False),
    ]


def test_the_ticker_knows_nothing_of_them(day: ExchangeDay, mirror: Mirror, history: Path) -> None:
    from apps.trading.tickers import ticker_get

    mirror.catch_up()
    imported("BTCUSDT", str(history))
    ticker = ticker_get(1, "BTCUSDT", now=TEN)
    assert ticker.last_price is None
    assert (int(ticker.volume), ticker.trades) == (0, 0)


def test_moved_to_an_instant_they_end_there(
    day: ExchangeDay, mirror: Mirror, history: Path
) -> None:
    mirror.catch_up()
    stated = imported("BTCUSDT", str(history), "--ending", "2026-02-01T12:00:30Z", "--bars", "2")
    assert (stated["candles"], stated["ended_at"]) == (2, "2026-02-01T12:00:00+00:00")


def test_what_cannot_be_the_past_is_refused_and_changes_nothing(
    day: ExchangeDay, mirror: Mirror, history: Path
) -> None:
    from apps.audit.models import OutboxRow
    from apps.trading.models import ImportedCandle

    trade(day, TEN_US - 5 * MINUTE_US, 8_000, 20_000)
    mirror.catch_up()
    records = OutboxRow.objects.count()
    refusals = {
        ("BTCUSDT", str(history)): "expected before BTCUSDT traded here first",
        ("NONEUSDT", str(history)): "There is no market",
        ("BTCUSDT", str(history), "--ending", "2100-01-01T00:00Z"): "which is to come",
        ("BTCUSDT", str(history), "--ending", "noon"): "--ending was 'noon'",
        ("BTCUSDT", str(history), "--bars", "0"): "there were 0 bars",
        ("BTCUSDT", "/nonexistent.csv"): "No such file",
    }
    for arguments, message in refusals.items():
        with pytest.raises(CommandError, match=message):
            imported(*arguments)
    assert (ImportedCandle.objects.count(), OutboxRow.objects.count()) == (0, records)


def test_the_same_minutes_are_taken_once_and_on_record(
    day: ExchangeDay, mirror: Mirror, history: Path
) -> None:
    from apps.audit.models import OutboxRow
    from apps.trading.imports import history_of
    from apps.trading.models import ImportedCandle

    mirror.catch_up()
    assert history_of("BTCUSDT") is None
    imported("BTCUSDT", str(history), "--source", "a real venue")
    with pytest.raises(CommandError, match="has imported candles at these times already"):
        imported("BTCUSDT", str(history))
    assert ImportedCandle.objects.count() == 3
    found = history_of("BTCUSDT")
    assert found is not None
    assert (found.candles, found.ended_at) == (3, TEN - 4 * MINUTE)
    (content,) = OutboxRow.objects.values_list("content", flat=True)
    record = json.loads(content)
    assert (record["action"], record["object_id"]) == ("market.import_candles", "BTCUSDT")
    assert record["after"]["source"] == "a real venue"
