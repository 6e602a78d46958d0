"""Derives every row of the books afresh from the archived events and compares it with the stored.

Works in one pass over the archive with all tables read beside it in the order of events, so memory
holds one run of events, the open orders and the balances, whatever the length of history.
Invariant: the first difference ends the pass and is named by event, table, column, was, expected.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from typing import Final

from apps.accounts import sql as accounts_sql
from apps.core.copy_rows import numeric
from apps.ledger import sql as ledger_sql
from apps.ledger.balances import AssetFlow, Held
from apps.ledger.mirror_apply import (
    ChangedBalance,
    account_id,
    header_row,
    leg_rows,
)
from apps.markets.catalogue import Catalogue
from apps.markets.mirror_apply import catalogue_load
from apps.mirror import sql as mirror_sql
from apps.mirror.archive import ArchivedEvent, unpack_rows
from apps.mirror.derivation import Derivation, SettingKey, unpacked
from apps.mirror.digest import BalanceDigest
from apps.mirror.errors import PoisonEventError
from apps.mirror.verification import sql
from apps.mirror.verification.report import ViolationError
from apps.mirror.verification.snapshot import Snapshot, StoredRows, lines
from apps.trading import sql as trading_sql
from apps.trading.orders import OrderBook
from apps.trading.rows import history_row, open_row, trade_row
from engine.proto.records import EVENT_HEADER, RECORD_BYTES, EventType
from engine.proto.stream import CHAIN_GENESIS, chain_extend

RUN_EVENTS_MAX: Final = 2_000
_CHECKPOINT: Final = int(EventType.CHECKPOINT)


class BookState:
    """The books at one event, as they follow from the events before it. Pure."""

    def __init__(self) -> None:
        self.derived = Derivation(Catalogue(), OrderBook())
        self.last_event_seq = 0
        self.chain = CHAIN_GENESIS
        self.balances: dict[tuple[int, int], Held] = {}
        self.flows: dict[int, AssetFlow] = {}
        self.accounts: dict[int, tuple[str, int]] = {}
        self.settings: dict[SettingKey, int] = {}
        self.digest = BalanceDigest()
        self.transactions = 0
        self.checkpoints = 0

    def take(self, records: bytes) -> None:
        """Take in the events that follow; `derived` holds what they give until `settle`.

        ViolationError for an event that does not fit.
        """
        try:
            self.derived.apply_all(unpacked(records))
        except PoisonEventError as error:
            raise ViolationError(str(error)) from error
        self.chain = chain_extend(self.chain, records)
        self.last_event_seq += len(records) // RECORD_BYTES

    def advance(self, records: bytes) -> None:
        """Take in and settle events, each checkpoint at its own place."""
        start = 0
        for end in range(RECORD_BYTES, len(records) + 1, RECORD_BYTES):
            kind = EVENT_HEADER.unpack_from(records, end - RECORD_BYTES)[3]
            is_full = end - start >= RUN_EVENTS_MAX * RECORD_BYTES
            if kind == _CHECKPOINT or is_full or end == len(records):
                self.take(records[start:end])
                self.settle()
                start = end

    def settle(self) -> None:
        """Bring balances, totals, accounts and digest up to date, and forget the rest."""
        changed = []
        for key, change in self.derived.balances.accounts.items():
            old = self.balances.get(key, Held())
            new = Held(old.total + change.total, old.locked + change.locked, change.last_event_seq)
            self.balances[key] = new
            changed.append(
                ChangedBalance(*key, old.available, old.locked, new.available, new.locked)
            )
        for asset_id, flow in self.derived.balances.flows.items():
            before = self.flows.get(asset_id, AssetFlow())
            self.flows[asset_id] = AssetFlow(*map(sum, zip(before, flow, strict=True)))
        for account in self.derived.accounts:
            added = self.accounts.get(account.user_id, (account.status, account.event_seq))[1]
            self.accounts[account.user_id] = (account.status, added)
        self.settings.update(self.derived.settings)
        self.digest = self.digest.after(changed)
        self.transactions += len(self.derived.postings)
        self._compare_checkpoint()
        self.derived.drain()

    def _compare_checkpoint(self) -> None:
        seen = self.derived.checkpoint
        if seen is None:
            return
        self.checkpoints += 1
        if (self.digest.packed, self.digest.row_count) != (seen.body.digest, seen.body.row_count):
            raise ViolationError(
                f"checkpoint {seen.header.event_seq}: the events give digest "
                f"{self.digest.packed.hex()} over {self.digest.row_count} rows, the engine stated "
                f"{seen.body.digest.hex()} over {seen.body.row_count}"
            )


def rederive(snapshot: Snapshot) -> BookState:
    """Compare all rows; return the books at the end of the archive."""
    state = BookState()
    with ExitStack() as stack:

        def table(name: str, columns: tuple[str, ...], statement: str) -> StoredRows:
            return StoredRows(name, columns, lines(stack.enter_context(snapshot.blocks(statement))))

        tables = _Tables(
            headers=table("ledger_transaction", ledger_sql.HEADER_COLUMNS, ledger_sql.DUMP_HEADERS),
            legs=table("ledger_leg", ledger_sql.LEG_COLUMNS, ledger_sql.DUMP_LEGS),
            trades=table("trading_trade", trading_sql.TRADE_COLUMNS, trading_sql.DUMP_TRADES),
            history=table(
                "trading_orderhistory", trading_sql.HISTORY_COLUMNS, trading_sql.DUMP_HISTORY
            ),
        )
        archive = unpack_rows(stack.enter_context(snapshot.blocks(sql.DUMP_ARCHIVE)))
        for run in _runs(archive):
            records = _checked_records(run, state)
            state.take(records)
            tables.compare(state)
            state.settle()
        tables.expect_end()
    _compare_state(snapshot, state)
    return state


class _Tables:
    """The tables in which each event's rows stand in the order of events."""

    def __init__(
        self, *, headers: StoredRows, legs: StoredRows, trades: StoredRows, history: StoredRows
    ) -> None:
        self.headers, self.legs, self.trades, self.history = headers, legs, trades, history

    def compare(self, state: BookState) -> None:
        derived, assets = state.derived, state.derived.catalogue.assets
        for number, posting in enumerate(derived.postings, start=state.transactions + 1):
            event = f"event {posting.event_seq}"
            self.headers.expect(header_row(posting, number), event)
            for row in leg_rows(posting, number, assets):
                self.legs.expect(row, event)
        for fill in derived.fills:
            self.trades.expect(trade_row(fill), f"event {fill.event_seq}")
        for closed in sorted(
            derived.orders.closed, key=lambda each: (each.closed_event_seq, each.order.order_id)
        ):
            self.history.expect(history_row(closed), f"event {closed.closed_event_seq}")

    def expect_end(self) -> None:
        for table in (self.headers, self.legs, self.trades, self.history):
            table.expect_end()


def _runs(archive: Iterator[ArchivedEvent]) -> Iterator[list[ArchivedEvent]]:
    """Cut the archive after each checkpoint, and after a number of events."""
    run: list[ArchivedEvent] = []
    try:
        for event in archive:
            run.append(event)
            if event.type == _CHECKPOINT or len(run) >= RUN_EVENTS_MAX:
                yield run
                run = []
    except ValueError as error:
        raise ViolationError(str(error)) from error
    if run:
        yield run


def _checked_records(run: Iterable[ArchivedEvent], state: BookState) -> bytes:
    """Return the events' bytes. ViolationError unless each is the next one, links to the one before
    it by its chain hash, and its columns say what its bytes say."""
    expected, chain = state.last_event_seq, state.chain
    parts = []
    for event in run:
        expected += 1
        if event.event_seq != expected:
            raise ViolationError(
                f"event {expected}: mirror_engineevent.event_seq was {event.event_seq}, "
                f"expected {expected}"
            )
        chain = chain_extend(chain, event.record)
        if event.chain != chain:
            raise ViolationError(
                f"event {expected}: mirror_engineevent.chain was {event.chain.hex()}, "
                f"expected {chain.hex()}"
            )
        event_seq, command_seq, time_us, kind, *_ = EVENT_HEADER.unpack_from(event.record)
        columns = (event.event_seq, event.command_seq, event.type, event.time_us)
        if columns != (event_seq, command_seq, kind, time_us):
            raise ViolationError(
                f"event {expected}: mirror_engineevent (event_seq, command_seq, type, time_us) was "
                f"{columns}, expected {(event_seq, command_seq, kind, time_us)} as in its record"
            )
        parts.append(event.record)
    return b"".join(parts)


def _compare_state(snapshot: Snapshot, state: BookState) -> None:
    """Compare the tables that hold what is true now."""
    event = f"after event {state.last_event_seq}"
    assets, orders = state.derived.catalogue.assets, state.derived.orders.open
    _compare_catalogue(catalogue_load(snapshot.connection), state.derived.catalogue, event)
    _compare_table(
        snapshot,
        ("trading_openorder", trading_sql.OPEN_COLUMNS, trading_sql.DUMP_OPEN),
        (open_row(order) for _, order in sorted(orders.items())),
        event,
    )
    _compare_table(
        snapshot,
        ("accounts_tradingaccount", sql.ACCOUNT_COLUMNS, accounts_sql.DUMP_ACCOUNTS),
        ((str(user), status, str(seq)) for user, (status, seq) in sorted(state.accounts.items())),
        event,
    )
    _compare_table(
        snapshot,
        ("mirror_enginesetting", mirror_sql.SETTING_COLUMNS, mirror_sql.DUMP_SETTINGS),
        ((*map(str, key), str(event_seq)) for key, event_seq in sorted(state.settings.items())),
        event,
    )
    _compare_table(
        snapshot,
        ("ledger_balance", sql.BALANCE_COLUMNS, sql.DUMP_BALANCES),
        (
            _balance_row(key, held, assets[key[1]].decimals)
            for key, held in sorted(state.balances.items())
        ),
        event,
    )
    _compare_table(
        snapshot,
        ("ledger_assettotal", sql.TOTAL_COLUMNS, sql.DUMP_TOTALS),
        _total_rows(state),
        event,
    )


def _compare_table(
    snapshot: Snapshot,
    table: tuple[str, tuple[str, ...], str],
    rows: Iterable[tuple[str, ...]],
    event: str,
) -> None:
    name, columns, statement = table
    with snapshot.blocks(statement) as blocks:
        stored = StoredRows(name, columns, lines(blocks))
        for row in rows:
            stored.expect(row, event)
        stored.expect_end()


def _balance_row(key: tuple[int, int], held: Held, decimals: int) -> tuple[str, ...]:
    user_id, asset_id = key
    return (
        str(account_id(user_id, asset_id)),
        str(user_id),
        str(asset_id),
        numeric(held.total, decimals),
        numeric(held.available, decimals),
        numeric(held.locked, decimals),
        str(held.last_event_seq),
    )


def _total_rows(state: BookState) -> Iterator[tuple[str, ...]]:
    held: dict[int, int] = dict.fromkeys(state.flows, 0)
    for (_, asset_id), balance in state.balances.items():
        held[asset_id] = held.get(asset_id, 0) + balance.total
    for asset_id, flow in sorted(state.flows.items()):
        decimals = state.derived.catalogue.assets[asset_id].decimals
        amounts = (held[asset_id], *flow)
        yield (str(asset_id), *(numeric(each, decimals) for each in amounts))


def _compare_catalogue(stored: Catalogue, derived: Catalogue, event: str) -> None:
    for table, was, expected in (
        ("markets_asset", stored.assets, derived.assets),
        ("markets_market", stored.markets, derived.markets),
    ):
        if was.keys() != expected.keys():
            raise ViolationError(
                f"{event}: {table} has ids {sorted(was)}, expected {sorted(expected)}"
            )
        for key in sorted(was):
            for column, found, right in zip(was[key]._fields, was[key], expected[key], strict=True):
                if found != right:
                    raise ViolationError(
                        f"{event}: {table}.{column} of id {key} was {found}, expected {right}"
                    )
