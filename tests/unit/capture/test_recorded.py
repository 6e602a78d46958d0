"""The recording ships whole and reads exactly; a line that does not read is named."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from apps.markets.recorded import (
    RECORDING_DIRECTORY,
    SNAPSHOTS_FILE,
    STREAM_FILE,
    AggregateTrade,
    DepthUpdate,
    RecordingError,
    depth_snapshots,
    exchange_symbols,
    stream_messages,
)


def test_the_files_are_those_whose_digests_the_provenance_states() -> None:
    text = (RECORDING_DIRECTORY / "PROVENANCE.md").read_text()
    stated = dict(re.findall(r"\| `([a-z_]+\.log)` \| `([0-9a-f]{64})` \|", text))
    found = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in RECORDING_DIRECTORY.glob("*.log")
    }
    assert len(stated) == 3
    assert stated == found


def test_the_recording_holds_six_symbols_four_snapshots_and_177_updates() -> None:
    assert list(exchange_symbols()) == [
        "NKNUSDT", "BLZETH", "LRCBTC", "RUNEEUR", "BTCUSDT", "ETHUSDT",
    ]  # fmt: skip
    assert [(s.symbol, s.last_update_id, len(s.bids), len(s.asks)) for s in depth_snapshots()] == [
        ("NKNUSDT", 499869752, 609, 1000),
        ("BLZETH", 281916627, 174, 1000),
        ("LRCBTC", 259345543, 176, 1000),
        ("RUNEEUR", 15602511, 221, 468),
    ]
    assert Counter(type(message) for message in stream_messages()) == {
        DepthUpdate: 177,
        AggregateTrade: 2,
    }


def test_prices_and_quantities_are_the_decimals_as_written() -> None:
    first = stream_messages()[0]
    assert first == DepthUpdate(
        symbol="NKNUSDT",
        received_us=1_633_998_512_063_356,
        first_update_id=499869750,
        last_update_id=499869752,
        bids={
            Decimal("0.35130000"): Decimal("6195.00000000"),
            Decimal("0.34750000"): Decimal("5548.00000000"),
            Decimal("0.34640000"): Decimal("6222.00000000"),
        },
        asks={},
    )


def test_a_trade_states_which_side_rested() -> None:
    trades = [message for message in stream_messages() if isinstance(message, AggregateTrade)]
    assert [(t.symbol, t.price, t.quantity, t.is_buyer_maker) for t in trades] == [
        ("NKNUSDT", Decimal("0.35280000"), Decimal("58.00000000"), False),
        ("LRCBTC", Decimal("0.00000638"), Decimal("177.00000000"), False),
    ]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("not a line", "not enough values"),
        ("1.0: {", "Expecting"),
        ('1.0: {"stream":"x@trade","data":{}}', "expected depth, trades, tickers or klines"),
        ('1.0: {"stream":"x@depth@100ms","data":{"s":"X","U":1,"u":2}}', "'b'"),
        (
            '1.0: {"stream":"x@depth@100ms","data":{"s":"X","U":1,"u":2,"b":[["x","1"]],"a":[]}}',
            "ConversionSyntax",
        ),
        (
            '1.0: {"stream":"x@depth@100ms","data":{"s":"X","U":1,"u":2,"b":[["1","-1"]],"a":[]}}',
            "quantity below 0",
        ),
        (
            '1.0: {"stream":"x@depth@100ms","data":{"s":"","U":1,"u":2,"b":[["1","1"],["1","2"]]}}',
            "expected each once",
        ),
    ],
)
def test_a_line_that_does_not_read_is_named(tmp_path: Path, line: str, problem: str) -> None:
    (tmp_path / STREAM_FILE).write_text(f"wss://address\n{line}\n")
    with pytest.raises(RecordingError, match=f"^{STREAM_FILE} line 2 does not read: .*{problem}"):
        stream_messages(tmp_path)


def test_a_snapshot_cut_short_is_named(tmp_path: Path) -> None:
    shutil.copy(RECORDING_DIRECTORY / SNAPSHOTS_FILE, tmp_path)
    path = tmp_path / SNAPSHOTS_FILE
    path.write_text(path.read_text().rstrip()[:-10])
    with pytest.raises(RecordingError, match=f"^{SNAPSHOTS_FILE} line 4 does not read"):
        depth_snapshots(tmp_path)
