"""Console pages of transactions with their legs, and of single legs."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from apps.core.readonly import display
from apps.core.readonly.model_admin import ReadOnlyModelAdmin
from apps.core.readonly.pages import Column, Fact, FactSection, Section, TableSection
from apps.core.readonly.period import DayRangeFilter, period_filter
from apps.ledger.console_reads import legs_of_transaction, sums_per_asset
from apps.ledger.models import Leg, Transaction
from apps.ledger.types import TransactionKind
from apps.markets.expressions import asset_code
from apps.markets.list_filters import AssetFilter

KIND_TONES = {
    TransactionKind.DEPOSIT.name: display.GOOD,
    TransactionKind.WITHDRAWAL.name: display.WARN,
    TransactionKind.ADJUSTMENT.name: display.BAD,
    TransactionKind.TRADE.name: display.QUIET,
    TransactionKind.TRANSFER.name: display.QUIET,
    TransactionKind.WITHDRAWAL_HOLD.name: display.WARN,
    TransactionKind.HOLD_RELEASE.name: display.QUIET,
}


def account_of(user_id: int | None) -> SafeString:
    """Return a link to the trading account, or the house's name."""
    if user_id is None:
        return display.NOTHING
    if user_id == 0:
        return display.identity("house")
    return display.record_link("accounts_tradingaccount", user_id)


def _debit(amount: Decimal, code: str) -> SafeString:
    return display.amount(amount, code) if amount > 0 else display.NOTHING


def _credit(amount: Decimal, code: str) -> SafeString:
    return display.amount(-amount, code) if amount < 0 else display.NOTHING


@admin.register(Transaction)
class TransactionAdmin(ReadOnlyModelAdmin):
    """Transactions, newest first; the record page shows the legs and that they sum to zero."""

    list_display: ClassVar[Sequence[str]] = (
        "number",
        "occurred",
        "kind_",
        "business_id",
        "number_legs",
        "number_event",
    )
    list_filter: ClassVar[Sequence[Any]] = (
        "kind",
        period_filter("occurred_at"),
        ("occurred_at", DayRangeFilter),
    )
    search_help_text = "Transaction, event or business id"
    search_integers = ("id", "event_seq")
    search_texts = ("transaction_id",)
    sortable_by = ("number",)

    @admin.display(description="Transaction", ordering="id")
    def number(self, transaction: Transaction) -> SafeString:
        """Its number."""
        return display.identity(transaction.id)

    @admin.display(description="Time (UTC)")
    def occurred(self, transaction: Transaction) -> SafeString:
        """When it happened."""
        return display.instant(transaction.occurred_at)

    @admin.display(description="Kind")
    def kind_(self, transaction: Transaction) -> SafeString:
        """Why it is in the books."""
        return display.pill(transaction.get_kind_display(), KIND_TONES[transaction.kind])

    @admin.display(description="Business id")
    def business_id(self, transaction: Transaction) -> SafeString:
        """What makes it unique."""
        return display.identity(transaction.transaction_id)

    @admin.display(description="Legs")
    def number_legs(self, transaction: Transaction) -> SafeString:
        """How many legs it has."""
        return display.number(transaction.leg_count)

    @admin.display(description="Event")
    def number_event(self, transaction: Transaction) -> SafeString:
        """The event that made it."""
        return display.record_link("mirror_engineevent", transaction.event_seq)

    def record_title(self, record: Transaction) -> str:
        """Name the transaction."""
        return f"{record.get_kind_display()} · transaction {record.id}"

    def sections(self, _request: HttpRequest, record: Transaction) -> Sequence[Section]:
        """Show header and legs."""
        facts = [
            Fact("Kind", self.kind_(record)),
            Fact("Business id", self.business_id(record), "can be in the books once"),
            Fact("Occurred (UTC)", display.instant(record.occurred_at)),
            Fact("Recorded (UTC)", display.instant(record.recorded_at)),
            Fact("Made by event", self.number_event(record)),
        ]
        if record.kind == TransactionKind.TRADE.name:
            facts.append(
                Fact("Trade", display.record_link("trading_trade", record.event_seq, "its terms"))
            )
        if record.corrects_id is not None:
            corrected = display.record_link("ledger_transaction", record.corrects_id)
            facts.append(Fact("Corrects", corrected))
        return [FactSection("Transaction", facts), _legs_section(record)]


def _legs_section(transaction: Transaction) -> TableSection:
    legs = legs_of_transaction(transaction.id)
    sums = sums_per_asset(legs)
    agree = all(debits == credits_ for debits, credits_ in sums.values())
    balanced = agree and len(legs) == transaction.leg_count
    rows = [
        [
            display.identity(leg.leg_number),
            leg.account_name,
            account_of(leg.user_id),
            leg.asset_code,
            _debit(leg.amount, leg.asset_code),
            _credit(leg.amount, leg.asset_code),
        ]
        for leg in legs
    ]
    footer = [
        ["", "Sum", "", code, display.amount(debits, code), display.amount(credits_, code)]
        for code, (debits, credits_) in sums.items()
    ]
    note = (
        f"{len(legs)} legs; debits equal credits in every asset."
        if balanced
        else f"These legs do not balance: {len(legs)} found, {transaction.leg_count} expected."
    )
    columns = [
        Column("Leg"),
        Column("Account"),
        Column("Of"),
        Column("Asset"),
        Column("Debit", is_numeric=True),
        Column("Credit", is_numeric=True),
    ]
    return TableSection("Legs", columns, rows, footer, note=note)


@admin.register(Leg)
class LegAdmin(ReadOnlyModelAdmin):
    """Legs, newest first: with an account chosen, its statement."""

    list_display: ClassVar[Sequence[str]] = (
        "entry",
        "account_",
        "of",
        "amount_debit",
        "amount_credit",
        "day",
        "number_transaction",
    )
    list_filter: ClassVar[Sequence[Any]] = ("account", AssetFilter)
    search_help_text = "Account or transaction number"
    search_integers = ("user_id", "header_id")
    ordering: ClassVar[Sequence[str]] = ("-id",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Leg]:
        """Read the asset's code with each leg."""
        queryset: QuerySet[Leg] = super().get_queryset(request)
        return queryset.annotate(code=asset_code("asset_id"))

    @admin.display(description="Leg")
    def entry(self, leg: Leg) -> SafeString:
        """Transaction and leg number."""
        return display.identity(f"{leg.header_id}.{leg.leg_number}")

    @admin.display(description="Account")
    def account_(self, leg: Leg) -> str:
        """The account of the chart."""
        return str(leg.get_account_display())

    @admin.display(description="Of")
    def of(self, leg: Leg) -> SafeString:
        """The trading account."""
        return account_of(leg.user_id)

    @admin.display(description="Debit")
    def amount_debit(self, leg: Any) -> SafeString:
        """The amount, if debited."""
        return _debit(leg.amount, leg.code)

    @admin.display(description="Credit")
    def amount_credit(self, leg: Any) -> SafeString:
        """The amount, if credited."""
        return _credit(leg.amount, leg.code)

    @admin.display(description="Transaction")
    def number_transaction(self, leg: Leg) -> SafeString:
        """The transaction it belongs to."""
        return display.record_link("ledger_transaction", leg.header_id)

    def record_title(self, record: Leg) -> str:
        """Name the leg."""
        return f"Leg {record.header_id}.{record.leg_number}"

    def sections(self, _request: HttpRequest, record: Any) -> Sequence[Section]:
        """Show the leg."""
        facts = [
            Fact("Account", self.account_(record)),
            Fact("Of", self.of(record)),
            Fact("Debit", self.amount_debit(record)),
            Fact("Credit", self.amount_credit(record)),
            Fact("Day (UTC)", record.day.isoformat()),
            Fact("Transaction", self.number_transaction(record)),
        ]
        return [FactSection("Leg", facts)]
