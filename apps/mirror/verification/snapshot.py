"""One consistent view of the database, read by several connections at once.

Invariant: everything read through one `Snapshot` is as of the same moment, whatever the mirror
writes meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final

import psycopg
from psycopg import Connection

from apps.mirror.verification.report import ViolationError

CONNECT_TIMEOUT_S: Final = 5
_READ_ONLY: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


class Snapshot:
    """Rows as of one moment. Close it, or use it in a `with` block."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._stack = ExitStack()
        self.connection = self._connect()
        row = self.connection.execute("SELECT pg_export_snapshot()").fetchone()
        assert row is not None
        self._name = str(row[0])

    def __enter__(self) -> Snapshot:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def row(self, statement: str, parameters: list[Any] | None = None) -> tuple[Any, ...] | None:
        """Return the first row of a query."""
        return self.connection.execute(statement, parameters).fetchone()

    @contextmanager
    def blocks(self, statement: str) -> Iterator[Iterator[bytes | bytearray | memoryview]]:
        """Give what a COPY ... TO STDOUT sends, over a connection of its own."""
        connection = self._connect()
        connection.execute(psycopg.sql.SQL("SET TRANSACTION SNAPSHOT {}").format(self._name))
        try:
            yield _blocks(connection, statement)
        finally:
            connection.close()

    def _connect(self) -> Connection:
        connection = psycopg.connect(
            self._url,
            autocommit=True,
            connect_timeout=CONNECT_TIMEOUT_S,
            application_name="verify",
            options="-c TimeZone=UTC -c DateStyle=ISO",
        )
        self._stack.callback(connection.close)
        connection.execute(_READ_ONLY)
        return connection


def _blocks(connection: Connection, statement: str) -> Iterator[bytes | bytearray | memoryview]:
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        yield from copy


def lines(blocks: Iterator[bytes | bytearray | memoryview]) -> Iterator[bytes]:
    """Yield the lines in what a textual COPY sends."""
    pending = b""
    for block in blocks:
        *whole, pending = (pending + bytes(block)).split(b"\n")
        yield from whole
    if pending:
        raise ViolationError(f"a COPY ended within the line {pending!r}")


class StoredRows:
    """The rows of one table in order, to be compared with those that follow from events."""

    def __init__(self, table: str, columns: tuple[str, ...], rows: Iterator[bytes]) -> None:
        self.table = table
        self.count = 0
        self._columns = columns
        self._rows = rows

    def expect(self, row: tuple[str, ...], event: str) -> None:
        """Take the next row; ViolationError names the column in which it is not `row`."""
        stored = next(self._rows, None)
        self.count += 1
        if stored == "\t".join(row).encode():
            return
        key = f"{self._columns[0]} {row[0]}"
        if stored is None:
            raise ViolationError(f"{event}: {self.table} ends before the row of {key}")
        for column, was, expected in zip(
            self._columns, stored.decode().split("\t"), row, strict=True
        ):
            if was != expected:
                raise ViolationError(
                    f"{event}: {self.table}.{column} of {key} was {was}, expected {expected}"
                )

    def expect_end(self) -> None:
        """ViolationError if there is a row that no event explains."""
        stored = next(self._rows, None)
        if stored is not None:
            row = dict(zip(self._columns, stored.decode().split("\t"), strict=True))
            raise ViolationError(f"{self.table} has a row that no event explains: {row}")
