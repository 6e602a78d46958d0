"""Writes runs of events into the database, each run in one transaction with the cursor.

Exactly once: the transaction that stores what follows from events moves the cursor past them, so
either both happened or neither, however often and wherever the process dies. Invariant: the cursor
row is locked at its old position before anything is written, which keeps a second mirror of the
same name from writing the same events (`MirrorFencedError`).

A transaction ends at each CHECKPOINT, where the digest over all balances and the totals of the
assets must be the engine's. All errors but those of the connection leave the books where they were.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

import psycopg
from psycopg import Connection, Cursor

from apps.accounts.mirror_apply import accounts_store
from apps.core.copy_rows import time_us, utc
from apps.ledger.mirror_apply import (
    ChangedBalance,
    balances_store,
    postings_store,
    totals_load,
)
from apps.markets.catalogue import Catalogue
from apps.markets.mirror_apply import catalogue_load, catalogue_store
from apps.mirror import sql
from apps.mirror.archive import chained, pack_rows
from apps.mirror.derivation import (
    UNFINISHED_MAX,
    CheckpointSeen,
    Derivation,
    Event,
    orders_named,
    unfinished_at_end,
    unpacked,
)
from apps.mirror.digest import BalanceDigest
from apps.mirror.errors import (
    BooksRefusedError,
    ChainBrokenError,
    CheckpointMismatchError,
    DatabaseNotReadyError,
    HaltError,
    LowerEpochError,
    MirrorFencedError,
    PoisonEventError,
)
from apps.trading.mirror_apply import (
    StoredOrdersError,
    open_orders_load,
    orders_store,
    trades_store,
)
from apps.trading.orders import OrderBook
from engine.proto.records import RECORD_BYTES, CheckpointAsset, EventType
from engine.proto.stream import CHAIN_GENESIS

MIRROR_NAME: Final = "mirror.books"
CONNECT_TIMEOUT_S: Final = 5
STATEMENT_TIMEOUT_MS: Final = 60_000
_REFUSALS: Final = (
    psycopg.IntegrityError,
    psycopg.DataError,
    psycopg.InternalError,
    psycopg.ProgrammingError,
    psycopg.NotSupportedError,
)


class Position(NamedTuple):
    """The cursor row."""

    last_event_seq: int
    last_transaction: int
    epoch: int
    chain: bytes
    stream_seq: int
    digest: BalanceDigest
    last_checkpoint_seq: int


class EventRun(NamedTuple):
    """Consecutive events that follow the cursor.

    `links` are (event sequence, chain hash) pairs that their sender states; `stream_seq` is where
    in the stream they end, None if they came from the engine directly.
    """

    epoch: int
    first_event_seq: int
    events: bytes
    links: tuple[tuple[int, bytes], ...] = ()
    stream_seq: int | None = None


class Books:
    """One mirror's connection, its place, and what it knows of the markets.

    After any exception it is closed; `open` starts afresh from what the database says.
    """

    def __init__(self, url: str, name: str = MIRROR_NAME) -> None:
        self.name = name
        self.position = Position(0, 0, 0, CHAIN_GENESIS, 0, BalanceDigest(), 0)
        self.engine_event_seq = 0  # as last heard; stored with the cursor
        self.booked_us = 0  # stamp of the newest booked event, 0 if there is none
        self.was_opened = False
        self._url = url
        self._connection: Connection | None = None
        self._catalogue = Catalogue()
        self._checkpoint_assets: list[CheckpointAsset] = []
        self._unfinished: list[Event] = []

    def open(self) -> None:
        """Connect and take up the stored position.

        psycopg.OperationalError if there is no connection, DatabaseNotReadyError before migration.
        """
        self.close()
        self._connection = psycopg.connect(
            self._url,
            autocommit=True,  # transactions are opened where they are needed
            connect_timeout=CONNECT_TIMEOUT_S,
            application_name=self.name,
            options=f"-c statement_timeout={STATEMENT_TIMEOUT_MS} -c TimeZone=UTC",
        )
        try:
            self._take_up(self._connection)
        except psycopg.ProgrammingError as error:
            self.close()
            raise DatabaseNotReadyError(
                f"migrate the database first (manage.py migrate --database owner): {error}"
            ) from error
        self._checkpoint_assets = []
        self.was_opened = True

    def _take_up(self, connection: Connection) -> None:
        with connection.transaction():
            genesis = (self.name, CHAIN_GENESIS, BalanceDigest().packed)
            connection.execute(sql.CREATE_CURSOR, genesis)
            row = connection.execute(sql.READ_CURSOR, [self.name]).fetchone()
            if row is None:
                raise MirrorFencedError(f"the cursor {self.name} went away while it was read")
            self.position, events_at = _position(row)
            self.booked_us = 0 if events_at is None else time_us(events_at)
            self._catalogue = catalogue_load(connection)
            self._unfinished = self._load_unfinished(connection)

    def _load_unfinished(self, connection: Connection) -> list[Event]:
        """Return the newest archived events that wait for what follows them."""
        last = self.position.last_event_seq
        rows = connection.execute(sql.READ_NEWEST, (last, UNFINISHED_MAX)).fetchall()
        return unfinished_at_end(unpacked(b"".join(bytes(row[0]) for row in reversed(rows))))

    @property
    def is_open(self) -> bool:
        """Whether `apply` can be called."""
        return self._connection is not None

    def close(self) -> None:
        """Give the connection up; what was not committed is as if it never was."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def apply(self, run: EventRun) -> None:
        """Store a run, in one transaction or in one per checkpoint.

        Events up to the one that does not fit are stored before the HaltError about it is raised.
        """
        try:
            self._apply(run)
        except BaseException:
            self.close()
            raise

    def report(self) -> None:
        """Say in the cursor row that this mirror lives, and how far the engine is."""
        try:
            self._opened().execute(
                sql.REPORT, (self.engine_event_seq, self.name, self.position.last_event_seq)
            )
        except BaseException:
            self.close()
            raise

    def halt(self, error: HaltError) -> None:
        """Put on record why this mirror stands still. The books must be open."""
        connection = self._opened()
        mismatch = isinstance(error, CheckpointMismatchError)
        with connection.transaction():
            connection.execute(
                sql.HALT, (str(error), mismatch, self.name, self.position.last_event_seq)
            )

    def _opened(self) -> Connection:
        if self._connection is None:
            raise RuntimeError("the books are closed, expected open() before")
        return self._connection

    def _apply(self, run: EventRun) -> None:
        links = self._verified_links(run)
        events, poison = _until_poison(run.events)
        start = 0
        for end in _segment_ends(events):
            segment = _segment(run, events, links, start, end)
            try:
                self._store_or_refuse(segment)
            except PoisonEventError as error:
                self._store_sound_part(run, segment, links, error)
                raise
            start = end
        if poison is not None:
            raise poison

    def _store_sound_part(
        self, run: EventRun, segment: _Segment, links: Sequence[bytes], error: PoisonEventError
    ) -> None:
        """Store what comes before the event that does not fit."""
        first = segment.events[0][0].event_seq
        if error.event_seq > first:
            self._catalogue = catalogue_load(self._opened())
            start = first - run.first_event_seq
            sound = segment.events[: error.event_seq - first]
            self._store_or_refuse(
                segment._replace(
                    events=sound,
                    records=segment.records[: len(sound) * RECORD_BYTES],
                    links=links[start : start + len(sound)],
                    stream_seq=None,
                )
            )

    def _verified_links(self, run: EventRun) -> list[bytes]:
        expected = self.position.last_event_seq + 1
        if run.first_event_seq != expected:
            raise ValueError(f"the run began at {run.first_event_seq}, expected {expected}")
        if run.epoch < self.position.epoch:
            raise LowerEpochError(
                f"events from {run.first_event_seq} on are of epoch {run.epoch}, "
                f"the books have epoch {self.position.epoch}"
            )
        links = chained(self.position.chain, run.events)
        for event_seq, stated in run.links:
            own = links[event_seq - run.first_event_seq]
            if own != stated:
                raise ChainBrokenError(
                    f"the chain hash at event {event_seq} was {stated.hex()}, "
                    f"expected {own.hex()} after event {self.position.last_event_seq}"
                )
        return links

    def _store_or_refuse(self, segment: _Segment) -> None:
        try:
            self._store(segment)
        except (*_REFUSALS, StoredOrdersError) as error:
            first, last = segment.events[0][0].event_seq, segment.events[-1][0].event_seq
            raise BooksRefusedError(
                f"the database refused what follows from events {first}..{last}: "
                f"{type(error).__name__}: {error}"
            ) from error

    def _store(self, segment: _Segment) -> None:
        connection = self._opened()
        with connection.transaction(), connection.cursor() as cursor:
            self._hold(cursor)
            named = orders_named(segment.events)
            stored = open_orders_load(connection, self._catalogue, sorted(named)) if named else []
            derived = Derivation(
                self._catalogue, OrderBook(stored), self._checkpoint_assets, self._unfinished
            )
            derived.apply_all(segment.events)
            with cursor.copy(sql.ADD_EVENTS) as copy:
                copy.write(pack_rows(segment.records, segment.links))
            changed = self._write(cursor, derived)
            digest = self.position.digest.after(changed)
            if derived.checkpoint is not None:
                self._compare(cursor, derived.checkpoint, digest)
            position = self._moved(segment, derived, digest)
            self._move(cursor, position, segment.events[-1][0].time_us)
        self.position = position
        self.booked_us = segment.events[-1][0].time_us
        self._checkpoint_assets = derived.checkpoint_assets
        self._unfinished = derived.unfinished

    def _hold(self, cursor: Cursor) -> None:
        held = cursor.execute(sql.HOLD_CURSOR, (self.name, self.position.last_event_seq))
        if held.fetchone() is None:
            raise MirrorFencedError(
                f"the cursor {self.name} is no longer at event {self.position.last_event_seq}: "
                "another mirror moved it"
            )

    def _write(self, cursor: Cursor, derived: Derivation) -> list[ChangedBalance]:
        if derived.accounts:
            accounts_store(cursor, derived.accounts)
        catalogue_store(cursor, self._catalogue)
        assets = self._catalogue.assets
        postings_store(cursor, derived.postings, self.position.last_transaction, assets)
        if derived.settings:
            rows = [(*key, event_seq) for key, event_seq in derived.settings.items()]
            cursor.execute(sql.STORE_SETTINGS, [list(each) for each in zip(*rows, strict=True)])
        trades_store(cursor, derived.fills)
        orders_store(cursor, derived.orders)
        return balances_store(cursor, derived.balances, assets)

    def _compare(self, cursor: Cursor, seen: CheckpointSeen, digest: BalanceDigest) -> None:
        seq = seen.header.event_seq
        if (digest.packed, digest.row_count) != (seen.body.digest, seen.body.row_count):
            raise CheckpointMismatchError(
                f"at checkpoint {seq} the balances have digest {digest.packed.hex()} over "
                f"{digest.row_count} rows, the engine's {seen.body.digest.hex()} over "
                f"{seen.body.row_count}"
            )
        asset_ids = [asset.asset_id for asset in seen.assets]
        stored = totals_load(cursor, asset_ids, self._catalogue.assets) if asset_ids else []
        for was, expected in zip(stored, seen.assets, strict=True):
            if tuple(was) != tuple(expected):
                raise CheckpointMismatchError(
                    f"at checkpoint {seq} the books have {was}, the engine {expected}"
                )

    def _moved(self, segment: _Segment, derived: Derivation, digest: BalanceDigest) -> Position:
        now, checkpoint = self.position, derived.checkpoint
        return Position(
            last_event_seq=segment.events[-1][0].event_seq,
            last_transaction=now.last_transaction + len(derived.postings),
            epoch=segment.epoch,
            chain=segment.links[-1],
            stream_seq=now.stream_seq if segment.stream_seq is None else segment.stream_seq,
            digest=digest,
            last_checkpoint_seq=(
                now.last_checkpoint_seq if checkpoint is None else checkpoint.header.event_seq
            ),
        )

    def _move(self, cursor: Cursor, to: Position, at_us: int) -> None:
        is_checkpoint = to.last_checkpoint_seq == to.last_event_seq
        cursor.execute(
            sql.MOVE_CURSOR,
            (
                *to[:5],
                to.digest.packed,
                to.digest.row_count,
                to.last_checkpoint_seq,
                is_checkpoint,
                max(self.engine_event_seq, to.last_event_seq),
                utc(at_us),
                self.name,
                self.position.last_event_seq,
            ),
        )
        if cursor.rowcount != 1:
            raise MirrorFencedError(
                f"{cursor.rowcount} cursors {self.name} were at event "
                f"{self.position.last_event_seq}, expected exactly one"
            )


def _position(row: tuple[Any, ...]) -> tuple[Position, datetime | None]:
    """Return what `sql.READ_CURSOR` gave."""
    seq, transaction, epoch, chain, stream_seq, digest, row_count, checkpoint_seq, at = row
    balances = BalanceDigest.unpack(digest, row_count)
    return Position(seq, transaction, epoch, chain, stream_seq, balances, checkpoint_seq), at


class _Segment(NamedTuple):
    """The part of a run that one transaction stores."""

    epoch: int
    events: Sequence[Event]
    records: bytes
    links: Sequence[bytes]
    stream_seq: int | None


def _segment(
    run: EventRun, events: Sequence[Event], links: Sequence[bytes], start: int, end: int
) -> _Segment:
    is_last = end * RECORD_BYTES == len(run.events)
    return _Segment(
        epoch=run.epoch,
        events=events[start:end],
        records=run.events[start * RECORD_BYTES : end * RECORD_BYTES],
        links=links[start:end],
        stream_seq=run.stream_seq if is_last else None,
    )


def _until_poison(records: bytes) -> tuple[list[Event], PoisonEventError | None]:
    """Return the events that can be read, and the error of the first that cannot."""
    events: list[Event] = []
    try:
        events.extend(unpacked(records))
    except PoisonEventError as error:
        return events, error
    return events, None


def _segment_ends(events: Sequence[Event]) -> list[int]:
    """Return where transactions end: after each checkpoint and at the end."""
    ends = [
        index
        for index, (header, _) in enumerate(events, start=1)
        if header.type == EventType.CHECKPOINT
    ]
    if events and (not ends or ends[-1] != len(events)):
        ends.append(len(events))
    return ends
