"""What the simulated custodian remembers: addresses, transfers, webhooks to deliver, switches.

SQLite, one connection behind one lock. Invariant: each method is one durable transaction; a change
of a transfer and the webhooks that tell of it are written together or not at all.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

Document = dict[str, Any]
PAGE_MAX: Final = 500
BUSY_TIMEOUT_S: Final = 5.0

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS address (
    id TEXT PRIMARY KEY, coin TEXT NOT NULL, wallet TEXT NOT NULL, address TEXT NOT NULL,
    label TEXT NOT NULL, number INTEGER NOT NULL, UNIQUE (coin, address)
);
CREATE TABLE IF NOT EXISTS transfer (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, coin TEXT NOT NULL,
    wallet TEXT NOT NULL, made_at TEXT NOT NULL, document TEXT NOT NULL, plan TEXT NOT NULL,
    confirms_at REAL
);
CREATE TABLE IF NOT EXISTS delivery (
    id INTEGER PRIMARY KEY AUTOINCREMENT, transfer TEXT NOT NULL, body BLOB NOT NULL,
    signature TEXT, attempts INTEGER NOT NULL DEFAULT 0, attempts_max INTEGER NOT NULL,
    due_at REAL, status INTEGER
);
CREATE INDEX IF NOT EXISTS delivery_due ON delivery (due_at) WHERE due_at IS NOT NULL;
CREATE TABLE IF NOT EXISTS switch (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A webhook on its way. `signature` None: the header is left out."""

    id: int
    body: bytes
    signature: str | None
    attempts: int
    attempts_max: int


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """A webhook to send at `due_at` (Unix seconds), up to `attempts_max` times."""

    body: bytes
    signature: str | None
    due_at: float
    attempts_max: int


class Store:
    """Safe to share between threads."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._connection = sqlite3.connect(
            path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
        )
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """One durable transaction; an error rolls it back."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def _rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._connection.execute(statement, values).fetchall()

    # addresses

    def address_add(self, *, id_: str, coin: str, wallet: str, address: str, label: str) -> int:
        """Keep a new address and return its number in the wallet."""
        with self.transaction() as connection:
            (number,) = connection.execute(
                "SELECT count(*) FROM address WHERE coin = ? AND wallet = ?", (coin, wallet)
            ).fetchone()
            connection.execute(
                "INSERT INTO address (id, coin, wallet, address, label, number)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (id_, coin, wallet, address, label, number),
            )
        return int(number)

    # transfers

    def transfer_add(
        self,
        document: Document,
        *,
        plan: Document,
        confirms_at: float | None,
        deliveries: list[NewDelivery],
    ) -> None:
        """Keep a new transfer with the webhooks that tell of it."""
        with self.transaction() as connection:
            connection.execute(
                "INSERT INTO transfer (id, coin, wallet, made_at, document, plan, confirms_at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    document["id"], document["coin"], document["wallet"], document["date"],
                    json.dumps(document), json.dumps(plan), confirms_at,
                ),
            )  # fmt: skip
            _add_deliveries(connection, document["id"], deliveries)

    def transfer_change(self, document: Document, *, deliveries: list[NewDelivery]) -> None:
        """Replace a transfer's document; whatever it was about to become, it no longer does."""
        with self.transaction() as connection:
            connection.execute(
                "UPDATE transfer SET document = ?, confirms_at = NULL WHERE id = ?",
                (json.dumps(document), document["id"]),
            )
            _add_deliveries(connection, document["id"], deliveries)

    def transfer(self, id_: str) -> tuple[Document, Document] | None:
        """Return a transfer's document and plan."""
        rows = self._rows("SELECT document, plan FROM transfer WHERE id = ?", id_)
        return (json.loads(rows[0][0]), json.loads(rows[0][1])) if rows else None

    def transfers(
        self, coin: str, wallet: str, *, since: str, before: int | None, limit: int
    ) -> list[tuple[int, Document]]:
        """Return (number, document) of a wallet's transfers made from `since` on, newest first."""
        rows = self._rows(
            "SELECT number, document FROM transfer WHERE coin = ? AND wallet = ?"
            " AND made_at >= ? AND number < ? ORDER BY number DESC LIMIT ?",
            coin, wallet, since, before if before is not None else 2**62, limit,
        )  # fmt: skip
        return [(number, json.loads(document)) for number, document in rows]

    def next_number(self) -> int:
        """Return the number that the next transfer will have, for heights and sequence ids."""
        return int(self._rows("SELECT coalesce(max(number), 0) + 1 FROM transfer")[0][0])

    def due_confirmations(self, now: float) -> list[tuple[Document, Document]]:
        """Return (document, plan) of the transfers that are to be confirmed by now."""
        rows = self._rows(
            "SELECT document, plan FROM transfer WHERE confirms_at <= ? ORDER BY number LIMIT ?",
            now, PAGE_MAX,
        )  # fmt: skip
        return [(json.loads(document), json.loads(plan)) for document, plan in rows]

    # deliveries

    def due_deliveries(self, now: float) -> list[Delivery]:
        """Return the webhooks that are due, oldest first."""
        rows = self._rows(
            "SELECT id, body, signature, attempts, attempts_max FROM delivery"
            " WHERE due_at <= ? ORDER BY due_at, id LIMIT ?",
            now, PAGE_MAX,
        )  # fmt: skip
        return [Delivery(*row) for row in rows]

    def delivery_tried(self, id_: int, *, status: int, due_at: float | None) -> None:
        """Note an attempt; `due_at` None: it was the last."""
        with self.transaction() as connection:
            connection.execute(
                "UPDATE delivery SET attempts = attempts + 1, status = ?, due_at = ? WHERE id = ?",
                (status, due_at, id_),
            )

    def delivery_statuses(self, transfer: str) -> list[tuple[int, int | None, int]]:
        """Return (attempts, last answer, still due) of a transfer's webhooks."""
        rows = self._rows(
            "SELECT attempts, status, due_at IS NOT NULL FROM delivery WHERE transfer = ?"
            " ORDER BY id",
            transfer,
        )
        return [(attempts, status, due) for attempts, status, due in rows]

    # switches

    def switches(self) -> Document:
        """Return how the custodian misbehaves now."""
        return {name: json.loads(value) for name, value in self._rows("SELECT * FROM switch")}

    def switches_set(self, switches: Document) -> None:
        """Replace all switches."""
        with self.transaction() as connection:
            connection.execute("DELETE FROM switch")
            connection.executemany(
                "INSERT INTO switch (name, value) VALUES (?, ?)",
                [(name, json.dumps(value)) for name, value in switches.items()],
            )

    def switch_count_down(self, name: str) -> bool:
        """Return whether a counting switch was above zero, and lower it by one."""
        with self.transaction() as connection:
            row = connection.execute("SELECT value FROM switch WHERE name = ?", (name,)).fetchone()
            left = int(json.loads(row[0])) if row else 0
            if left > 0:
                connection.execute(
                    "UPDATE switch SET value = ? WHERE name = ?", (json.dumps(left - 1), name)
                )
        return left > 0


def _add_deliveries(
    connection: sqlite3.Connection, transfer: str, deliveries: list[NewDelivery]
) -> None:
    connection.executemany(
        "INSERT INTO delivery (transfer, body, signature, due_at, attempts_max)"
        " VALUES (?, ?, ?, ?, ?)",
        [
            (transfer, each.body, each.signature, each.due_at, each.attempts_max)
            for each in deliveries
        ],
    )
