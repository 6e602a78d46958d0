"""One campaign: start an installation, load it, kill, wait for recovery, verify, report.

Invariant: a kill counts as recovered only when the supervisor reports every process healthy, the
killed one under another process id, *and* a new command has been acknowledged and has reached the
books.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from quantatrade.bootstrap.configuration import ROOT, read_environment
from quantatrade.bootstrap.ports import HOST
from quantatrade.bootstrap.ports import NAMES as PORT_NAMES
from quantatrade.bootstrap.state_directory import StateDirectory
from quantatrade.bootstrap.status import ProcessStatus, current_status
from quantatrade.chaos.books import Books, Findings
from quantatrade.chaos.load import USERS, Load
from quantatrade.chaos.platform import Platform
from quantatrade.chaos.report import ChaosError, Report

TARGETS: Final = ("engine", "relay", "mirror", "nats", "redis", "postgres")
PLATFORM_TARGETS: Final = ("web", "edge", "worker", "beat", "custodian")
PLATFORM_USERS: Final = 3  # at the engine itself, so that traders at the edge have their share
CREDIT_TIMEOUT_S: Final = 120.0
START_TIMEOUT_S: Final = 300.0
STOP_TIMEOUT_S: Final = 150.0
RECOVERY_TIMEOUT_S: Final = 90.0
VERIFY_TIMEOUT_S: Final = 900.0
VERIFY_EVERY: Final = 25
BREATH_S: Final = (0.2, 1.0)
POLL_S: Final = 0.05
PORT_BASES: Final = (20_000, 30_000)
PORT_BASE_ATTEMPTS: Final = 50
_STORES: Final = ("DATABASE_URL", "DATABASE_OWNER_URL", "DATABASE_MIRROR_URL", "REDIS_URL")
_ELSEWHERE: Final = (*_STORES, "NATS_URL", "ENGINE_ADDRESS", "QT_PUBLIC_URL", "QT_WEB_URL")

Say = Callable[[str], None]


def kill_plan(targets: tuple[str, ...], kills: int, seed: int) -> list[str]:
    """Whom to kill, in order: every target as often as the others, shuffled by the seed."""
    rounds = -(-kills // len(targets))
    dice = random.Random(seed)  # noqa: S311 - repeatable on purpose
    plan: list[str] = []
    for _ in range(rounds):
        once = list(targets)
        dice.shuffle(once)
        plan += once
    return plan[:kills]


class Campaign:
    """An installation of its own in `directory`; `run` does all of it."""

    def __init__(
        self, directory: Path, *, plan: list[str], seed: int, say: Say, port_base: int | None = None
    ) -> None:
        self._state = StateDirectory(directory)
        self._plan = plan
        self._seed = seed
        self._say = say
        self._dice = random.Random(seed + 1)  # noqa: S311
        self._environment = _environment(directory, port_base or _free_ports())
        self._platform: Platform | None = None
        self.report = Report()

    async def run(self) -> Report:
        """Start, load, kill, verify; the installation is stopped whatever happens."""
        self._say("starting an installation to be killed")
        try:
            await self._manage("up", "--no-demo", "--detach", timeout_s=START_TIMEOUT_S)
            await self._campaign()
        finally:
            await self._manage("down", timeout_s=STOP_TIMEOUT_S, check=False)
        return self.report

    async def _campaign(self) -> None:
        addresses = read_environment(self._state)
        books = Books(addresses["DATABASE_URL"])
        has_platform = bool(set(self._plan) & set(PLATFORM_TARGETS))
        users = PLATFORM_USERS if has_platform else USERS
        load = Load(addresses["ENGINE_ADDRESS"], self._seed, users=users)
        await load.begin(RECOVERY_TIMEOUT_S)
        try:
            if has_platform:
                self._platform = Platform(self._state, addresses, self._seed)
                await self._platform.begin(self._credit)
            for number, name in enumerate(self._plan, 1):
                await asyncio.sleep(self._dice.uniform(*BREATH_S))
                await self._kill(name, load, books)
                recovery_s = self.report.recoveries_s[-1]
                self._say(
                    f"{number}/{len(self._plan)} {name}: back in {recovery_s:.1f} s, "
                    f"{load.commands} commands acknowledged"
                )
                if number % VERIFY_EVERY == 0 and number < len(self._plan):
                    await self._verify()
            last = await load.probe()
            if self._platform is not None:
                await self._platform.stop()
        finally:
            if self._platform is not None:
                await self._platform.close()
            await load.stop()
        await self._close_books(load, books, last)

    async def _credit(self, user_id: int, asset: str, amount: str) -> dict[str, Any]:
        _, told = await self._manage(
            "credit", "--user", str(user_id), "--asset", asset, "--amount", amount, "--json",
            timeout_s=CREDIT_TIMEOUT_S,
        )  # fmt: skip
        facts: dict[str, Any] = json.loads(told.splitlines()[-1])
        return facts

    async def _kill(self, name: str, load: Load, books: Books) -> None:
        """SIGKILL one process and wait until everything works again."""
        victim = self._process(name)
        if victim.pid is None:
            raise ChaosError(f"{name} was {victim.state} before its turn")
        os.kill(victim.pid, signal.SIGKILL)
        killed_at = time.monotonic()
        while not self._is_back(victim):
            load.check()
            if self._platform is not None:
                self._platform.check()
            if time.monotonic() - killed_at > RECOVERY_TIMEOUT_S:
                unwell = [
                    f"{each.name} {each.state} {each.health}"
                    for each in current_status(self._state).processes
                    if each.health != "healthy"
                ]
                raise ChaosError(
                    f"{name} was killed; after {RECOVERY_TIMEOUT_S:g} s not healthy: {unwell}"
                )
            await asyncio.sleep(POLL_S)
        event_seq = await load.probe()
        row = await books.reach(event_seq, RECOVERY_TIMEOUT_S)
        if row is None or row.halted_reason or row.last_event_seq < event_seq:
            raise ChaosError(f"after the kill of {name} the books stand at {row}, not {event_seq}")
        if self._platform is not None:
            await self._platform.prove_alive(name)
        self.report.kills += 1
        self.report.recoveries_s.append(time.monotonic() - killed_at)

    def _process(self, name: str) -> ProcessStatus:
        for each in current_status(self._state).processes:
            if each.name == name:
                return each
        raise ChaosError(f"{name} is not a process of this installation")

    def _is_back(self, victim: ProcessStatus) -> bool:
        return (
            current_status(self._state).is_healthy
            and self._process(victim.name).restarts > victim.restarts
        )

    async def _verify(self) -> None:
        """The full proof, while the load goes on."""
        code, output = await self._manage("verify", "all", timeout_s=VERIFY_TIMEOUT_S, check=False)
        if code:
            self.report.violations += 1
            self.report.drift += "engine = ledger" in output.splitlines()[-1]
            self._say(f"verify all failed:\n{output}")

    async def _close_books(self, load: Load, books: Books, last: int) -> None:
        """Compare all that was acknowledged with the archive, then prove everything once more."""
        newest = max(
            [last, *(int.from_bytes(records[-128:][:8], "little") for records in load.acknowledged)]
        )
        row = await books.reach(newest, RECOVERY_TIMEOUT_S)
        if row is None or row.last_event_seq < newest:
            raise ChaosError(f"the books stand at {row}, the last answer was event {newest}")
        findings: Findings = await books.compare(load.acknowledged)
        if findings.first:
            self._say(f"first finding: {findings.first}")
        self.report.lost, self.report.doubled, self.report.gaps = findings[:3]
        self.report.acknowledged = load.commands
        self.report.retries = load.retries
        if self._platform is not None:
            for finding in await self._platform.settle(self.report):
                self._say(f"finding: {finding}")
        await self._verify()

    async def _manage(
        self, *arguments: str, timeout_s: float, check: bool = True
    ) -> tuple[int, str]:
        """Run a manage.py command of the installation; returns its exit status and output."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(ROOT / "manage.py"),
            *arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=self._environment,
        )
        try:
            output, _ = await asyncio.wait_for(process.communicate(), timeout_s)
        except TimeoutError:
            process.kill()
            raise ChaosError(f"manage.py {' '.join(arguments)} took over {timeout_s:g} s") from None
        text = output.decode(errors="replace").strip()
        code = process.returncode or 0
        if check and code:
            raise ChaosError(f"manage.py {' '.join(arguments)} ended with {code}:\n{text}")
        return code, text


def _environment(directory: Path, port_base: int) -> Mapping[str, str]:
    """Ours, pointing at the campaign's own state and ports."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in _ELSEWHERE and not (name.startswith("QT_") and name.endswith("_PORT"))
    }
    return {**kept, "QT_VAR": str(directory), "QT_PORT_BASE": str(port_base)}


def _free_ports() -> int:
    """The first of a row of ports that nobody listens on; not by the seed, so that two campaigns
    that start together part."""
    for _ in range(PORT_BASE_ATTEMPTS):
        base = random.randrange(*PORT_BASES, len(PORT_NAMES))  # noqa: S311
        if all(_is_free(base + offset) for offset in range(len(PORT_NAMES))):
            return base
    raise ChaosError(f"no {len(PORT_NAMES)} free ports in a row between {PORT_BASES}")


def _is_free(port: int) -> bool:
    with socket.socket() as trial:
        try:
            trial.bind((HOST, port))
        except OSError:
            return False
    return True
