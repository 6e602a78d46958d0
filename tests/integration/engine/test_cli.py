"""The command line against a real engine: rows, exit codes, tokens."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.cli.__main__ import ExitCode, main
from engine.proto.records import EventType
from tests.fixtures_engine import REPOSITORY, EngineFactory, EngineUnderTest

Cli = Callable[..., tuple[int, list[dict[str, Any]], str]]
LISTING = (
    "add-asset 1 BTC --decimals 8",
    "add-asset 2 USDT --decimals 8",
    "add-market 1 BTCUSDT --base BTC --quote USDT --tick-atoms 1000000 --lot-atoms 1000",
    "add-user 1",
    "add-user 2",
    "deposit 1 BTC 1000000000",
    "deposit 2 USDT 1000000000",
)


@pytest.fixture
def cli(engine: EngineUnderTest, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Run one command line with --json: exit code, rows, and what was said on stderr."""

    def run(line: str, *more: str) -> tuple[int, list[dict[str, Any]], str]:
        capsys.readouterr()
        code = main(["--engine", engine.address, "--json", *more, *line.split()])
        out, err = capsys.readouterr()
        return code, [json.loads(row) for row in out.splitlines()], err

    return run


@pytest.fixture
def exchange(cli: Cli) -> Cli:
    for line in LISTING:
        assert cli(line)[0] == ExitCode.OK
    return cli


def test_orders_can_be_placed_seen_and_cancelled(exchange: Cli) -> None:
    code, (placed,), _ = exchange("place BTCUSDT ASK 5 --user 1 --price 100")
    assert (code, placed["order_id"], placed["leaves_lots"], placed["fills"]) == (0, 1, 5, [])
    code, (taker,), _ = exchange("place BTCUSDT BID 2 --user 2 --type MARKET")
    assert (taker["executed_lots"], taker["leaves_lots"]) == (2, 0)
    assert [fill["price_ticks"] for fill in taker["fills"]] == [100]
    assert exchange("book BTCUSDT")[1] == [
        {"side": "ASK", "price_ticks": 100, "quantity_lots": 3, "orders": 1}
    ]
    code, (order,), _ = exchange("orders --user 1 --market BTCUSDT")
    assert (order["order_id"], order["side"], order["order_type"]) == (1, "ASK", "LIMIT")
    code, accounts, _ = exchange("balances 2")
    assert [
        (each["asset"], each["available_atoms"], each["locked_atoms"]) for each in accounts
    ] == [
        ("BTC", 2_000, 0),
        ("USDT", 999_998_000, 0),
    ]
    assert exchange("cancel BTCUSDT 1 --user 1")[0] == ExitCode.OK
    assert exchange("orders --user 1") == (0, [], "")
    code, (ticker,), _ = exchange("tickers BTCUSDT")
    assert (code, ticker["last_price_ticks"], ticker["volume_lots"]) == (0, 100, 2)
    code, (kline,), _ = exchange("klines BTCUSDT 1M")
    assert (code, kline["volume_lots"], kline["is_closed"]) == (0, 2, False)


def test_what_the_engine_is_can_be_seen(exchange: Cli) -> None:
    code, (status,), _ = exchange("status")
    assert (code, status["users"], status["kernel"]) == (0, 2, "reference")
    assert [asset["code"] for asset in exchange("assets")[1]] == ["BTC", "USDT"]
    (market,) = exchange("markets")[1]
    assert (market["symbol"], market["state"], market["tick_lot_atoms"]) == (
        "BTCUSDT",
        "TRADING",
        10,
    )
    assert exchange("set-state BTCUSDT HALT")[0] == ExitCode.OK
    assert exchange("markets")[1][0]["state"] == "HALT"


def test_events_are_listed_by_name(exchange: Cli) -> None:
    code, rows, _ = exchange("events --from 1 --to 4")
    assert code == ExitCode.OK
    assert [row["type"] for row in rows] == [
        *(EventType.ASSET_ADDED.name,) * 2,
        EventType.MARKET_ADDED.name,
        EventType.USER_ADDED.name,
    ]
    assert rows[0]["body"] == {
        "asset_id": 1,
        "decimals": 8,
        "max_total_atoms": 2**63 - 1,
        "text": "BTC",
    }
    assert exchange("events --from 999") == (0, [], "")


def test_each_end_has_its_exit_code_and_sentence(
    exchange: Cli, engine: EngineUnderTest, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, said = exchange("place BTCUSDT BID 5000 --user 2 --price 1000000")
    assert (code, said) == (
        ExitCode.REFUSED,
        "the engine refused the command: INSUFFICIENT_BALANCE\n",
    )
    assert exchange("book NOSUCH")[::2] == (ExitCode.NOT_FOUND, "market NOSUCH is unknown\n")
    code, _, said = exchange("place BTCUSDT BID 5 --user 2 --price 1 --client-order-id " + "x" * 41)
    assert code == ExitCode.USAGE
    assert said.startswith("text was 41 bytes")
    with pytest.raises(SystemExit, match="2"):
        main(["place", "BTCUSDT", "UP", "5"])
    assert engine.stop() == 0
    code, _, said = exchange("status", "--timeout", "0.3")
    assert (code, said) == (ExitCode.UNAVAILABLE, "the engine was not reached within 0.3 s\n")


def test_a_money_command_with_the_same_id_is_done_once(exchange: Cli) -> None:
    line = f"deposit 1 USDT 7 --business-id {'ab' * 16}"
    first, again = exchange(line)[1][0], exchange(line)[1][0]
    assert (first["replayed"], again["replayed"]) == (False, True)
    assert exchange("balances 1")[1][1]["available_atoms"] == 7


def test_tables_are_aligned_for_people(
    exchange: Cli, engine: EngineUnderTest, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert main(["--engine", engine.address, "assets"]) == ExitCode.OK
    assert capsys.readouterr().out.splitlines() == [
        "asset_id  code  decimals      max_total_atoms",
        "       1   BTC         8  9223372036854775807",
        "       2  USDT         8  9223372036854775807",
    ]


def test_a_token_is_made_and_used(
    engine_process: EngineFactory, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    token, tokens = tmp_path / "token", tmp_path / "tokens.toml"
    assert main(["token", "console", "--roles", "operator", "--out", str(token)]) == ExitCode.OK
    tokens.write_text(capsys.readouterr().out)
    assert re.fullmatch(r"[\w-]{43}\n", token.read_text())
    assert token.stat().st_mode & 0o777 == 0o600
    engine = engine_process("--token-file", str(tokens))
    common = ["--engine", engine.address, "--json"]
    assert main([*common, "--token-file", str(token), "add-user", "1"]) == ExitCode.OK
    capsys.readouterr()
    assert main([*common, "add-user", "2"]) == ExitCode.DENIED
    assert "this engine wants the metadata" in capsys.readouterr().err
    assert main(["token", "console", "--roles", "operator", "--out", str(token)]) == ExitCode.USAGE
    assert "File exists" in capsys.readouterr().err
    assert main(["token", "a", "--roles", "king", "--out", str(tmp_path / "b")]) == ExitCode.USAGE


def test_a_follower_goes_on_over_a_restart(
    engine_process: EngineFactory, free_address: str
) -> None:
    engine = engine_process("--listen", free_address)
    follower = subprocess.Popen(
        [
            *(sys.executable, "-m", "engine.cli", "--engine", free_address, "--json"),
            *("events", "--follow"),
        ],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
    )
    timer = threading.Timer(60, follower.kill)
    timer.start()
    try:
        assert follower.stdout is not None
        for number in (1, 2):
            assert main(["--engine", free_address, "add-user", str(number)]) == ExitCode.OK
            row = json.loads(follower.stdout.readline())
            assert (row["type"], row["body"]["user_id"]) == ("USER_ADDED", number)
            engine.kill()
            engine = engine_process("--listen", free_address)
    finally:
        timer.cancel()
        follower.kill()
        follower.wait()
        assert follower.stdout is not None
        follower.stdout.close()
