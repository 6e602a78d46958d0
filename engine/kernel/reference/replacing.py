"""REPLACE: cancel an order and place another, in one command (rule 21).

The new order is a PLACE_LEG that came just before. Its filters are checked before the cancel;
what depends on the order that goes, funds above all, after it. Invariant: exactly one event tells
of the new order's fate, and a REPLACE that is refused has changed nothing.
"""

from __future__ import annotations

from functools import partial

from engine.kernel.codes import ALLOW_FAILURE, OK, ORDER_CANCELED, PLACE_LEG, REFUSED, REPLACE
from engine.kernel.reference.changing import is_restricted
from engine.kernel.reference.checks import ADMIN_FORMS, Fields
from engine.kernel.reference.drafts import draft_refusal
from engine.kernel.reference.exchange import Exchange
from engine.kernel.reference.matching import end_order, take_out
from engine.kernel.reference.model import Order, User
from engine.kernel.reference.placing import filter_refusal, place
from engine.kernel.reference.requests import apply_once
from engine.proto.records import NO_REQUEST_ID, Reason


def apply_replace(x: Exchange, fields: Fields) -> int:
    """Check form, user and request id of a REPLACE, then replace the order."""
    reason = ADMIN_FORMS[REPLACE](fields)
    if reason:
        return reason
    user = x.users.get(fields[8])
    if user is None:
        return Reason.UNKNOWN_USER
    if fields[15] != NO_REQUEST_ID:
        return apply_once(x, user, fields, partial(_replace, x, user, fields))
    return _replace(x, user, fields)


def _replace(x: Exchange, user: User, fields: Fields) -> int:
    reason = Reason.INVALID_QUANTITY if fields[11] != 1 else draft_refusal(x, PLACE_LEG, fields)
    if reason:
        return reason
    leg = x.draft[0]
    reason = filter_refusal(x, user, leg)
    if reason:
        return reason
    order = x.orders.get(fields[9])
    reason = _cancel_refusal(order, user, fields)
    if reason and not fields[4] & ALLOW_FAILURE:
        return reason
    if reason or order is None:
        return place(x, user, leg)
    end_order(x, order, ORDER_CANCELED, flags=take_out(x, order))
    reason = place(x, user, leg)
    if reason:
        x.emit(REFUSED, leg[6], 0, reason, leg[0], leg[8], leg[9], leg[15], leg[16])
    return OK


def _cancel_refusal(order: Order | None, user: User, fields: Fields) -> int:
    if order is None or order.user is not user or order.market.market_id != fields[6]:
        return Reason.UNKNOWN_ORDER
    return Reason.CANCEL_RESTRICTED if is_restricted(order, fields[4]) else OK
