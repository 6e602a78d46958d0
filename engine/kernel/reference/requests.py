"""Request windows: a retried order command is told its first outcome and does nothing.

Invariant: a user's window holds the outcomes of his last REQUEST_WINDOW commands with a request id,
accepted or refused, that were not retries.
"""

from __future__ import annotations

from collections.abc import Callable

from engine.kernel.codes import OK
from engine.kernel.reference.checks import Fields
from engine.kernel.reference.drafts import content_of
from engine.kernel.reference.exchange import Exchange
from engine.kernel.reference.model import Remembered, User
from engine.proto.records import EventType, Reason


def apply_once(x: Exchange, user: User, fields: Fields, act: Callable[[], int]) -> int:
    """Act on a command with a request id, or tell the outcome that this id had before."""
    kind, order_id, request_id = fields[0], fields[9], fields[15]
    content = content_of(x, fields)
    for seen in user.window:
        if seen.request_id != request_id:
            continue
        if seen.fingerprint != content:
            return Reason.REQUEST_ID_REUSED
        x.emit(
            EventType.REQUEST_REPLAYED,
            fields[6],
            0,
            seen.reason,
            kind,
            user.user_id,
            seen.order_id,
            seen.first_event_seq,
            request_id,
        )
        return OK
    first_event_seq = x.event_seq + 1
    reason = act()
    user.window.append(Remembered(request_id, content, order_id, first_event_seq, int(reason)))
    return reason
