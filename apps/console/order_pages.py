"""An order's page with its whole life, from the events as archived."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.db import connections
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from apps.core.readonly import display
from apps.core.readonly.pages import Fact, Moment, Section, TimelineSection
from apps.markets.mirror_apply import catalogue_load
from apps.mirror.order_life import CHANGES, CHANGES_MAX, LifeStep, order_life
from apps.trading.admin import OpenOrderAdmin, OrderHistoryAdmin
from apps.trading.console_reads import TRADES_OF_ORDER_MAX, trades_of_order
from engine.proto.records import EventType, Reason

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TONES: Final = {
    EventType.ORDER_ACCEPTED: display.GOOD,
    EventType.TRADE: display.GOOD,
    EventType.ORDER_REDUCED: display.QUIET,
    EventType.ORDER_MOVED: display.QUIET,
    EventType.ORDER_TRIGGERED: display.GOOD,
    EventType.ORDER_AMENDED: display.QUIET,
    EventType.ORDER_PREVENTED: display.WARN,
    EventType.ORDER_CANCELED: display.WARN,
    EventType.ORDER_EXPIRED: display.WARN,
}


def life_section(order: Any) -> TimelineSection:
    """Return the timeline of an open or ended order."""
    trades = trades_of_order(order)
    known = {order.accepted_event_seq, *(trade.event_seq for trade in trades)}
    known.add(getattr(order, "closed_event_seq", order.accepted_event_seq))
    connection = connections["default"]
    connection.ensure_connection()
    steps = order_life(
        order.order_id,
        is_bid=order.side == "BID",
        event_seqs=sorted(known),
        catalogue=catalogue_load(connection.connection),
    )
    changes = sum(step.kind in CHANGES for step in steps)
    is_whole = len(trades) < TRADES_OF_ORDER_MAX and changes < CHANGES_MAX
    note = "" if is_whole else f"The newest {TRADES_OF_ORDER_MAX} trades and changes."
    moments = [_moment(step) for step in steps]
    return TimelineSection("Life", moments, note=note, empty="Its events are not archived yet.")


def _moment(step: LifeStep) -> Moment:
    at = _EPOCH + timedelta(microseconds=step.time_us)
    source = format_html("event {}", display.record_link("mirror_engineevent", step.event_seq))
    tone = display.BAD if step.by_operator else _TONES[step.kind]
    return Moment(display.instant(at), _title(step), _facts(step), source, tone)


def _title(step: LifeStep) -> SafeString:
    quantity = _amount(step.quantity, step.base.code)
    price = _amount(step.price, step.quote.code)
    at = format_html(" at {}", price) if step.price else ""
    match step.kind:
        case EventType.ORDER_ACCEPTED:
            waits = ", waits" if step.is_parked else ""
            return format_html("Accepted: {}{}{}", quantity, at, waits)
        case EventType.TRADE:
            filled = ", filled" if step.is_last else ""
            return format_html("Traded {}{}{}", quantity, at, filled)
        case EventType.ORDER_REDUCED:
            return format_html("Reduced by {}", quantity)
        case EventType.ORDER_MOVED:
            return format_html("Moved to {}", price)
        case EventType.ORDER_TRIGGERED:
            return mark_safe("Waits no longer")
        case EventType.ORDER_AMENDED:
            return _amended(step, at)
        case EventType.ORDER_PREVENTED:
            return format_html("Kept from trading with its own side: {}", quantity)
        case EventType.ORDER_CANCELED:
            if step.reason is not Reason.NONE and not step.by_operator:
                return mark_safe("Canceled by the engine")
            who = "an operator" if step.by_operator else "its owner"
            return format_html("Canceled by {}", who)
        case _:
            return mark_safe("Expired")


def _amended(step: LifeStep, at: SafeString | str) -> SafeString:
    if not step.quantity:
        return format_html("Amended:{}", at)
    word = "less" if step.quantity > 0 else "more"
    return format_html("Amended: {} {}{}", _amount(abs(step.quantity), step.base.code), word, at)


def _facts(step: LifeStep) -> list[Fact]:
    facts = []
    if step.reason is not Reason.NONE:
        facts.append(Fact("Reason", display.words(step.reason.name)))
    if step.counterpart is not None:
        order_id, user_id = step.counterpart
        assert step.fee is not None, "a trade has a fee"
        assert step.fee_asset is not None, "a fee has an asset"
        account = display.record_link("accounts_tradingaccount", user_id)
        facts += [
            Fact("As", "taker" if step.is_taker else "maker"),
            Fact("Trade", display.record_link("trading_trade", step.event_seq, step.trade_id)),
            Fact("Against order", display.record_link("trading_openorder", order_id)),
            Fact("of account", account),
            Fact("Fee", _amount(step.fee, step.fee_asset.code)),
        ]
    if step.kind in (EventType.ORDER_CANCELED, EventType.ORDER_EXPIRED):
        facts.append(Fact("Taken off", _amount(step.quantity, step.base.code)))
    elif step.leaves is not None:
        facts.append(Fact("Left", _amount(step.leaves, step.base.code)))
    code = step.held_asset.code
    if step.held_change:
        word = "Reserved" if step.held_change > 0 else "Released or spent"
        facts.append(Fact(word, _amount(abs(step.held_change), code)))
    facts.append(Fact("Holds now", _amount(step.held, code)))
    return facts


def _amount(value: Any, code: str) -> SafeString:
    return format_html('<span class="qt-nowrap">{} {}</span>', display.amount_text(value), code)


class OpenOrderPage(OpenOrderAdmin):
    """An open order with its life so far."""

    def sections(self, request: HttpRequest, record: Any) -> Sequence[Section]:
        """Terms, state, life."""
        return _with_life(super().sections(request, record), record)


class OrderHistoryPage(OrderHistoryAdmin):
    """An ended order with its life."""

    def sections(self, request: HttpRequest, record: Any) -> Sequence[Section]:
        """Terms, outcome, life."""
        return _with_life(super().sections(request, record), record)


def _with_life(sections: Sequence[Section], record: Any) -> list[Section]:
    return [*sections, life_section(record)]
