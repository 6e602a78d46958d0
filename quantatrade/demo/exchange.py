"""The whole demo at work: prepares, logs in, funds, and lets everybody trade.

Invariant: all tasks live as long as the process. One that ends by a defect ends all of them, and
the supervisor starts the demo again.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import httpx
import structlog

from apps.markets.listings import MarketListing, recorded_market_listings
from engine.client import EngineClient
from quantatrade.bootstrap.demo_logins import MAKER, PERSON, TAKER, DemoLogin
from quantatrade.demo import maker as market_maker
from quantatrade.demo import trader as market_trader
from quantatrade.demo.feed import Feed
from quantatrade.demo.funds import ROUND_S, Funds, Network
from quantatrade.demo.grid import Grid, grid_of
from quantatrade.demo.maker import Maker, Quoted
from quantatrade.demo.recorded import (
    BAR_FILES,
    HISTORY_BARS,
    recorded_bars,
    recorded_middles,
    tick_bars,
)
from quantatrade.demo.reference import MeanRevertingWalk, RecordedPath, Reference
from quantatrade.demo.rest import TIMEOUT_S, Account, answer_of, rest_client
from quantatrade.demo.steady import NotNowError, Progress, steadily, until_done
from quantatrade.demo.trader import Trader

PREPARE_TIMEOUT_S: Final = 90.0
LISTEN_PAUSE_S: Final = 1.0
LOGINS_AT_ONCE: Final = 1
MARKETS_OF_A_TRADER: Final = 2
_LOG: Final = structlog.get_logger("quantatrade.demo")


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Where the exchange is, who trades, and the seed of all that is random."""

    edge_url: str
    engine_address: str
    custodian_url: str
    logins: list[DemoLogin]
    seed: str

    def logins_for(self, part: str) -> list[DemoLogin]:
        """Return the logins for a part."""
        return [each for each in self.logins if each.part == part]


class Demo:
    """One run, from nothing to a market that moves."""

    def __init__(self, terms: Terms, progress: Progress) -> None:
        self._terms = terms
        self._progress = progress
        self._facts: dict[str, Any] = {}
        self._grids: list[Grid] = []
        self._prices: dict[str, Decimal] = {}
        self._door = asyncio.Semaphore(LOGINS_AT_ONCE)

    async def _open(self, account: Account) -> None:
        """Log in, one after the other: checking a password is made to be costly."""

        async def in_turn() -> None:
            async with self._door:
                await account.open()

        await until_done(account.name, in_turn)
        await until_done(account.name, account.become_active)

    async def run(self) -> None:
        """Trade until canceled."""
        async with (
            rest_client(self._terms.edge_url) as api,
            httpx.AsyncClient(timeout=TIMEOUT_S, trust_env=False) as custodian,
            EngineClient(self._terms.engine_address) as engine,
        ):
            await until_done("prepare", self._prepare)
            await until_done("markets", lambda: self._read_markets(api))
            self._progress.note()
            networks = {code: Network(**facts) for code, facts in self._facts["networks"].items()}
            funds = Funds(custodian, self._terms.custodian_url, networks)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._make_markets(api, engine, funds))
                takers = self._terms.logins_for(TAKER)
                for number, login in enumerate(takers):
                    tasks.create_task(self._trade(api, funds, login, number))
                for login in self._terms.logins_for(PERSON):
                    tasks.create_task(self._endow(api, funds, login))

    async def _prepare(self) -> None:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "quantatrade.demo.prepare",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(PREPARE_TIMEOUT_S):
                answer, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode != 0:
            raise NotNowError(f"the preparation ended with exit status {process.returncode}")
        self._facts = json.loads(answer.decode().splitlines()[-1])

    async def _read_markets(self, api: httpx.AsyncClient) -> None:
        listings = recorded_market_listings()
        stated = answer_of(await api.get("markets"))["items"]
        markets = {each["symbol"]: each for each in stated}
        middles = recorded_middles()
        self._grids = []
        for symbol, listing in listings.items():
            grid = grid_of(markets[symbol], **_steps(listing))
            self._grids.append(grid)
            if symbol in BAR_FILES:
                self._prices[symbol] = recorded_bars(symbol)[HISTORY_BARS].open
            else:
                self._prices[symbol] = middles[symbol]

    async def _make_markets(
        self, api: httpx.AsyncClient, engine: EngineClient, funds: Funds
    ) -> None:
        """Fund the maker, then quote for ever and look after its funds."""
        (login,) = self._terms.logins_for(MAKER)
        account = Account(api, login)
        await self._open(account)
        targets = market_maker.maker_funds(self._grids, self._prices)
        markets: list[Quoted] = []

        async def find_markets() -> None:
            markets[:] = await self._quoted(engine)

        await until_done("maker", find_markets)
        maker = Maker(
            engine,
            account.user_id,
            markets,
            targets,
            progress=self._progress,
            seed=self._terms.seed,
        )
        _LOG.info("maker_is_ready", user_id=account.user_id, markets=len(markets))
        await _all_of(
            steadily("maker", maker.round, lambda: market_maker.ROUND_S),
            steadily("maker's funds", lambda: funds.top_up(account, targets), lambda: ROUND_S),
        )

    async def _quoted(self, engine: EngineClient) -> list[Quoted]:
        decimals = {each.asset_id: each.decimals for each in await engine.list_assets()}
        listed = {each.symbol: each for each in await engine.list_markets()}
        return [
            Quoted(
                grid=grid,
                market_id=listed[grid.symbol].market_id,
                base_id=listed[grid.symbol].base_asset_id,
                quote_id=listed[grid.symbol].quote_asset_id,
                base_decimals=decimals[listed[grid.symbol].base_asset_id],
                reference=self._reference(grid, listed[grid.symbol].last_price_ticks),
            )
            for grid in self._grids
        ]

    def _reference(self, grid: Grid, last_ticks: int) -> Reference:
        seed = f"{self._terms.seed}/{grid.symbol}"
        if grid.symbol not in BAR_FILES:
            middle = grid.ticks_of(self._prices[grid.symbol])
            return MeanRevertingWalk(middle, seed=seed, start_ticks=last_ticks or None)
        began_ms = self._facts["began_ms"].get(grid.symbol, time.time_ns() // 1_000_000)
        bars = tick_bars(recorded_bars(grid.symbol), grid.tick)
        return RecordedPath(bars, start=HISTORY_BARS, anchor_ms=began_ms, seed=seed)

    async def _trade(
        self, api: httpx.AsyncClient, funds: Funds, login: DemoLogin, number: int
    ) -> None:
        """One trader in a few neighbouring markets, so that each market has several traders."""
        account = Account(api, login)
        await self._open(account)
        count = len(self._grids)
        grids = [self._grids[(number + each) % count] for each in range(MARKETS_OF_A_TRADER)]
        targets = market_trader.trader_funds(grids, self._prices)
        socket_url = f"{self._terms.edge_url.replace('http', 'ws', 1)}/ws/"
        feed = Feed(socket_url, account, [grid.symbol for grid in grids])
        seed = f"{self._terms.seed}/{account.name}"
        trader = Trader(account, feed, grids, progress=self._progress, seed=seed)
        _LOG.info("trader_is_ready", name=account.name, markets=[each.symbol for each in grids])
        await _all_of(
            steadily(account.name, lambda: funds.top_up(account, targets), lambda: ROUND_S),
            steadily(f"{account.name}'s socket", feed.listen, lambda: LISTEN_PAUSE_S),
            steadily(account.name, trader.act, trader.pause_s),
        )

    async def _endow(self, api: httpx.AsyncClient, funds: Funds, login: DemoLogin) -> None:
        """Give the login for people something to trade with, once."""
        account = Account(api, login)
        await self._open(account)
        targets = market_trader.trader_funds(self._grids, self._prices)

        async def endow() -> None:
            if not (await account.get("deposits", limit=1))["items"]:
                await funds.top_up(account, targets)

        await until_done(account.name, endow)


def _steps(listing: MarketListing) -> Mapping[str, int]:
    """The venue's own steps, on our grid, which may be finer."""
    return {
        "tick_step": listing.published_tick_atoms // listing.tick_atoms,
        "lot_step": listing.published_lot_atoms // listing.lot_atoms,
    }


async def _all_of(*endless: Any) -> None:
    async with asyncio.TaskGroup() as tasks:
        for each in endless:
            tasks.create_task(each)
