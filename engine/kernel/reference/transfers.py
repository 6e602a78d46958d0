"""TRANSFER: up to LEGS_MAX legs that add up to zero in every asset, all of them or none.

Invariant: what all accounts of an asset hold together is the same before and after, and no account
is below zero after any leg; a business id is executed once for ever.
"""

from __future__ import annotations

from collections import defaultdict

from engine.kernel.codes import (
    CAPACITY,
    FUNDS_TRANSFERRED,
    INSUFFICIENT_BALANCE,
    INVALID_AMOUNT,
    OK,
    OVERFLOW,
    REQUEST_ID_REQUIRED,
    REQUEST_ID_REUSED,
    TRANSFER_LEG,
    UNBALANCED,
    UNKNOWN_ASSET,
    UNKNOWN_USER,
)
from engine.kernel.reference.checks import Fields
from engine.kernel.reference.drafts import content_of, draft_refusal
from engine.kernel.reference.exchange import Exchange
from engine.kernel.state import BusinessRow
from engine.proto.records import INT64_MAX, NO_REQUEST_ID


def apply_transfer(x: Exchange, fields: Fields) -> int:
    """Move what the legs of the draft say."""
    request_id = fields[15]
    if request_id == NO_REQUEST_ID:
        return REQUEST_ID_REQUIRED
    reason = draft_refusal(x, TRANSFER_LEG, fields)
    if reason:
        return reason
    content = content_of(x, fields)
    seen = x.business.get(request_id)
    if seen:
        if seen.fingerprint != content:
            return REQUEST_ID_REUSED
        x.emit_replayed(fields, seen.first_event_seq)
        return OK
    reason = _legs_refusal(x)
    if reason:
        return reason
    x.business[request_id] = BusinessRow(request_id, content, x.event_seq + 1)
    for number, leg in enumerate(x.draft, start=1):
        asset_id, user_id, amount, text = leg[7], leg[8], leg[12], leg[16]
        x.open_account(user_id, asset_id).credit(amount)
        x.emit(
            FUNDS_TRANSFERRED,
            0,
            0,
            OK,
            user_id,
            asset_id,
            amount,
            number,
            len(x.draft),
            request_id,
            text,
        )
    return OK


def _legs_refusal(x: Exchange) -> int:
    """Check each leg by itself, then their sums, then each leg's result in their order."""
    sums: defaultdict[int, int] = defaultdict(int)
    for leg in x.draft:
        asset_id, user_id, amount = leg[7], leg[8], leg[12]
        if x.find_user(user_id) is None:
            return UNKNOWN_USER
        if asset_id not in x.assets:
            return UNKNOWN_ASSET
        if amount == 0 or amount < -INT64_MAX:
            return INVALID_AMOUNT
        sums[asset_id] += amount
    if any(sums.values()):
        return UNBALANCED
    left: dict[tuple[int, int], int] = {}
    for leg in x.draft:
        key = leg[8], leg[7]
        if key not in left:
            account = x.accounts.get(key)
            left[key] = account.available if account else 0
        left[key] += leg[12]
        if left[key] < 0:
            return INSUFFICIENT_BALANCE
        if left[key] > INT64_MAX:
            return OVERFLOW
    missing = sum(key not in x.accounts for key in left)
    if len(x.accounts) + missing > x.limits.accounts_max:
        return CAPACITY
    return CAPACITY if len(x.business) >= x.limits.business_ids_max else OK
