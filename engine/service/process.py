"""One engine process from start to end: lock, bind, replay, wait for peers, serve, stop.

Invariant: it is ready (health SERVING, /readyz 200) only after the journal, behind a snapshot that
proved itself or from its beginning, was replayed with identical events and the known peers were
heard or waited for. Whatever makes the truth doubtful
ends the process at once, with a sentence and an exit code of its own.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import time
from typing import Final

import structlog
from grpc import aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from engine.journal.replay import ReplayStoppedError, recover
from engine.journal.writer import Journal
from engine.kernel import load_kernel
from engine.kernel.interface import Kernel
from engine.proto import engine_pb2 as pb
from engine.proto import engine_pb2_grpc as pb_grpc
from engine.service import metrics
from engine.service.admin import AdminService
from engine.service.config import EngineConfig
from engine.service.core import Sequencer
from engine.service.errors import (
    EXPECTED_ERRORS,
    ExitCode,
    KernelFailedError,
    PeerAheadError,
    PortTakenError,
    exit_code,
)
from engine.service.events import EventService
from engine.service.gate import Gate
from engine.service.market.collector import BarCollector
from engine.service.market_data import MarketDataService
from engine.service.orders import OrderService
from engine.service.peers import Peers
from engine.service.queries import QueryService
from engine.service.sessions import Sessions
from engine.service.snapshots import SnapshotStarter
from engine.service.tls import server_credentials
from engine.service.tokens import Tokens
from engine.telemetry import TelemetryServer, serve_telemetry

SEND_BYTES_MAX: Final = 256 << 20  # one order may sweep a whole book
GRACE_S: Final = 2.0
LAST_WORDS_S: Final = 0.2
SWITCH_INTERVAL_S: Final = 0.0005  # the writer must not wait 5 ms for the interpreter
SERVICES: Final = tuple(pb.DESCRIPTOR.services_by_name)
_STANDARD_SERVICES: Final = (health.SERVICE_NAME, reflection.SERVICE_NAME)

TOKENS_CHECK_S: Final = 1.0

_OPTIONS: Final = (
    ("grpc.so_reuseport", 0),
    ("grpc.max_send_message_length", SEND_BYTES_MAX),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
)
log = structlog.get_logger(__name__)


async def run_engine(config: EngineConfig) -> ExitCode:
    """Run until SIGTERM or SIGINT. Errors in EXPECTED_ERRORS say in one sentence what is wrong."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    engine = EngineProcess(config)
    try:
        await engine.start()
        return await engine.wait()
    finally:
        await engine.stop()


class EngineProcess:
    """The composition of journal, kernel, sequencer and gRPC server."""

    def __init__(self, config: EngineConfig) -> None:
        self._config = config
        self._kernel = load_kernel(config.kernel)  # empty, until the journal has been recovered
        self._journal = Journal(
            config.data_dir, segment_bytes=config.segment_bytes, accept_loss=config.accept_loss
        )
        self._loop = asyncio.get_running_loop()
        self._sequencer = Sequencer(self._kernel, self._journal, die)
        self._peers = Peers(config.data_dir)
        self._events = EventService(
            config.data_dir, self._sequencer, self._peers, self._fall_behind
        )
        self._sessions = Sessions(config.data_dir, self._sequencer)
        self._bars = BarCollector(config.data_dir, self._sequencer)
        self._tokens = None if config.token_file is None else Tokens(config.token_file)
        self._server = aio.server(
            interceptors=() if self._tokens is None else (Gate(self._tokens),),
            options=(
                *_OPTIONS,
                ("grpc.max_receive_message_length", config.message_bytes),
                ("grpc.max_concurrent_streams", config.concurrent_streams),
            ),
        )
        self._health = health.aio.HealthServicer()  # type: ignore[attr-defined] # not in the stubs
        self._telemetry: TelemetryServer | None = None
        self._snapshots = SnapshotStarter(
            config.data_dir,
            config.kernel,
            every_bytes=config.snapshot_bytes,
            archive_dir=config.archive_dir,
        )
        self._stop_asked = asyncio.Event()
        self._behind: PeerAheadError | None = None

    async def start(self) -> None:
        """Bind, then replay; commands are taken only from the end of this on."""
        for signum in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(signum, self._stop_asked.set)
        if self._tokens is not None:
            self._loop.add_signal_handler(signal.SIGHUP, self._tokens.reload)
            self._loop.call_later(TOKENS_CHECK_S, self._check_tokens, self._tokens)
        address = await self._bind()
        try:
            self._kernel = await asyncio.to_thread(self._recover)
        except ReplayStoppedError:
            return
        self._sequencer.start(self._kernel)
        self._bars.start()
        self._snapshots.start()
        missing = self._peers.missing
        if missing:
            self._sequencer.close(
                f"the engine waits for {', '.join(missing)} to greet it",
                pb.Error.WAITING_FOR_PEERS,
            )
            await self._wait_for_peers(missing)
        if self._stop_asked.is_set():
            return
        self._sequencer.open()
        self._sessions.close_left_over()
        await self._set_health(health_pb2.HealthCheckResponse.SERVING)
        log.info(
            "ready",
            address=address,
            kernel=self._kernel.name,
            epoch=self._journal.epoch,
            event_seq=self._journal.event_seq,
        )

    def _check_tokens(self, tokens: Tokens) -> None:
        tokens.reload_if_changed()
        self._loop.call_later(TOKENS_CHECK_S, self._check_tokens, tokens)

    def _recover(self) -> Kernel:
        config, started = self._config, time.monotonic()
        kernel = recover(
            self._journal,
            config.data_dir,
            lambda: load_kernel(config.kernel),
            self._stop_asked.is_set,
            accept_loss=config.accept_loss,
        )
        metrics.START_SECONDS.set(round(time.monotonic() - started, 3))
        return kernel

    async def _wait_for_peers(self, missing: list[str]) -> None:
        log.info("waiting_for_peers", peers=missing, seconds=self._config.peer_wait_s)
        heard = asyncio.create_task(self._peers.wait(self._config.peer_wait_s))
        stopped = asyncio.create_task(self._stop_asked.wait())
        await asyncio.wait((heard, stopped), return_when=asyncio.FIRST_COMPLETED)
        if heard.done() and not heard.result():
            log.warning("peers_missing", peers=self._peers.missing)
        heard.cancel()
        stopped.cancel()

    async def _bind(self) -> str:
        config, server, sequencer = self._config, self._server, self._sequencer
        pb_grpc.add_OrderServiceServicer_to_server(OrderService(sequencer, self._sessions), server)
        pb_grpc.add_AdminServiceServicer_to_server(AdminService(sequencer), server)
        pb_grpc.add_QueryServiceServicer_to_server(QueryService(sequencer), server)
        pb_grpc.add_EventServiceServicer_to_server(self._events, server)
        pb_grpc.add_MarketDataServiceServicer_to_server(
            MarketDataService(sequencer, self._events, self._bars), server
        )
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        package = pb.DESCRIPTOR.package
        reflection.enable_server_reflection(
            (*(f"{package}.{name}" for name in SERVICES), *_STANDARD_SERVICES), server
        )
        await self._set_health(health_pb2.HealthCheckResponse.NOT_SERVING)
        host = config.listen.rpartition(":")[0]
        try:
            if config.tls is None:
                port = server.add_insecure_port(config.listen)
            else:
                port = server.add_secure_port(config.listen, server_credentials(config.tls))
        except RuntimeError as error:
            raise PortTakenError(
                f"address {config.listen} cannot be used, another program may have it: {error}"
            ) from error
        if config.telemetry_port is not None:
            try:
                self._telemetry = serve_telemetry(config.telemetry_port, self._not_ready)
            except OSError as error:
                raise PortTakenError(
                    f"telemetry port {config.telemetry_port} cannot be used: {error.strerror}"
                ) from error
        await server.start()
        address = f"{host}:{port}"
        telemetry_port = self._telemetry.port if self._telemetry else None
        log.info(
            "listening",
            address=address,
            telemetry_port=telemetry_port,
            tls=config.tls is not None,
            tokens=config.token_file is not None,
        )
        return address

    def _not_ready(self) -> str | None:
        return self._sequencer.refusal

    async def _set_health(self, status: health_pb2.HealthCheckResponse.ServingStatus) -> None:
        package = pb.DESCRIPTOR.package
        await self._health.set("", status)
        for service in SERVICES:
            await self._health.set(f"{package}.{service}", status)

    def _fall_behind(self, error: PeerAheadError) -> None:
        """A peer knows events that this journal has not: acknowledge nothing more, and end."""
        if self._behind is not None:
            return
        self._behind = error
        self._sequencer.halt(str(error))
        self._loop.call_later(LAST_WORDS_S, self._stop_asked.set)  # the peer gets its answer first

    async def wait(self) -> ExitCode:
        """Wait for the end: a signal, or a peer that is ahead (PeerAheadError)."""
        await self._stop_asked.wait()
        if self._behind is not None:
            raise self._behind
        return ExitCode.OK

    async def stop(self) -> None:
        """Take nothing more, finish what is queued, and release everything."""
        if self._behind is not None:
            die(self._behind)
        self._sequencer.close("the engine is stopping")
        await self._set_health(health_pb2.HealthCheckResponse.NOT_SERVING)
        await self._sequencer.stop()
        await self._bars.stop()
        await asyncio.to_thread(self._snapshots.stop)
        await self._server.stop(GRACE_S)
        self._events.close()
        self._journal.close()
        if self._config.snapshot_at_stop and self._sequencer.started:
            await asyncio.to_thread(self._snapshots.make_last)
        if self._telemetry is not None:
            self._telemetry.close()
        log.info("stopped", event_seq=self._journal.event_seq)


def die(error: Exception) -> None:
    """End the process at once, releasing no further answer."""
    if not isinstance(error, EXPECTED_ERRORS):
        failed = KernelFailedError(f"the writer failed: {error!r}")
        failed.__cause__ = error
        error = failed
    log.critical("engine_died", detail=str(error), exc_info=error.__cause__)
    logging.shutdown()
    os._exit(exit_code(error))
