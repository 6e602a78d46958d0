"""Writing to the audit log.

Invariant: a record is written in the transaction of the change that it tells of. If it cannot be
written, the change does not happen either; nothing here catches a failure.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from django.db import connection, transaction

from apps.audit.models import (
    ACTOR_NAME_CHARS_MAX,
    ADDRESS_CHARS_MAX,
    NAME_CHARS_MAX,
    OBJECT_ID_CHARS_MAX,
    REASON_CHARS_MAX,
    REQUEST_ID_CHARS_MAX,
    OutboxRow,
)
from apps.audit.types import Actor, AuditOutcome
from apps.core.wake import task_wake

CONTENT_BYTES_MAX: Final = 64 * 1024
CHAIN_ROWS_MAX: Final = 1_000
SECRET_WORDS: Final = ("password", "secret", "token", "private_key", "authorization", "cookie")
CHAIN_TASK: Final = "audit.chain"
WAKE_EXPIRES_S: Final = 5.0  # the schedule asks for it every second


class SecretInAuditError(ValueError):
    """The facts of a record name a secret: a defect of the caller."""


def audit_record(
    *,
    actor: Actor,
    action: str,
    object_type: str,
    object_id: str | int,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    reason: str = "",
    request_id: str = "",
    address: str = "",
    outcome: AuditOutcome = AuditOutcome.DONE,
    details: Mapping[str, Any] | None = None,
    engine_command_seq: int | None = None,
) -> None:
    """Put one record into the outbox, as part of the caller's transaction, which must be open.

    `action` is `thing.verb` ("user.suspend"). `before`, `after` and `details` are JSON facts;
    Decimal is written as text. A key that names a secret raises SecretInAuditError.
    """
    content = audit_content(
        actor=actor,
        action=action,
        object_type=object_type,
        object_id=object_id,
        before=before,
        after=after,
        reason=reason,
        request_id=request_id,
        address=address,
        outcome=outcome,
        details=details,
        engine_command_seq=engine_command_seq,
    )
    content_record(content)


def content_record(content: str) -> int:
    """Put canonical content into the outbox; the log is written right after the commit.

    Returns the record's number, by which the entry in the log is found.
    """
    assert connection.in_atomic_block, "a record belongs into the transaction of its change"
    row = OutboxRow.objects.create(content=content)
    transaction.on_commit(_wake_chainer, robust=True)
    return row.pk


def audit_content(
    *,
    actor: Actor,
    action: str,
    object_type: str,
    object_id: str | int,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    reason: str = "",
    request_id: str = "",
    address: str = "",
    outcome: AuditOutcome | None = None,
    details: Mapping[str, Any] | None = None,
    engine_command_seq: int | None = None,
) -> str:
    """Return the canonical JSON of a record: sorted keys, no spaces, ASCII."""
    facts = {
        "actor_id": actor.user_id,
        "actor_name": actor.name[:ACTOR_NAME_CHARS_MAX],
        "actor_role": actor.role,
        "action": _short(action, NAME_CHARS_MAX, "action"),
        "object_type": _short(object_type, NAME_CHARS_MAX, "object type"),
        "object_id": str(object_id)[:OBJECT_ID_CHARS_MAX],
        "before": dict(before or {}),
        "after": dict(after or {}),
        "details": dict(details or {}),
        "reason": reason[:REASON_CHARS_MAX],
        "request_id": request_id[:REQUEST_ID_CHARS_MAX],
        "address": address[:ADDRESS_CHARS_MAX],
        "outcome": None if outcome is None else AuditOutcome(outcome).value,
        "engine_command_seq": engine_command_seq,
    }
    return canonical(facts)


def canonical(facts: Mapping[str, Any]) -> str:
    """Return `facts` as the one JSON text that the chain is made over."""
    for key in _keys(facts):
        if any(word in key.lower() for word in SECRET_WORDS):
            raise SecretInAuditError(f"an audit record had the fact {key!r}, expected no secret")
    # A NUL character, which PostgreSQL's text cannot hold, is an escape of six characters here.
    content = json.dumps(
        facts, sort_keys=True, separators=(",", ":"), allow_nan=False, default=_plain
    ).replace("\\u0000", "\\ufffd")
    if len(content) > CONTENT_BYTES_MAX:
        raise ValueError(
            f"an audit record was {len(content)} bytes, expected at most {CONTENT_BYTES_MAX}"
        )
    return content


def _short(text: str, chars_max: int, what: str) -> str:
    if not 1 <= len(text) <= chars_max:
        raise ValueError(f"{what} was {text!r}, expected 1 to {chars_max} characters")
    return text


def _keys(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield str(key)
            yield from _keys(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _keys(inner)


def _plain(value: object) -> str:
    if isinstance(value, Decimal):
        return format(value, "f")
    if hasattr(value, "isoformat"):
        return str(value.isoformat())
    raise TypeError(f"an audit record had a {type(value).__name__}, expected JSON or Decimal")


def _wake_chainer() -> None:
    task_wake(CHAIN_TASK, expires_s=WAKE_EXPIRES_S)


def outbox_chain(*, rows_max: int = CHAIN_ROWS_MAX) -> int:
    """Move up to `rows_max` committed records from the outbox to the end of the log.

    One transaction in the database does both, so a record is in exactly one of the two. Returns
    how many were moved.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT public.audit_chain(%s)", [rows_max])
        row = cursor.fetchone()
    assert row is not None
    return int(row[0])
