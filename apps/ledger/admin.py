"""Console pages of the books: transactions with their legs, entries, balances, conservation."""

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
from apps.ledger.models import Account, AssetTotal, Balance, Leg, Transaction
from apps.ledger.types import TransactionKind
from apps.markets.expressions import asset_code
from apps.markets.list_filters import AssetFilter

KIND_TONES = {
    TransactionKind.DEPOSIT.name: display.GOOD,
    TransactionKind.WITHDRAWAL.name: display.WARN,
    TransactionKind.ADJUSTMENT.name: display.BAD,
    TransactionKind.TRADE.name: display.QUIET,
}


def _account_of(user_id: int | None) -> SafeString:
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
    balanced = not any(sums.values()) and len(legs) == transaction.leg_count
    rows = [
        [
            display.identity(leg.leg_number),
            leg.account_name,
            _account_of(leg.user_id),
            leg.asset_code,
            _debit(leg.amount, leg.asset_code),
            _credit(leg.amount, leg.asset_code),
        ]
        for leg in legs
    ]
    footer = [
        ["", f"Sum {code}", "", code, "", display.amount(total, code)]
        for code, total in sums.items()
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
    """Entries of the books, newest first: with an account chosen, its statement."""

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
    search_integers = ("user_id", "header_id")
    ordering: ClassVar[Sequence[str]] = ("-id",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Leg]:
        """Read the asset's code with each leg."""
        queryset: QuerySet[Leg] = super().get_queryset(request)
        return queryset.annotate(code=asset_code("asset_id"))

    @admin.display(description="Entry")
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
        return _account_of(leg.user_id)

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
        """Name the entry."""
        return f"Entry {record.header_id}.{record.leg_number}"

    def sections(self, _request: HttpRequest, record: Any) -> Sequence[Section]:
        """Show the entry."""
        facts = [
            Fact("Account", self.account_(record)),
            Fact("Of", self.of(record)),
            Fact("Debit", self.amount_debit(record)),
            Fact("Credit", self.amount_credit(record)),
            Fact("Day (UTC)", record.day.isoformat()),
            Fact("Transaction", self.number_transaction(record)),
        ]
        return [FactSection("Entry", facts)]


@admin.register(Balance)
class BalanceAdmin(ReadOnlyModelAdmin):
    """What each account holds, at the mirror's cursor."""

    list_display: ClassVar[Sequence[str]] = (
        "account",
        "asset",
        "amount_total",
        "amount_available",
        "amount_locked",
        "number_event",
    )
    list_filter: ClassVar[Sequence[Any]] = (AssetFilter,)
    search_integers = ("user_id",)
    sortable_by = ("account",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Balance]:
        """Read the asset's code with each balance."""
        queryset: QuerySet[Balance] = super().get_queryset(request)
        return queryset.annotate(code=asset_code("asset_id"))

    @admin.display(description="Account", ordering="id")
    def account(self, balance: Balance) -> SafeString:
        """Whose it is."""
        return display.identity("house" if balance.user_id == 0 else balance.user_id)

    @admin.display(description="Asset")
    def asset(self, balance: Any) -> str:
        """Of which asset."""
        return str(balance.code)

    @admin.display(description="Total")
    def amount_total(self, balance: Any) -> SafeString:
        """All of it."""
        return display.amount(balance.total, balance.code)

    @admin.display(description="Available")
    def amount_available(self, balance: Any) -> SafeString:
        """What can be spent."""
        return display.amount(balance.available, balance.code)

    @admin.display(description="Locked")
    def amount_locked(self, balance: Any) -> SafeString:
        """What open orders reserve."""
        return display.amount(balance.locked, balance.code)

    @admin.display(description="Last event")
    def number_event(self, balance: Balance) -> SafeString:
        """The event that changed it last."""
        return display.record_link("mirror_engineevent", balance.last_event_seq)

    def record_title(self, record: Any) -> str:
        """Name the balance."""
        owner = "the house" if record.user_id == 0 else f"account {record.user_id}"
        return f"{record.code} of {owner}"

    def sections(self, _request: HttpRequest, record: Any) -> Sequence[Section]:
        """Show the balance and where it comes from."""
        key = {"user_id": record.user_id, "asset_id": record.asset_id}
        facts = [
            Fact("Account", _account_of(record.user_id)),
            Fact("Asset", display.record_link("markets_asset", record.asset_id, record.code)),
            Fact("Total", self.amount_total(record)),
            Fact("Available", self.amount_available(record), "can be spent"),
            Fact("Locked", self.amount_locked(record), "reserved by open orders"),
            Fact("Changed last by event", self.number_event(record)),
            Fact("Entries", display.link(display.list_url("ledger_leg", **key), "its statement")),
        ]
        return [FactSection("Balance", facts)]


@admin.register(AssetTotal)
class AssetTotalAdmin(ReadOnlyModelAdmin):
    """Conservation: what is held is what came in less what went out, for each asset."""

    list_display: ClassVar[Sequence[str]] = (
        "asset",
        "amount_held",
        "amount_deposited",
        "amount_withdrawn",
        "amount_adjusted",
        "verdict",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[AssetTotal]:
        """Read the asset's code with each row."""
        queryset: QuerySet[AssetTotal] = super().get_queryset(request)
        return queryset.annotate(code=asset_code("asset_id"))

    @admin.display(description="Asset")
    def asset(self, total: Any) -> str:
        """Of which asset."""
        return str(total.code)

    @admin.display(description="Held")
    def amount_held(self, total: Any) -> SafeString:
        """Sum over all balances."""
        return display.amount(total.held, total.code)

    @admin.display(description="Deposited")
    def amount_deposited(self, total: Any) -> SafeString:
        """What came in."""
        return display.amount(total.deposited, total.code)

    @admin.display(description="Withdrawn")
    def amount_withdrawn(self, total: Any) -> SafeString:
        """What went out."""
        return display.amount(total.withdrawn, total.code)

    @admin.display(description="Adjusted")
    def amount_adjusted(self, total: Any) -> SafeString:
        """What operators corrected."""
        return display.amount(total.adjusted, total.code)

    @admin.display(description="Conserved")
    def verdict(self, total: AssetTotal) -> SafeString:
        """Whether held is what it must be."""
        if total.held == total.deposited - total.withdrawn + total.adjusted:
            return display.pill("Conserved", display.GOOD)
        return display.pill("Broken", display.BAD)

    def record_title(self, record: Any) -> str:
        """Name the asset."""
        return f"Conservation of {record.code}"

    def sections(self, _request: HttpRequest, record: Any) -> Sequence[Section]:
        """Show the sums."""
        facts = [
            Fact("Held", self.amount_held(record), "sum over all balances"),
            Fact("Deposited", self.amount_deposited(record)),
            Fact("Withdrawn", self.amount_withdrawn(record)),
            Fact("Adjusted", self.amount_adjusted(record)),
            Fact("Verdict", self.verdict(record), "held = deposited − withdrawn + adjusted"),
        ]
        return [FactSection("Sums", facts)]


@admin.register(Account)
class AccountAdmin(ReadOnlyModelAdmin):
    """The chart of accounts."""

    list_display: ClassVar[Sequence[str]] = ("name_", "code_", "class_", "side_")

    @admin.display(description="Account")
    def name_(self, account: Account) -> str:
        """Its name."""
        return account.name

    @admin.display(description="Code")
    def code_(self, account: Account) -> SafeString:
        """What legs carry."""
        return display.identity(account.code)

    @admin.display(description="Class")
    def class_(self, account: Account) -> str:
        """What it is."""
        return str(account.get_account_class_display())

    @admin.display(description="Grows by")
    def side_(self, account: Account) -> str:
        """The side on which it grows."""
        return str(account.get_normal_side_display())

    def record_title(self, record: Account) -> str:
        """Name the account."""
        return record.name

    def sections(self, _request: HttpRequest, record: Account) -> Sequence[Section]:
        """Show the account."""
        entries = display.list_url("ledger_leg", account__exact=record.code)
        facts = [
            Fact("Code", self.code_(record)),
            Fact("Class", self.class_(record)),
            Fact("Grows by", self.side_(record)),
            Fact("Entries", display.link(entries, "newest first")),
        ]
        return [FactSection("Account", facts)]
