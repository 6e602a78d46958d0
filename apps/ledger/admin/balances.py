"""Console pages of balances, of conservation, and of the chart of accounts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from apps.core.readonly import display
from apps.core.readonly.model_admin import ReadOnlyModelAdmin
from apps.core.readonly.pages import Fact, FactSection, Section
from apps.ledger.admin.transactions import account_of
from apps.ledger.models import Account, AssetTotal, Balance
from apps.markets.expressions import asset_code
from apps.markets.list_filters import AssetFilter


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
    search_help_text = "Account number"
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
            Fact("Account", account_of(record.user_id)),
            Fact("Asset", display.record_link("markets_asset", record.asset_id, record.code)),
            Fact("Total", self.amount_total(record)),
            Fact("Available", self.amount_available(record), "can be spent"),
            Fact("Locked", self.amount_locked(record), "reserved by open orders, or on hold"),
            Fact("Changed last by event", self.number_event(record)),
            Fact("Legs", display.link(display.list_url("ledger_leg", **key), "its statement")),
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
            Fact("Verdict", self.verdict(record), "held = deposited - withdrawn + adjusted"),
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
            Fact("Legs", display.link(entries, "newest first")),
        ]
        return [FactSection("Account", facts)]
