"""Console pages of open and ended orders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from apps.audit.dialogs import operations_for
from apps.core.readonly import display
from apps.core.readonly.model_admin import ReadOnlyModelAdmin
from apps.core.readonly.pages import Fact, FactSection, Operation, Section
from apps.core.readonly.period import DayRangeFilter, period_filter
from apps.markets.expressions import asset_code
from apps.markets.list_filters import MarketFilter
from apps.trading import dialogs  # noqa: F401 - makes them known to the console
from apps.trading.actions import OrderForceCancel
from apps.trading.console_reads import named
from apps.trading.models import OpenOrder, OrderHistory, OrderTerms
from apps.trading.types import ClosedStatus
from engine.proto.records import StpMode

STATUS_TONES = {
    ClosedStatus.FILLED.name: display.GOOD,
    ClosedStatus.CANCELED.name: display.QUIET,
    ClosedStatus.EXPIRED.name: display.WARN,
}


class _OrderAdmin(ReadOnlyModelAdmin):
    """What lists and pages of open and ended orders have in common."""

    search_help_text = "Order or account number"
    search_integers = ("order_id", "user_id")
    search_texts = ()
    sortable_by = ("order",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Read symbol and codes with each order."""
        orders = named(super().get_queryset(request))
        found: QuerySet[Any] = orders.annotate(fee_code=asset_code("fee_asset_id"))
        return found

    @admin.display(description="Order", ordering="order_id")
    def order(self, order: OrderTerms) -> SafeString:
        """Its number."""
        return display.identity(order.order_id)

    @admin.display(description="Market")
    def market(self, order: Any) -> str:
        """The market's symbol."""
        return str(order.symbol)

    @admin.display(description="Side")
    def side_(self, order: OrderTerms) -> SafeString:
        """Buy or sell."""
        return display.side(order.side)

    @admin.display(description="Type")
    def terms(self, order: OrderTerms) -> str:
        """Type and time in force."""
        kind = display.words(order.order_type)
        return kind if order.time_in_force == "NONE" else f"{kind} {order.time_in_force}"

    @admin.display(description="Price")
    def amount_price(self, order: Any) -> SafeString:
        """The limit now."""
        return display.amount(order.price, order.quote) if order.price else display.NOTHING

    @admin.display(description="Quantity")
    def amount_quantity(self, order: Any) -> SafeString:
        """As accepted."""
        return display.amount(order.quantity, order.base)

    @admin.display(description="Executed")
    def amount_executed(self, order: Any) -> SafeString:
        """Traded so far."""
        return display.amount(order.executed_quantity, order.base)

    @admin.display(description="Account")
    def account(self, order: OrderTerms) -> SafeString:
        """Whose order it is."""
        return display.record_link("accounts_tradingaccount", order.user_id)

    @admin.display(description="Accepted (UTC)")
    def accepted(self, order: OrderTerms) -> SafeString:
        """When the engine took it."""
        return display.instant(order.accepted_at)

    def record_title(self, record: Any) -> str:
        """Name the order."""
        return f"Order {record.order_id} · {record.symbol}"

    def condition_facts(self, record: Any) -> list[Fact]:
        """Return what the order has beyond the common."""
        facts: list[Fact] = []
        if record.stop_price is not None:
            facts.append(Fact("Stop price", display.amount(record.stop_price, record.quote)))
        if record.trailing_bips is not None:
            percent = f"{record.trailing_bips / 100:g} %"
            facts.append(Fact("Trails by", percent, "from the best price since it was accepted"))
        if record.display_quantity is not None:
            shown = display.amount(record.display_quantity, record.base)
            facts.append(Fact("Displayed", shown, "the most that the book shows of it"))
        if record.quote_amount is not None:
            amount = display.amount(record.quote_amount, record.quote)
            facts.append(Fact("Quote amount", amount, "in place of a quantity"))
        if record.expires_at is not None:
            facts.append(Fact("Ends at (UTC)", display.instant(record.expires_at)))
        if record.list_id is not None:
            first = display.record_link("trading_openorder", record.list_id)
            facts.append(Fact("List", first, "the first order of its list"))
        if record.stp_mode != StpMode.NONE.name:
            facts.append(Fact("Self-trade prevention", record.get_stp_mode_display()))
        if record.session_id is not None:
            facts.append(Fact("Session", display.identity(record.session_id), "ends with it"))
        if record.triggered_event_seq is not None:
            event = display.record_link("mirror_engineevent", record.triggered_event_seq)
            facts.append(Fact("Triggered by event", event))
        return facts

    def term_facts(self, record: Any) -> list[Fact]:
        """Return what was asked for."""
        facts = [
            Fact("Market", display.record_link("markets_market", record.market_id, record.symbol)),
            Fact("Account", self.account(record)),
            Fact("Accepted (UTC)", self.accepted(record)),
            Fact("Side", self.side_(record)),
            Fact("Type", self.terms(record)),
            Fact("Price", self.amount_price(record)),
            Fact("Quantity", self.amount_quantity(record), "as accepted"),
        ]
        if record.ceiling_price:
            ceiling = display.amount(record.ceiling_price, record.quote)
            facts.append(Fact("Hold ceiling", ceiling, "funds are held up to this price"))
        if record.budget:
            facts.append(Fact("Budget", display.amount(record.budget, record.quote)))
        client_id = record.client_order_id
        facts.append(
            Fact("Client order id", display.identity(client_id) if client_id else display.NOTHING)
        )
        return facts

    def outcome_facts(self, record: Any) -> list[Fact]:
        """Return what became of it so far."""
        return [
            Fact("Executed", self.amount_executed(record)),
            Fact("Paid or received", display.amount(record.executed_quote, record.quote)),
            Fact("Taken off", display.amount(record.removed_quantity, record.base), "untraded"),
            Fact("Maker fees", display.amount(record.maker_fee, record.fee_code)),
            Fact("Taker fees", display.amount(record.taker_fee, record.fee_code)),
        ]


@admin.register(OpenOrder)
class OpenOrderAdmin(_OrderAdmin):
    """Orders in the book, at the mirror's cursor."""

    list_display: ClassVar[Sequence[str]] = (
        "order",
        "accepted",
        "market",
        "side_",
        "terms",
        "amount_price",
        "amount_leaves",
        "amount_reserved",
        "account",
    )
    list_filter: ClassVar[Sequence[Any]] = (MarketFilter, "side", "order_type")
    operate_permissions = (OrderForceCancel.permission,)

    def operations(self, request: HttpRequest, record: Any) -> Sequence[Operation]:
        """An open order can be canceled."""
        return operations_for(request, record.order_id, OrderForceCancel)

    @admin.display(description="State")
    def state(self, order: OpenOrder) -> SafeString:
        """In the book, or not yet."""
        if order.is_parked:
            return display.pill("Waiting", display.WARN)
        return display.pill("Open", display.GOOD)

    @admin.display(description="Leaves")
    def amount_leaves(self, order: Any) -> SafeString:
        """What is still to be executed."""
        return display.amount(order.leaves_quantity, order.base)

    @admin.display(description="Reserved")
    def amount_reserved(self, order: Any) -> SafeString:
        """What it holds of its account's funds."""
        return display.amount(order.reserved, order.quote if order.side == "BID" else order.base)

    def missing_record_url(self, _request: HttpRequest, key: str) -> str | None:
        """Lead to the history if the order has ended."""
        ended = key.isdecimal() and OrderHistory.objects.filter(pk=int(key)).exists()
        return display.record_url("trading_orderhistory", key) if ended else None

    def sections(self, _request: HttpRequest, record: Any) -> Sequence[Section]:
        """Show terms, state and trades."""
        state = [
            Fact("State", self.state(record)),
            Fact(
                "Leaves",
                self.amount_leaves(record),
                "not in the book yet" if record.is_parked else "still in the book",
            ),
            Fact("Reserved", self.amount_reserved(record)),
            *self.outcome_facts(record),
        ]
        return [
            FactSection("Terms", [*self.term_facts(record), *self.condition_facts(record)]),
            FactSection("State", state),
        ]


@admin.register(OrderHistory)
class OrderHistoryAdmin(_OrderAdmin):
    """Orders that have ended, newest first."""

    list_display: ClassVar[Sequence[str]] = (
        "order",
        "accepted",
        "market",
        "side_",
        "terms",
        "amount_price",
        "amount_quantity",
        "amount_executed",
        "status_",
        "account",
    )
    list_filter: ClassVar[Sequence[Any]] = (
        MarketFilter,
        "status",
        "side",
        period_filter("accepted_at"),
        ("accepted_at", DayRangeFilter),
    )

    @admin.display(description="Outcome")
    def status_(self, order: OrderHistory) -> SafeString:
        """How it ended."""
        return display.pill(order.get_status_display(), STATUS_TONES[order.status])

    def missing_record_url(self, _request: HttpRequest, key: str) -> str | None:
        """Lead to the open order if it has not ended."""
        is_open = key.isdecimal() and OpenOrder.objects.filter(pk=int(key)).exists()
        return display.record_url("trading_openorder", key) if is_open else None

    def sections(self, _request: HttpRequest, record: Any) -> Sequence[Section]:
        """Show terms, outcome and trades."""
        reason = "" if record.reason == "NONE" else record.get_reason_display()
        outcome = [
            Fact("Outcome", self.status_(record), reason),
            *self.outcome_facts(record),
        ]
        if record.by_operator:
            outcome.append(Fact("Ended by", display.pill("Operator", display.WARN)))
        return [
            FactSection("Terms", [*self.term_facts(record), *self.condition_facts(record)]),
            FactSection("Outcome", outcome),
        ]
