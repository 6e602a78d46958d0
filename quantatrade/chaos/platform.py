"""The platform's side of a campaign: its load, and what its books must say in the end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from quantatrade.bootstrap.ports import HOST, choose_ports
from quantatrade.bootstrap.state_directory import StateDirectory
from quantatrade.chaos.platform_books import PlatformBooks
from quantatrade.chaos.platform_load import PlatformError, PlatformLoad
from quantatrade.chaos.report import ChaosError, Report

CREDITED_TIMEOUT_S: Final = 180.0


class Platform:
    """Load and books of one installation."""

    def __init__(self, state: StateDirectory, known: Mapping[str, str], seed: int) -> None:
        ports = choose_ports(known)
        self._load = PlatformLoad(
            edge=f"http://{HOST}:{ports['edge']}",
            custodian=f"http://{HOST}:{ports['custodian']}",
            seed=seed,
        )
        self._books = PlatformBooks(
            database_url=known["DATABASE_URL"],
            custodian_file=state.part("custodian") / "custodian.sqlite",
        )

    async def begin(self, credit: Callable[[int, str, str], Awaitable[dict[str, Any]]]) -> None:
        """Start the load. ChaosError if its traders cannot begin."""
        try:
            await self._load.begin(credit)
        except PlatformError as error:
            raise ChaosError(str(error)) from error

    def check(self) -> None:
        """Raise what ended a part of the load."""
        try:
            self._load.check()
        except PlatformError as error:
            raise ChaosError(str(error)) from error

    async def prove_alive(self, killed: str) -> None:
        """See one order acknowledged and one deposit credited. ChaosError if they are not."""
        try:
            transfer = await self._load.probe()
        except PlatformError as error:
            raise ChaosError(f"after the kill of {killed}: {error}") from error
        if not await self._books.credited(transfer, CREDITED_TIMEOUT_S):
            raise ChaosError(f"after the kill of {killed} transfer {transfer} was not credited")

    async def stop(self) -> None:
        """End the load."""
        try:
            await self._load.stop()
        except PlatformError as error:
            raise ChaosError(str(error)) from error

    async def close(self) -> None:
        """End whatever is left of the load."""
        await self._load.close()

    async def settle(self, report: Report) -> list[str]:
        """Hold what was acknowledged and what arrived against the books; returns findings."""
        load = self._load
        lost, doubled, first_order = await self._books.orders(load.orders)
        uncredited, too_often, first_coin = await self._books.coins(CREDITED_TIMEOUT_S)
        report.lost += lost + uncredited
        report.doubled += doubled + too_often
        report.violations += len(load.violations)
        report.rest_orders, report.rest_retries = len(load.orders), load.retries
        report.deposits = len(self._books.arrived())
        report.socket_messages = load.messages
        return [each for each in (first_order, first_coin, *load.violations[:5]) if each]
