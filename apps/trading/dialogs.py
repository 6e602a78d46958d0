"""How the console asks for actions on orders."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from apps.audit.dialogs import Change, Dialog, Subject, UnknownSubjectError, dialogs_register
from apps.core.readonly import display
from apps.trading.actions import OrderForceCancel
from apps.trading.console_reads import named
from apps.trading.models import OpenOrder
from engine.proto.records import INT64_MAX


def _order(object_id: str) -> Any:
    is_number = object_id.isascii() and object_id.isdecimal() and int(object_id) <= INT64_MAX
    order = named(OpenOrder.objects.filter(pk=int(object_id))).first() if is_number else None
    if order is None:
        raise UnknownSubjectError(f"Order {object_id[:20]} is not open.")
    return order


def _subject(object_id: str) -> Subject:
    order = _order(object_id)
    held = order.quote if order.side == "BID" else order.base
    nothing = Decimal(0)
    return Subject(
        f"order {order.order_id} in {order.symbol}",
        [
            Change("State", display.pill("Open", display.GOOD), display.pill("Canceled")),
            Change(
                "In the book",
                display.amount(order.leaves_quantity, order.base),
                display.amount(nothing, order.base),
            ),
            Change(
                f"Reserved of account {order.user_id}",
                display.amount(order.reserved, held),
                display.amount(nothing, held),
            ),
        ],
        display.record_url("trading_openorder", order.order_id),
    )


dialogs_register(
    Dialog(
        action=OrderForceCancel,
        effect="The order is taken out of the book against its owner's will; what it holds is"
        " free at once. What it has traded stays. Its owner is told that an operator did it.",
        subject=_subject,
        make=lambda object_id, _asked: OrderForceCancel(
            symbol=_order(object_id).symbol, order_id=int(object_id)
        ),
        tone=display.BAD,
    )
)
