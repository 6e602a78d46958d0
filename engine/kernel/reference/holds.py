"""Holds for withdrawals: HOLD locks, SETTLE_HOLD takes out, RELEASE_HOLD gives back.

A hold is known by its business id for ever and ends once, in one of two ways. Invariant: an
account's `locked` is the sum of what its owner's open orders reserve and of his open holds.
"""

from __future__ import annotations

from typing import Final

from engine.kernel.codes import (
    CAPACITY,
    FUNDS_HELD,
    HOLD_RELEASED,
    HOLD_RELEASED_EVENT,
    HOLD_SETTLED,
    HOLD_SETTLED_EVENT,
    INSUFFICIENT_BALANCE,
    INVALID_AMOUNT,
    OK,
    OVERFLOW,
    REQUEST_ID_REQUIRED,
    REQUEST_ID_REUSED,
    SETTLE_HOLD,
    UNKNOWN_ASSET,
    UNKNOWN_HOLD,
    UNKNOWN_USER,
)
from engine.kernel.reference.checks import Fields, fingerprint
from engine.kernel.reference.exchange import Exchange
from engine.kernel.state import (
    HOLD_IS_OPEN,
    HOLD_IS_RELEASED,
    HOLD_IS_SETTLED,
    BusinessRow,
    HoldRow,
)
from engine.proto.records import INT64_MAX, NO_REQUEST_ID

_ENDED: Final = {HOLD_IS_SETTLED: HOLD_SETTLED, HOLD_IS_RELEASED: HOLD_RELEASED}


def apply_hold(x: Exchange, fields: Fields) -> int:
    """Move from available to locked, once for ever per request id."""
    asset_id, user_id, amount, request_id, text = (fields[at] for at in (7, 8, 12, 15, 16))
    if request_id == NO_REQUEST_ID:
        return REQUEST_ID_REQUIRED
    if x.find_user(user_id) is None:
        return UNKNOWN_USER
    content = fingerprint(fields)
    seen = x.business.get(request_id)
    if seen:
        if seen.fingerprint != content:
            return REQUEST_ID_REUSED
        x.emit_replayed(fields, seen.first_event_seq)
        return OK
    if asset_id not in x.assets:
        return UNKNOWN_ASSET
    if amount <= 0:
        return INVALID_AMOUNT
    account = x.accounts.get((user_id, asset_id))
    if account is None or amount > account.available:
        return INSUFFICIENT_BALANCE
    if len(x.business) >= x.limits.business_ids_max:
        return CAPACITY
    account.reserve(amount)
    x.emit(FUNDS_HELD, 0, 0, OK, user_id, asset_id, amount, request_id, text)
    x.business[request_id] = BusinessRow(request_id, content, x.event_seq)
    x.holds[request_id] = HoldRow(request_id, user_id, asset_id, amount, HOLD_IS_OPEN, 0, text)
    return OK


def end_hold(x: Exchange, fields: Fields) -> int:
    """Take what is held out, or give it back: the one or the other, once."""
    user_id, request_id = fields[8], fields[15]
    if request_id == NO_REQUEST_ID:
        return REQUEST_ID_REQUIRED
    if x.find_user(user_id) is None:
        return UNKNOWN_USER
    hold = x.holds.get(request_id)
    if hold is None or hold.user_id != user_id:
        return UNKNOWN_HOLD
    is_settled = fields[0] == SETTLE_HOLD
    state = HOLD_IS_SETTLED if is_settled else HOLD_IS_RELEASED
    if hold.state == state:
        x.emit_replayed(fields, hold.last_event_seq)
        return OK
    if hold.state != HOLD_IS_OPEN:
        return _ENDED[hold.state]
    account = x.accounts[user_id, hold.asset_id]
    if is_settled:
        asset = x.assets[hold.asset_id]
        if asset.withdrawn_atoms + hold.amount_atoms > INT64_MAX:
            return OVERFLOW
        asset.withdrawn_atoms += hold.amount_atoms
        account.spend(hold.amount_atoms)
    else:
        account.release(hold.amount_atoms)
    event = HOLD_SETTLED_EVENT if is_settled else HOLD_RELEASED_EVENT
    x.emit(event, 0, 0, OK, user_id, hold.asset_id, hold.amount_atoms, request_id, hold.text)
    x.holds[request_id] = hold._replace(state=state, last_event_seq=x.event_seq)
    return OK
