"""The door through which webhooks come in, and what becomes of them.

Invariant: nothing is believed or stored before the signature over the raw bytes is right; what is
stored is not money but a hint to look; the same bytes are one row however often they come.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import structlog
from django.conf import settings
from django.db import connection, transaction
from prometheus_client import Counter

from apps.core.wake import task_wake
from apps.custody.cases import case_open
from apps.custody.models import Transfer, Webhook
from apps.custody.provider import custody_wallet
from apps.custody.transfers import transfer_look
from apps.custody.types import (
    CaseKind,
    CustodyError,
    CustodyNotConfiguredError,
    InboxState,
    Receipt,
    Source,
)
from engine.client import EngineError

BODY_BYTES_MAX: Final = 64 * 1024
SIGNATURE_HEADER: Final = "X-Signature-SHA256"
SIGNATURE_CHARS: Final = 64
TRANSFERS_OF_HASH_MAX: Final = 20
ATTEMPTS_MAX: Final = 60
RETRY_S_MAX: Final = 600
SWEEP_ROWS_MAX: Final = 50
OUTCOME_CHARS_MAX: Final = 255
TRANSFER_KINDS: Final = frozenset({"transfer", "transaction", "transactionRemoved"})
PROCESS_TASK: Final = "custody.process_webhook"
_ID: Final = re.compile(r"[A-Za-z0-9:._-]{1,64}")
_HEX: Final = re.compile(r"[0-9a-f]{64}")
_LOG: Final = structlog.get_logger("custody.inbox")
_RECEIVED: Final = Counter("qt_custody_webhooks_total", "Webhooks at the door.", ["outcome"])

_INSERT: Final = """
INSERT INTO custody_webhook (digest, body, kind, coin, wallet, transfer_id, txid, state, outcome,
                             received_count, attempts, address, request_id)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, 1, 0, %s, %s)
ON CONFLICT (digest) DO UPDATE SET received_count = custody_webhook.received_count + 1
RETURNING id, (xmax = 0)
"""


def signature_is_right(body: bytes, stated: str) -> bool:
    """True if `stated` is the lowercase hexadecimal HMAC-SHA256 of exactly these bytes.

    False for anything else, and without a configured secret. Takes the same time for every
    signature of the right form.
    """
    secret: str = settings.CUSTODY_WEBHOOK_SECRET
    if not secret or not _HEX.fullmatch(stated):
        return False
    expected = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected, stated)


def webhook_receive(*, body: bytes, signature: str, address: str, request_id: str) -> Receipt:
    """Put a webhook into the inbox and wake a worker. Not accepted: nothing was stored."""
    if not signature_is_right(body, signature):
        _RECEIVED.labels("forged").inc()
        return Receipt(accepted=False, reason="signature")
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        _RECEIVED.labels("malformed").inc()
        return Receipt(accepted=False, reason="malformed")
    state, outcome = _first_state(content)
    delivery_id, is_new = _store(body, content, state, outcome, address, request_id)
    _RECEIVED.labels("new" if is_new else "repeated").inc()
    if is_new and state is InboxState.RECEIVED:
        task_wake(PROCESS_TASK, delivery_id)  # if it is lost, the sweep finds the row
    return Receipt(accepted=True, reason="", delivery_id=delivery_id, is_new=is_new)


def _first_state(content: dict[str, Any]) -> tuple[InboxState, str]:
    """Return RECEIVED if there is something to look at, else IGNORED and why."""
    kind, coin, wallet = (_named(content, name) for name in ("type", "coin", "wallet"))
    if kind not in TRANSFER_KINDS:
        return InboxState.IGNORED, f"type {kind!r} says nothing of deposits"
    if not _named(content, "transfer") and not _named(content, "hash"):
        return InboxState.IGNORED, "it names neither transfer nor hash"
    try:
        ours = custody_wallet(coin)
    except CustodyNotConfiguredError:
        return InboxState.IGNORED, f"coin {coin!r} has no wallet here"
    if not coin or wallet != ours:
        return InboxState.IGNORED, f"wallet {wallet!r} is not ours"
    return InboxState.RECEIVED, ""


def _named(content: dict[str, Any], name: str) -> str:
    value = content.get(name)
    if name == "hash":
        return value if isinstance(value, str) and len(value) <= 255 and value.isascii() else ""
    return value if isinstance(value, str) and _ID.fullmatch(value) else ""


def _store(
    body: bytes,
    content: dict[str, Any],
    state: InboxState,
    outcome: str,
    address: str,
    request_id: str,
) -> tuple[int, bool]:
    with connection.cursor() as cursor:
        cursor.execute(
            _INSERT,
            [
                hashlib.sha256(body).digest(),
                body,
                *(_named(content, name) for name in ("type", "coin", "wallet", "transfer")),
                _named(content, "hash").replace("\x00", ""),
                state.value,
                outcome[:OUTCOME_CHARS_MAX],
                address[:64],
                request_id[:64],
            ],
        )
        row = cursor.fetchone()
    assert row is not None
    return int(row[0]), bool(row[1])


def webhook_process(delivery_id: int, *, now: datetime | None = None) -> InboxState:
    """Look at what a webhook points to, and note the outcome. Safe to repeat.

    Whatever else is in the inbox for the same transfer by then is done with it.
    """
    row = Webhook.objects.filter(pk=delivery_id).first()
    if row is None or row.state != InboxState.RECEIVED.value:
        return InboxState.IGNORED if row is None else InboxState(row.state)
    newest_id = Webhook.objects.order_by("-pk").values_list("pk", flat=True).first() or row.pk
    try:
        found = [
            transfer_look(coin=row.coin, wallet=row.wallet, transfer_id=each, source=Source.WEBHOOK)
            for each in _transfer_ids(row)
        ]
    except (CustodyError, EngineError) as error:
        return _failed(row, f"{type(error).__name__}: {error}", now or datetime.now(UTC))
    except Exception as error:  # a defect of ours must not keep the rest of the inbox back
        _LOG.exception("webhook_defect", webhook_id=row.pk)
        return _failed(row, f"{type(error).__name__}: {error}", now or datetime.now(UTC))
    outcome = "; ".join(found) or "no transfer of ours has this hash"
    same = Webhook.objects.filter(state=InboxState.RECEIVED.value, pk__lte=newest_id)
    if row.transfer_id:
        same = same.filter(coin=row.coin, wallet=row.wallet, transfer_id=row.transfer_id)
    else:
        same = same.filter(pk=row.pk)
    same.update(
        state=InboxState.DONE.value,
        outcome=outcome[:OUTCOME_CHARS_MAX],
        done_at=datetime.now(UTC),
        attempts=row.attempts + 1,
    )
    return InboxState.DONE


def _transfer_ids(row: Webhook) -> list[str]:
    """Return the transfer that is named, or those that are known under the hash."""
    if row.transfer_id:
        return [row.transfer_id]
    known = Transfer.objects.filter(coin=row.coin, wallet=row.wallet, txid=row.txid)
    return list(known.order_by("pk").values_list("transfer_id", flat=True)[:TRANSFERS_OF_HASH_MAX])


def _failed(row: Webhook, reason: str, now: datetime) -> InboxState:
    attempts = row.attempts + 1
    is_last = attempts >= ATTEMPTS_MAX
    state = InboxState.FAILED if is_last else InboxState.RECEIVED
    wait_s = min(2 ** min(attempts, 20), RETRY_S_MAX)
    with transaction.atomic():
        Webhook.objects.filter(pk=row.pk, state=InboxState.RECEIVED.value).update(
            state=state.value,
            attempts=attempts,
            next_attempt_at=now + timedelta(seconds=wait_s),
            outcome=reason[:OUTCOME_CHARS_MAX],
        )
        if is_last:
            case_open(
                kind=CaseKind.WEBHOOK_FAILED, subject=f"webhook {row.pk}", detail=reason, now=now
            )
    _LOG.warning("webhook_not_processed", webhook_id=row.pk, attempts=attempts, reason=reason)
    return state


def webhooks_sweep(*, now: datetime) -> int:
    """Process what is due and nobody processed; returns how many rows were looked at."""
    due = Webhook.objects.filter(state=InboxState.RECEIVED.value, next_attempt_at__lte=now)
    keys = list(due.order_by("next_attempt_at").values_list("pk", flat=True)[:SWEEP_ROWS_MAX])
    for key in keys:
        webhook_process(key, now=now)
    return len(keys)
