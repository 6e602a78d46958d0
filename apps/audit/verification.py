"""Proves that the audit log is what was written, in order, with nothing changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from psycopg import Connection

GENESIS: Final = bytes(32)
ROWS_PER_FETCH: Final = 2_000
COLUMNS: Final = (
    "actor_id", "actor_name", "actor_role", "action", "object_type", "object_id", "outcome",
    "reason", "request_id", "address", "engine_command_seq",
)  # fmt: skip
_SELECT: Final = (
    f"SELECT seq, outbox_id, recorded_at, content, chain, {', '.join(COLUMNS)}"  # noqa: S608
    " FROM audit_log ORDER BY seq"
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class AuditViolationError(Exception):
    """The log contradicts itself; the text names the first entry that does."""


@dataclass(frozen=True, slots=True)
class AuditChain:
    """What was proved: how many entries, and the hash over all of them."""

    entries: int
    head: bytes


def chain_hash(before: bytes, seq: int, recorded_at: datetime, content: str) -> bytes:
    """Return the chain hash of an entry (the database function `audit_chain` makes the same)."""
    elapsed = recorded_at - _EPOCH
    recorded_us = (elapsed.days * 86_400 + elapsed.seconds) * 1_000_000 + elapsed.microseconds
    numbers = seq.to_bytes(8, "big") + recorded_us.to_bytes(8, "big", signed=True)
    return hashlib.sha256(before + numbers + content.encode()).digest()


def audit_chain_verify(connection: Connection[Any]) -> AuditChain:
    """Walk the whole log. AuditViolationError names the first entry that is not what was written.

    `connection` should see one moment (REPEATABLE READ).
    """
    head, expected_seq = GENESIS, 1
    for row in _entries(connection):
        seq, _outbox_id, recorded_at, content, chain, *columns = row
        if seq != expected_seq:
            raise AuditViolationError(f"entry {expected_seq} is missing: the next is {seq}")
        head = chain_hash(head, seq, recorded_at, content)
        if bytes(chain) != head:
            raise AuditViolationError(
                f"entry {seq}: its chain hash was {bytes(chain).hex()}, expected {head.hex()}"
            )
        _verify_columns(seq, content, columns)
        expected_seq += 1
    return AuditChain(expected_seq - 1, head)


def _verify_columns(seq: int, content: str, columns: list[Any]) -> None:
    facts = json.loads(content)
    for name, value in zip(COLUMNS, columns, strict=True):
        if facts.get(name) != value:
            raise AuditViolationError(
                f"entry {seq}: {name} was {value!r}, expected {facts.get(name)!r}"
            )


def audit_outbox_verify(connection: Connection[Any]) -> int:
    """Return how many records wait. AuditViolationError if one of them is in the log as well."""
    row = connection.execute(
        "SELECT count(*), min(id) FILTER (WHERE EXISTS ("
        "SELECT FROM audit_log WHERE outbox_id = audit_outbox.id)) FROM audit_outbox"
    ).fetchone()
    assert row is not None
    waiting, doubled = row
    if doubled is not None:
        raise AuditViolationError(f"record {doubled} is in the outbox and in the log")
    return int(waiting)


def _entries(connection: Connection[Any]) -> Iterator[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(_SELECT)
        while rows := cursor.fetchmany(ROWS_PER_FETCH):
            yield from rows
