"""What traders are told of their own orders and trades, from the books.

Invariants: every read is bounded by the user's own index and by a page; a row of another user is
never read, so unknown and somebody else's are one and the same answer.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, Generic, TypeVar

from django.db.models import Max, Q, QuerySet

from apps.core.amounts import EXACT, plain
from apps.markets.expressions import asset_code
from apps.trading.console_reads import named
from apps.trading.errors import UnknownOrderError
from apps.trading.models import OpenOrder, OrderHistory, Trade
from apps.trading.statements import OrderFill, OrderStatement, OrderStatus, OwnTrade, Role
from engine.proto.records import INT64_MAX, Reason, Side

PAGE_DEFAULT: Final = 100
PAGE_MAX: Final = 500
FILLS_MAX: Final = 500  # of one order that are told with it
WAIT_STEP_S: Final = 0.02
WAIT_FOR_NEWER_S: Final = 1.0
WAITERS_MAX: Final = 2  # of a process's threads; whoever comes later is answered at once
_waiters: Final = threading.BoundedSemaphore(WAITERS_MAX)
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """Items, newest first, and the key to go on below; None at the end."""

    items: tuple[Item, ...]
    next_key: int | None


def orders_list(
    user_id: int,
    *,
    status: OrderStatus | None = None,
    is_closed: bool | None = None,
    market_id: int | None = None,
    below: int | None = None,
    limit: int = PAGE_DEFAULT,
) -> Page[OrderStatement]:
    """Return one's orders, newest first, below an order id. At most two queries.

    `is_closed` chooses open or ended orders; `status` one status; neither all of them.
    """
    _check_limit(limit)
    where = Q(user_id=user_id)
    if below is not None:
        where &= Q(order_id__lt=below)
    if market_id is not None:
        where &= Q(market_id=market_id)
    if status is not None:
        is_closed = status is not OrderStatus.OPEN
    rows: list[Any] = []
    if not is_closed:
        rows += _orders(OpenOrder.objects.filter(where))[: limit + 1]
    if is_closed is not False:
        if status is not None:
            where &= Q(status=status.name)
        rows += _orders(OrderHistory.objects.filter(where))[: limit + 1]
    # An order that closes between the two reads is in both; it has ended.
    newest = sorted({row.order_id: row for row in rows}.values(), key=lambda row: -row.order_id)
    page = newest[:limit]
    next_key = page[-1].order_id if len(newest) > limit else None
    return Page(tuple(_order(row, None) for row in page), next_key)


def order_get(user_id: int, order_id: int) -> OrderStatement:
    """Return one's order with its fills. UnknownOrderError.

    For an order that is newer than the books it waits a moment until they have it.
    """
    found = _find(user_id, order_id)
    if found is None and _is_newer_than_books(order_id):
        found = _wait(user_id, order_id, WAIT_FOR_NEWER_S)
    if found is None:
        raise UnknownOrderError(order_id)
    return _with_fills(found)


def closed_order_wait(user_id: int, order_id: int, timeout_s: float) -> OrderStatement | None:
    """Return one's ended order with its fills as soon as the books have it; None if not in time."""
    found = _wait(user_id, order_id, timeout_s, closed_only=True)
    return None if found is None else _with_fills(found)


def own_trades(
    user_id: int,
    *,
    market_id: int | None = None,
    order_id: int | None = None,
    below: int | None = None,
    limit: int = PAGE_DEFAULT,
) -> Page[OwnTrade]:
    """Return one's fills, newest first, as maker and as taker. Two queries.

    A trade with oneself is two fills. The key is twice the event sequence, one more for the taker.
    """
    _check_limit(limit)
    found: list[OwnTrade] = []
    for role in Role:
        name = role.name.lower()
        where: dict[str, Any] = {f"{name}_user_id": user_id}
        if below is not None:
            where["event_seq__lt"] = (below + 1 - role.value) // 2
        if market_id is not None:
            where["market_id"] = market_id
        if order_id is not None:
            where[f"{name}_order_id"] = order_id
        rows = _fee_named(named(Trade.objects.filter(**where)), name).order_by("-event_seq")
        found += [_own_trade(row, role) for row in rows[: limit + 1]]
    found.sort(key=lambda trade: -trade.key)
    page = tuple(found[:limit])
    return Page(page, page[-1].key if len(found) > limit else None)


def _check_limit(limit: int) -> None:
    if not 1 <= limit <= PAGE_MAX:
        raise ValueError(f"limit was {limit}, expected 1 to {PAGE_MAX}")


def _orders(rows: QuerySet[Any]) -> QuerySet[Any]:
    found: QuerySet[Any] = named(rows).annotate(fee_code=asset_code("fee_asset_id"))
    return found.order_by("-order_id")


def _fee_named(rows: QuerySet[Any], role: str) -> QuerySet[Any]:
    found: QuerySet[Any] = rows.annotate(fee_code=asset_code(f"{role}_fee_asset_id"))
    return found


def _find(user_id: int, order_id: int, *, closed_only: bool = False) -> Any | None:
    if not 0 < order_id <= INT64_MAX:
        return None
    # Open first: an order that closes meanwhile is then found in history.
    models: Iterable[Any] = (OrderHistory,) if closed_only else (OpenOrder, OrderHistory)
    for model in models:
        row = _orders(model.objects.filter(user_id=user_id, order_id=order_id)).first()
        if row is not None:
            return row
    return None


def _is_newer_than_books(order_id: int) -> bool:
    newest = max(
        model._default_manager.aggregate(newest=Max("order_id"))["newest"] or 0
        for model in (OpenOrder, OrderHistory)
    )
    return newest < order_id <= INT64_MAX


def _wait(
    user_id: int, order_id: int, timeout_s: float, *, closed_only: bool = False
) -> Any | None:
    found = _find(user_id, order_id, closed_only=closed_only)
    if found is not None or not _waiters.acquire(blocking=False):
        return found
    try:
        deadline_s = time.monotonic() + timeout_s
        while found is None and time.monotonic() < deadline_s:
            time.sleep(WAIT_STEP_S)
            found = _find(user_id, order_id, closed_only=closed_only)
        return found
    finally:
        _waiters.release()


def _with_fills(row: Any) -> OrderStatement:
    """Add the newest fills: they lie between its events, in the index on (user, event)."""
    last_event_seq = getattr(row, "closed_event_seq", INT64_MAX)
    fills: list[tuple[int, OrderFill]] = []
    for role in Role:
        name = role.name.lower()
        trades = Trade.objects.filter(
            **{f"{name}_user_id": row.user_id, f"{name}_order_id": row.order_id},
            event_seq__range=(row.accepted_event_seq, last_event_seq),
        )
        newest = _fee_named(trades, name).order_by("-event_seq")[:FILLS_MAX]
        fills += [(trade.event_seq, OrderFill(**_fill(trade, role))) for trade in newest]
    fills.sort(key=lambda item: item[0])
    return _order(row, tuple(fill for _, fill in fills[-FILLS_MAX:]))


def _order(row: Any, fills: tuple[OrderFill, ...] | None) -> OrderStatement:
    is_open = isinstance(row, OpenOrder)
    return OrderStatement(
        order_id=row.order_id,
        client_order_id=row.client_order_id,
        market=row.symbol,
        side=row.side,
        type=row.order_type,
        time_in_force=row.time_in_force,
        status=OrderStatus.OPEN.name if is_open else row.status,
        reason=Reason.NONE.name if is_open else row.reason,
        price=plain(row.price) if row.price else None,
        quantity=plain(row.quantity),
        executed_quantity=plain(row.executed_quantity),
        removed_quantity=plain(row.removed_quantity),
        leaves_quantity=plain(row.leaves_quantity) if is_open else "0",
        executed_quote=plain(row.executed_quote),
        fee=plain(EXACT.add(row.maker_fee, row.taker_fee)),
        fee_asset=row.fee_code,
        by_operator=not is_open and row.by_operator,
        accepted_at=row.accepted_at,
        closed_at=None if is_open else row.closed_at,
        fills=fills,
        is_waiting=is_open and row.is_parked,
        self_trade_prevention=row.stp_mode,
        stop_price=_plain_or_none(row.stop_price),
        trailing_delta_bips=row.trailing_bips,
        display_quantity=_plain_or_none(row.display_quantity),
        expires_at=row.expires_at,
        list_id=row.list_id,
        quote_amount=_plain_or_none(row.quote_amount),
    )


def _plain_or_none(value: Decimal | None) -> str | None:
    return None if value is None else plain(value)


def _fill(trade: Any, role: Role) -> dict[str, Any]:
    return {
        "trade_id": trade.trade_id,
        "role": role.name,
        "price": plain(trade.price),
        "quantity": plain(trade.quantity),
        "quote_quantity": plain(trade.quote_quantity),
        "fee": plain(trade.maker_fee if role is Role.MAKER else trade.taker_fee),
        "fee_asset": trade.fee_code,
        "executed_at": trade.executed_at,
    }


def _own_trade(trade: Any, role: Role) -> OwnTrade:
    is_taker = role is Role.TAKER
    is_bid = (trade.taker_side == Side.BID.name) is is_taker
    return OwnTrade(
        **_fill(trade, role),
        market=trade.symbol,
        order_id=trade.taker_order_id if is_taker else trade.maker_order_id,
        side=Side(is_bid).name,
        key=2 * trade.event_seq + role.value,
    )
