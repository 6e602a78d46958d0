"""`manage.py replay_capture` against a real engine: it ends well, again and again, or names why."""

from __future__ import annotations

import asyncio
import json
import shutil
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from apps.markets.recorded import (
    RECORDING_DIRECTORY,
    SNAPSHOTS_FILE,
    STREAM_FILE,
    depth_snapshots,
    stream_messages,
)
from apps.trading.capture.errors import BookMismatchError, ReplayError
from apps.trading.capture.replay import CaptureReplay, ReplaySummary
from apps.trading.capture.setting import LIQUIDITY_USER_ID
from engine.client import EngineClient
from engine.proto.records import INT64_MAX, Side
from tests.fixtures_engine import EngineFactory, EngineUnderTest

FIGURES = {
    "markets": ["BLZETH", "LRCBTC", "NKNUSDT", "RUNEEUR"],
    "refined_markets": ["NKNUSDT"],
    "snapshots": 4,
    "updates_dropped": 5,
    "updates_applied": 172,
    "trades_checked": 2,
    "levels_compared": 270_639,
    "commands_sent": 5_099,
}


@pytest.fixture
def engine(engine_process: EngineFactory, settings: Settings) -> EngineUnderTest:
    """A fresh engine that the settings point at."""
    engine = engine_process()
    settings.ENGINE_ADDRESS = engine.address
    return engine


def quiet(_line: str) -> None:
    """Hear the replay's lines and say nothing."""


def run_replay(
    engine: EngineUnderTest, directory: Path, *, is_real_time: bool = False
) -> ReplaySummary:
    """Replay a recording into an engine."""

    async def run() -> ReplaySummary:
        async with EngineClient(engine.address) as client:
            replay = CaptureReplay(client, say=quiet, directory=directory)
            return await replay.run(is_real_time=is_real_time)

    return asyncio.run(run())


def replay_json(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Run the command and return its last line, which is JSON."""
    call_command("replay_capture", "--json")
    line = capsys.readouterr().out.rstrip("\n").split("\n")[-1]
    summary: dict[str, Any] = json.loads(line)
    return summary


def test_the_recorded_books_are_reproduced_and_a_second_run_starts_clean(
    engine: EngineUnderTest, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = replay_json(capsys), replay_json(capsys)
    for summary, canceled in ((first, 0), (second, 4_709)):
        assert {key: summary[key] for key in FIGURES} == FIGURES
        assert summary["orders_canceled_first"] == canceled
        assert summary["commands_s"] > 0

    async def state() -> None:
        async with EngineClient(engine.address) as client:
            totals = (await client.get_totals()).totals
            assert all(t.held_atoms == t.deposited_atoms for t in totals)
            assert len(totals) == 8
            held = (await client.get_balances(LIQUIDITY_USER_ID)).balances
            orders = (await client.list_open_orders(limit=100_000)).orders
            assert sum(b.locked_atoms for b in held) == sum(o.reserved_atoms for o in orders)

    asyncio.run(state())


def test_the_engine_holds_the_first_snapshot_in_decimal_as_recorded(
    engine: EngineUnderTest, tmp_path: Path
) -> None:
    directory = without_updates(tmp_path)

    async def compare() -> None:
        async with EngineClient(engine.address) as client:
            await CaptureReplay(client, say=quiet, directory=directory).run()
            markets = {market.symbol: market for market in await client.list_markets()}
            for snapshot in depth_snapshots():
                market = markets[snapshot.symbol]
                book = await client.get_book(market.market_id, depth=5_000)
                for levels, recorded in ((book.bids, snapshot.bids), (book.asks, snapshot.asks)):
                    held = {
                        Decimal(level.price_ticks * market.tick_atoms).scaleb(-8): Decimal(
                            level.quantity_lots * market.lot_atoms
                        ).scaleb(-8)
                        for level in levels
                    }
                    assert held == recorded

    asyncio.run(compare())


def test_orders_of_somebody_else_in_a_market_are_named_before_anything_is_placed(
    engine: EngineUnderTest, tmp_path: Path
) -> None:
    directory = without_updates(tmp_path)

    async def disturb() -> None:
        async with EngineClient(engine.address) as client:
            await CaptureReplay(client, say=quiet, directory=directory).run()
            with pytest.raises(
                ReplayError, match=r"^market NKNUSDT holds orders of other accounts, expected none$"
            ):
                await CaptureReplay(client, say=quiet, user_id=5, directory=directory).run()
            assert (await client.list_open_orders(user_id=5)).orders == ()

    asyncio.run(disturb())


def test_a_book_that_differs_ends_the_replay_and_names_symbol_update_and_level(
    engine: EngineUnderTest, tmp_path: Path
) -> None:
    directory = without_updates(tmp_path)

    class Meddled(CaptureReplay):
        """A replay beside which the account sends an order of its own."""

        async def _apply(self, step: Any) -> None:
            await super()._apply(step)
            if step.symbol == "BLZETH":
                desk = self._desks["BLZETH"]
                await self._engine.place(
                    user_id=LIQUIDITY_USER_ID,
                    market_id=desk.market_id,
                    side=Side.BID,
                    quantity_lots=10_000_000,
                    price_ticks=2,
                )

    async def run() -> ReplaySummary:
        async with EngineClient(engine.address) as client:
            return await Meddled(client, say=quiet, directory=directory).run()

    with pytest.raises(
        BookMismatchError,
        match=r"^BLZETH snapshot 281916627: bid level 174 is \(2, 10000000\) \(ticks, lots\), "
        r"the recording has \(1, 1000000\): 1000000\.00000000 at 0\.00000001$",
    ):
        asyncio.run(run())


def test_a_recorded_trade_that_the_book_could_not_have_made_ends_the_replay(
    engine: EngineUnderTest, tmp_path: Path
) -> None:
    directory = without_updates(tmp_path)
    lines = (RECORDING_DIRECTORY / STREAM_FILE).read_text().split("\n")
    trade = next(line for line in lines if '"nknusdt@aggTrade"' in line)
    (directory / STREAM_FILE).write_text(f"{lines[0]}\n{trade}\n")
    with pytest.raises(
        BookMismatchError,
        match=r"^NKNUSDT trade 15683430 took 580 lots at 35280 ticks, but the best ask level is "
        r"Level\(price_ticks=35250, quantity_lots=39590, orders=1\)$",
    ):
        run_replay(engine, directory)


def test_real_speed_keeps_the_recordings_own_time(engine: EngineUnderTest, tmp_path: Path) -> None:
    directory = without_updates(tmp_path)
    snapshots = directory / SNAPSHOTS_FILE
    snapshots.write_text(snapshots.read_text().split("\n")[0] + "\n")
    assert stream_messages(directory)[0].received_us == 1_633_998_512_063_356
    assert depth_snapshots(directory)[0].received_us == 1_633_998_512_320_639
    summary = run_replay(engine, directory, is_real_time=True)
    assert (summary.snapshots, summary.updates_dropped) == (1, 1)
    assert summary.elapsed_ms >= 257


def test_a_market_that_is_listed_on_another_grid_is_refused_and_left_alone(
    engine: EngineUnderTest,
) -> None:
    async def list_coarse() -> None:
        async with EngineClient(engine.address) as client:
            for asset_id, code in ((1, "NKN"), (2, "USDT")):
                await client.add_asset(
                    asset_id=asset_id, code=code, decimals=8, max_total_atoms=INT64_MAX
                )
            await client.add_market(
                market_id=1,
                symbol="NKNUSDT",
                base_asset_id=1,
                quote_asset_id=2,
                tick_atoms=10_000,
                lot_atoms=10**8,
            )

    asyncio.run(list_coarse())
    with pytest.raises(
        CommandError,
        match=r"^market NKNUSDT is listed with \(base, quote, tick, lot\) \(1, 2, 10000, "
        r"100000000\), expected \(1, 2, 1000, 10000000\)$",
    ):
        call_command("replay_capture")


def test_without_an_engine_address_the_command_says_what_is_missing(
    settings: Settings,
) -> None:
    settings.ENGINE_ADDRESS = ""
    with pytest.raises(CommandError, match=r"^ENGINE_ADDRESS is not set, expected"):
        call_command("replay_capture")


def without_updates(directory: Path) -> Path:
    """Return a copy of the recording that ends after its snapshots."""
    copy = directory / "recording"
    shutil.copytree(RECORDING_DIRECTORY, copy)
    stream = copy / STREAM_FILE
    stream.write_text("\n".join(stream.read_text().split("\n")[:2]) + "\n")
    return copy
