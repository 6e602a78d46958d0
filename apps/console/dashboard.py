"""The console's first page: every figure asked now, with its age.

Invariant: a source that does not answer makes its own part of the page say so, and no other; no
figure is ever a guess or a remainder of an earlier answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import structlog
from django.db import DatabaseError, connection, transaction
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.console.charts import Chart
from apps.console.dashboard_charts import charts_build
from apps.console.figures import volumes_since
from apps.console.lag import Lag, mirror_lag
from apps.core.engine_gateway import EngineUnavailableError, engine_status
from apps.core.models import ProcessState
from apps.core.readonly import display
from apps.core.readonly.pages import Column, Fact, TableSection
from apps.core.selectors import process_reports
from apps.core.types import EngineStatus, ProcessReport
from apps.mirror.console_reads import MirrorState, mirror_states
from apps.trading.console_reads import trades_named

QUERY_TIMEOUT_MS: Final = 2_000
LAST_TRADES: Final = 10
RELAY: Final = "relay"
SAMPLE_AGE_MAX_S: Final = 30.0
_STATE_TONES: Final = {
    ProcessState.READY.value: display.GOOD,
    ProcessState.NOT_READY.value: display.WARN,
    ProcessState.UNREACHABLE.value: display.BAD,
}
_LOG: Final = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Tile:
    """One large figure."""

    title: str
    value: SafeString | str
    note: SafeString | str = ""
    tone: str = display.QUIET


@dataclass(slots=True)
class Dashboard:
    """What the template shows. A part whose source is down is None and named in `failures`."""

    at: datetime
    engine: EngineStatus | None = None
    mirrors: list[MirrorState] = field(default_factory=list)
    lags: list[Lag] = field(default_factory=list)
    tiles: list[Tile] = field(default_factory=list)
    engine_facts: list[Fact] = field(default_factory=list)
    mirror_facts: list[tuple[str, list[Fact]]] = field(default_factory=list)
    processes: TableSection | None = None
    volumes: TableSection | None = None
    trades: TableSection | None = None
    reports: list[ProcessReport] = field(default_factory=list)
    charts: list[Chart] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)


def dashboard_callback(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add the dashboard to the index page's context (named in UNFOLD)."""
    del request
    return {**context, "title": "Dashboard", "dashboard": dashboard_build(datetime.now(UTC))}


def dashboard_build(now: datetime) -> Dashboard:
    """Ask every source and return the page's content."""
    board = Dashboard(at=now)
    _try(board, "mirror", _ask_mirrors)
    _try(board, "engine", _ask_engine)
    _try(board, "lag", _ask_lag)
    _try(board, "processes", _ask_processes)
    _try(board, "volumes", _ask_volumes)
    _try(board, "trades", _ask_trades)
    _try(board, "charts", _ask_charts)
    board.tiles = [
        _engine_tile(board),
        _relay_tile(board),
        _lag_tile(board),
        _checkpoint_tile(board),
        _orders_tile(board),
    ]
    return board


def _try(board: Dashboard, part: str, ask: Callable[[Dashboard], None]) -> None:
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = {QUERY_TIMEOUT_MS:d}")
            ask(board)
    except EngineUnavailableError as error:
        board.failures[part] = str(error)
    except DatabaseError as error:
        _LOG.warning("dashboard_part_failed", part=part, exc_info=error)
        board.failures[part] = f"the database did not answer within {QUERY_TIMEOUT_MS} ms"


def _ask_engine(board: Dashboard) -> None:
    engine = engine_status()
    board.engine = engine
    is_compiled = engine.kernel == "compiled"
    board.engine_facts = [
        Fact("Kernel", engine.kernel, "" if is_compiled else "slower than the compiled one"),
        Fact("Semantics", engine.semantics or display.NOTHING),
        Fact("Epoch", display.number(engine.epoch), "rises with each start"),
        Fact("Command sequence", display.number(engine.command_seq)),
        Fact("Event sequence", display.number(engine.event_seq)),
        Fact("Open orders", display.number(engine.open_orders)),
        Fact("Users", display.number(engine.users)),
        Fact("Accounts", display.number(engine.accounts), "user and asset"),
        Fact("Newest batch (UTC)", display.instant(engine.time_at), _age(board, engine.time_at)),
    ]


def _ask_mirrors(board: Dashboard) -> None:
    board.mirrors = mirror_states()
    for mirror in board.mirrors:
        link = display.record_link("mirror_engineevent", mirror.last_event_seq or None)
        head = mirror.chain.hex()
        facts = [
            Fact("Newest event in the books", link, _age(board, mirror.events_at)),
            Fact("Newest transaction", display.number(mirror.last_transaction)),
            Fact("Cursor moved (UTC)", display.instant(mirror.updated_at)),
            Fact(
                "Agreed at event",
                display.record_link("mirror_engineevent", mirror.last_checkpoint_seq or None),
                "balances compared by digest",
            ),
            Fact(
                "Chain head",
                format_html('<span class="qt-hex" title="{}">{}…</span>', head, head[:16]),
                "SHA-256 over all events",
            ),
        ]
        board.mirror_facts.append((mirror.name, facts))
    if not board.mirrors:
        board.failures["mirror"] = "no mirror has written to the books yet"


def _ask_lag(board: Dashboard) -> None:
    if board.engine is not None:
        board.lags = [mirror_lag(mirror, board.engine, board.at) for mirror in board.mirrors]


def _ask_processes(board: Dashboard) -> None:
    rows = []
    board.reports = process_reports()
    for report in board.reports:
        age_s = (board.at - report.checked_at).total_seconds()
        rows.append(
            [
                display.record_link("core_processhealth", report.process, report.process),
                display.pill(*_state(board, report)),
                display.number_with_unit(report.latency_ms, "ms"),
                _nowrap(f"{display.age_text(age_s)} ago"),
                format_html('<span class="qt-detail" title="{0}">{0}</span>', report.detail),
            ]
        )
    columns = [
        Column("Process"),
        Column("State"),
        Column("Answered in", is_numeric=True),
        Column("Looked at"),
        Column("Detail"),
    ]
    empty = "No look has been taken yet: the worker takes one every ten seconds."
    board.processes = TableSection("Processes", columns, rows, empty=empty)


def _ask_volumes(board: Dashboard) -> None:
    rows = [
        [
            volume.symbol,
            display.number(volume.trades),
            display.amount(volume.quote_volume, volume.quote_code),
        ]
        for volume in volumes_since(board.at - timedelta(hours=24))
    ]
    columns = [
        Column("Market"),
        Column("Trades", is_numeric=True),
        Column("Volume", is_numeric=True),
    ]
    board.volumes = TableSection(
        "Last 24 hours", columns, rows, empty="No trade in the last 24 hours."
    )


def _ask_trades(board: Dashboard) -> None:
    rows = [
        [
            display.record_link("trading_trade", trade.event_seq, trade.symbol),
            display.side(trade.taker_side),
            display.amount(trade.price, trade.quote),
            display.amount(trade.quantity, trade.base),
            _nowrap(_age(board, trade.executed_at)),
        ]
        for trade in trades_named()[:LAST_TRADES]
    ]
    columns = [
        Column("Market"),
        Column("Taker"),
        Column("Price", is_numeric=True),
        Column("Quantity", is_numeric=True),
        Column("Age"),
    ]
    board.trades = TableSection("Last trades", columns, rows, empty="No trade yet.")


def _ask_charts(board: Dashboard) -> None:
    board.charts = charts_build(board.at)


def _state(board: Dashboard, report: ProcessReport) -> tuple[str, str]:
    """Return (label, tone) of a look; one that is too old tells nothing."""
    if (board.at - report.checked_at).total_seconds() > SAMPLE_AGE_MAX_S:
        return "Unknown", display.QUIET
    return str(ProcessState(report.state).label), _STATE_TONES[report.state]


def _relay_tile(board: Dashboard) -> Tile:
    for report in board.reports:
        if report.process == RELAY:
            label, tone = _state(board, report)
            return Tile("Relay", label, report.detail or "publishes what is durable", tone)
    return Tile("Relay", "Unknown", "no look has been taken yet", display.QUIET)


def _engine_tile(board: Dashboard) -> Tile:
    engine = board.engine
    if engine is None:
        return Tile("Engine", "No answer", board.failures["engine"], display.BAD)
    note = f"{engine.kernel} kernel, answered in {engine.latency_ms} ms"
    tone = display.GOOD if engine.kernel == "compiled" else display.WARN
    return Tile("Engine", f"Epoch {engine.epoch:,}", note, tone)


def _lag_tile(board: Dashboard) -> Tile:
    if not board.lags:
        parts = [part for part in ("engine", "mirror", "lag") if part in board.failures]
        return Tile("Mirror lag", "Unknown", board.failures[parts[0]], display.BAD)
    ahead = min(board.lags, key=lambda lag: lag.events)
    if ahead.events < 0:
        return Tile("Mirror lag", "Ahead", ahead.reason or "", display.BAD)
    worst = max(board.lags, key=lambda lag: (lag.seconds, lag.events))
    noun = "event" if worst.events == 1 else "events"
    note = f"the oldest for {display.age_text(worst.seconds)}" if worst.events else "none missing"
    tone = display.GOOD if worst.reason is None else display.BAD
    return Tile("Mirror lag", f"{worst.events:,} {noun}", note, tone)


def _orders_tile(board: Dashboard) -> Tile:
    if board.engine is None:
        return Tile("Open orders", "Unknown", board.failures["engine"], display.BAD)
    return Tile("Open orders", f"{board.engine.open_orders:,}", "in the engine's books, now")


def _checkpoint_tile(board: Dashboard) -> Tile:
    if "mirror" in board.failures:
        return Tile("Books = engine", "Unknown", board.failures["mirror"], display.BAD)
    differing = [mirror.name for mirror in board.mirrors if mirror.differs]
    if differing:
        return Tile("Books = engine", "Differs", ", ".join(differing), display.BAD)
    oldest = min(board.mirrors, key=lambda mirror: mirror.last_checkpoint_seq)
    if not oldest.last_checkpoint_seq:
        return Tile("Books = engine", "Not yet compared", "no checkpoint so far", display.QUIET)
    note = f"compared at event {oldest.last_checkpoint_seq:,}"
    return Tile("Books = engine", "Agrees", note, display.GOOD)


def _age(board: Dashboard, instant: datetime | None) -> str:
    if instant is None:
        return ""
    return f"{display.age_text((board.at - instant).total_seconds())} ago"


def _nowrap(text: str) -> SafeString:
    return format_html('<span class="qt-nowrap">{}</span>', text)
