"""The supervisor: starts everything in order of dependence, keeps it running, stops it backwards.

One thread and one event loop; whoever starts it holds the installation's lock. Invariant: when
`run` returns, none of its processes is left, and if the supervisor itself is killed the kernel and
the guardian see to the same.
"""

import asyncio
import os
import signal
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from quantatrade.bootstrap.configuration import Configuration, write_environment
from quantatrade.bootstrap.failure import BootstrapError
from quantatrade.bootstrap.guard import Guard
from quantatrade.bootstrap.keeper import Keeper, StartError
from quantatrade.bootstrap.log_files import rotate
from quantatrade.bootstrap.preparation import Operator, run_preparation
from quantatrade.bootstrap.probes import tcp_probe
from quantatrade.bootstrap.processes import (
    PREPARE,
    all_processes,
    external_processes,
    require_free_ports,
)
from quantatrade.bootstrap.status import (
    HEALTHY,
    ProcessStatus,
    Status,
    process_birth,
    write_status,
)

STATUS_INTERVAL_S = 2.0
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Ready:
    """What there is to tell when everything is healthy."""

    status: Status
    operator: Operator | None


class Supervisor:
    """Runs one installation from start to stop."""

    def __init__(
        self,
        configuration: Configuration,
        *,
        say: Say,
        on_ready: Callable[[Ready], None],
        with_operator: bool,
    ) -> None:
        """Prepares nothing and starts nothing; `run` does."""
        self._configuration = configuration
        self._say = say
        self._on_ready = on_ready
        self._with_operator = with_operator
        self._phase = "starting"
        self._keepers: dict[str, Keeper] = {}
        self._external: dict[str, ProcessStatus] = {}
        self._prepared = asyncio.Event()
        self.operator: Operator | None = None
        self._status_failed = False
        self._stop_requests = 0
        self._stop_requested = asyncio.Event()
        self._guard = Guard()
        self._birth = process_birth(os.getpid())

    async def run(self) -> None:
        """Start, keep, stop. BootstrapError when the start fails (everything is stopped then)."""
        self._install_signals()
        require_free_ports(self._configuration)
        self._make_keepers()
        write_environment(self._configuration.state, self._configuration.management_environment())
        once = [self._prepare(), self._announce(), self._look_after_files()]
        steps = [asyncio.create_task(step) for step in once]
        keeping = [asyncio.create_task(self._keep(each)) for each in self._keepers.values()]
        try:
            await self._until_stopped([*steps, *keeping])
        finally:
            await _cancel(steps)
            await self._stop_all()
            await _cancel(keeping)
            self._guard.close()

    def status(self) -> Status:
        """The installation as it is now."""
        names = [*self._external, *self._keepers]
        return Status(
            phase=self._phase,
            pid=os.getpid(),
            console_url=f"{self._configuration.public_url}/admin/",
            processes=tuple(
                self._external[name] if name in self._external else self._keepers[name].status()
                for name in names
            ),
        )

    def _install_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in STOP_SIGNALS:
            loop.add_signal_handler(number, self._request_stop)
        loop.add_signal_handler(signal.SIGCHLD, self._check_exits)

    def _request_stop(self) -> None:
        self._stop_requests += 1
        self._stop_requested.set()
        if self._stop_requests > 1:
            self._say("second request to stop: killing what is left")
            for keeper in self._keepers.values():
                keeper.kill()

    def _check_exits(self) -> None:
        for keeper in self._keepers.values():
            keeper.check_exit()
        self._guard.check()

    def _make_keepers(self) -> None:
        for name, address in external_processes(self._configuration).items():
            self._external[name] = ProcessStatus(
                name=name,
                state="external",
                pid=None,
                address=address,
                health="not asked yet",
                restarts=0,
                uptime_s=None,
                log=None,
            )
        server = self._configuration.postgres_server()
        if not self._configuration.is_external("postgres") and not server.data.exists():
            self._say("making the database cluster …")
        for spec in all_processes(self._configuration):
            self._keepers[spec.name] = Keeper(
                spec,
                self._configuration.state.log(spec.name),
                say=self._say,
                changed=self._write_status,
                watch=self._guard.tell,
            )

    async def _until_stopped(self, tasks: list[asyncio.Task[None]]) -> None:
        """Return when asked to stop; raise what a task failed of."""
        stop = asyncio.create_task(self._stop_requested.wait())
        pending: set[asyncio.Task[Any]] = {stop, *tasks}
        try:
            while not stop.done():
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
        except StartError as error:
            raise BootstrapError(str(error)) from error
        finally:
            stop.cancel()

    async def _keep(self, keeper: Keeper) -> None:
        for name in keeper.spec.after:
            ready = self._prepared if name == PREPARE else self._keepers[name].has_been_healthy
            await ready.wait()
        await keeper.keep()

    async def _prepare(self) -> None:
        if "postgres" in self._keepers:
            await self._keepers["postgres"].has_been_healthy.wait()
        self._say("preparing the database …")
        self.operator = await run_preparation(
            self._configuration, with_operator=self._with_operator
        )
        self._say("the database is ready")
        self._prepared.set()

    async def _announce(self) -> None:
        for name in self._external:
            await self._require_external(name)
        for keeper in self._keepers.values():
            await keeper.has_been_healthy.wait()
        self._phase = "running"
        self._write_status()
        self._on_ready(Ready(status=self.status(), operator=self.operator))

    async def _require_external(self, name: str) -> None:
        reason = await self._probe_external(name)
        if reason is not None:
            raise StartError(
                f"The external {name} at {self._external[name].address} is not there ({reason}):"
                " start it, or correct its address."
            )

    async def _probe_external(self, name: str) -> str | None:
        reason = None
        if self._configuration.is_external(name):
            reason = await tcp_probe(*self._configuration.external_address(name))()
        self._external[name] = replace(self._external[name], health=reason or HEALTHY)
        return reason

    async def _look_after_files(self) -> None:
        """Rewrite the status, look at external servers and rotate logs, every few seconds."""
        while True:
            await asyncio.sleep(STATUS_INTERVAL_S)
            for name in self._external:
                await self._probe_external(name)
            for keeper in self._keepers.values():
                rotate(keeper.log)
            self._write_status()

    def _write_status(self) -> None:
        """A full disk must not end what runs: `status` then shows what was written last."""
        try:
            write_status(self._configuration.state, self.status())
        except OSError as error:
            if not self._status_failed:
                self._say(f"the status cannot be written: {error}")
            self._status_failed = True
        else:
            self._status_failed = False

    async def _stop_all(self) -> None:
        """Stop each process once nothing that depends on it is left."""
        self._phase = "stopping"
        self._say("stopping …")
        stopped = {name: asyncio.Event() for name in self._keepers}

        async def stop(name: str) -> None:
            for other in self._dependents(name):
                await stopped[other].wait()
            await self._keepers[name].stop()
            stopped[name].set()

        await asyncio.gather(*(stop(name) for name in self._keepers))
        self._phase = "stopped"
        self._write_status()
        self._say("everything is stopped")

    def _dependents(self, name: str) -> list[str]:
        needed = {name, PREPARE} if name == "postgres" else {name}
        return [
            other
            for other, keeper in self._keepers.items()
            if needed & {*keeper.spec.after, *keeper.spec.uses}
        ]


async def _cancel(tasks: Iterable[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
