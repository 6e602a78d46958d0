"""Console pages of custody: deposits with their steps, cases, webhooks, addresses, networks."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, ClassVar, Final

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from apps.core.readonly import display
from apps.core.readonly.model_admin import ReadOnlyModelAdmin
from apps.core.readonly.pages import Column, Fact, FactSection, Section, TableSection
from apps.core.readonly.personal import coin_address, shortened
from apps.custody.models import (
    AssetNetwork,
    Case,
    Deposit,
    DepositAddress,
    DepositStep,
    PollCursor,
    Transfer,
    Webhook,
)
from apps.custody.types import DepositState, InboxState

STEPS_SHOWN_MAX: Final = 100
_TONES: Final = {
    DepositState.CREDITED.value: display.GOOD,
    DepositState.HELD.value: display.WARN,
    DepositState.FROZEN.value: display.BAD,
    InboxState.DONE.value: display.GOOD,
    InboxState.FAILED.value: display.BAD,
}


def _state(value: str) -> SafeString:
    return display.pill(display.words(value), _TONES.get(value, display.QUIET))


class _Page(ReadOnlyModelAdmin):
    """A page whose facts are all columns of the row, under their names."""

    hidden: ClassVar[frozenset[str]] = frozenset({"body"})
    addresses: ClassVar[frozenset[str]] = frozenset()  # columns that name where coins go

    def sections(self, request: HttpRequest, record: Any) -> Sequence[Section]:
        """Show every column; addresses of coins whole only to whom the role allows."""

        def value_of(name: str) -> Any:
            value = getattr(record, name)
            return coin_address(request, value) if name in self.addresses else value

        facts = [
            Fact(str(field.verbose_name).capitalize(), _shown(value_of(field.attname)))
            for field in record._meta.concrete_fields
            if field.name not in self.hidden
        ]
        return [FactSection(str(self.opts.verbose_name).capitalize(), facts)]


def _shown(value: Any) -> SafeString | str:
    if value is None or value == "":
        return display.NOTHING
    if isinstance(value, bytes | memoryview):
        return display.hexadecimal(value)
    if isinstance(value, Decimal):
        return display.amount(value)
    if hasattr(value, "isoformat"):
        return display.instant(value)
    return display.identity(value)


@admin.register(Deposit)
class DepositAdmin(_Page):
    """What arrived for traders, and how far it has come."""

    addresses = frozenset({"address_key"})
    list_display: ClassVar[Sequence[str]] = (
        "deposit", "state_", "amount_", "account", "confirmed", "event", "seen",
    )  # fmt: skip
    list_filter: ClassVar[Sequence[str]] = ("state",)
    search_help_text = "Transaction hash, account number or deposit number"
    search_texts = ("normalized_tx_hash",)
    search_integers = ("user_id", "id")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Deposit]:
        """Join what the list shows."""
        rows: QuerySet[Deposit] = super().get_queryset(request)
        return rows.select_related("address__network", "transfer")

    @admin.display(description="Deposit")
    def deposit(self, row: Deposit) -> SafeString:
        """Its transaction."""
        return display.identity(str(row))

    @admin.display(description="State")
    def state_(self, row: Deposit) -> SafeString:
        """How far it has come."""
        return _state(row.state)

    @admin.display(description="Amount")
    def amount_(self, row: Deposit) -> SafeString:
        """What is credited."""
        return display.amount(row.amount, row.address.network.asset_code)

    @admin.display(description="Account")
    def account(self, row: Deposit) -> SafeString:
        """Whose it is."""
        return display.record_link("accounts_tradingaccount", row.user_id)

    @admin.display(description="Confirmations")
    def confirmed(self, row: Deposit) -> SafeString:
        """How many there are, of how many are needed."""
        return display.right(f"{row.confirmations} / {row.address.network.min_confirmations}")

    @admin.display(description="Credited by event")
    def event(self, row: Deposit) -> SafeString:
        """The engine's event."""
        return display.record_link("mirror_engineevent", row.event_seq)

    @admin.display(description="Seen (UTC)")
    def seen(self, row: Deposit) -> SafeString:
        """When it was seen first."""
        return display.instant(row.created_at)

    def record_title(self, record: Deposit) -> str:
        """Name the deposit."""
        return f"Deposit {record.pk}"

    def sections(self, request: HttpRequest, record: Deposit) -> Sequence[Section]:
        """Show the deposit, its steps and its cases."""
        steps = record.steps.order_by("number")[:STEPS_SHOWN_MAX]
        cases = record.cases.order_by("pk")[:STEPS_SHOWN_MAX]
        return [
            TableSection(
                "Steps",
                [
                    Column("#", is_numeric=True), Column("To"), Column("Because of"),
                    Column("Reason"), Column("At (UTC)"),
                ],
                [
                    [
                        str(step.number), _state(step.to_state), display.words(step.source),
                        step.reason or display.NOTHING, display.instant(step.taken_at),
                    ]
                    for step in steps
                ],
            ),
            TableSection(
                "Cases",
                [Column("Case"), Column("Kind"), Column("Detail")],
                [
                    [
                        display.record_link("custody_case", case.pk),
                        display.words(case.kind),
                        case.detail,
                    ]
                    for case in cases
                ],
                empty="No case was opened.",
            ),
            *super().sections(request, record),
        ]  # fmt: skip


@admin.register(DepositStep)
class DepositStepAdmin(_Page):
    """Every step that a deposit took."""

    list_display: ClassVar[Sequence[str]] = ("deposit_", "number", "to", "source", "at")
    search_help_text = "Deposit number"
    search_integers = ("deposit_id",)

    @admin.display(description="Deposit")
    def deposit_(self, row: DepositStep) -> SafeString:
        """Whose step it is."""
        return display.record_link("custody_deposit", row.deposit_id)

    @admin.display(description="To")
    def to(self, row: DepositStep) -> SafeString:
        """Where it led."""
        return _state(row.to_state)

    @admin.display(description="At (UTC)")
    def at(self, row: DepositStep) -> SafeString:
        """When."""
        return display.instant(row.taken_at)


@admin.register(Case)
class CaseAdmin(_Page):
    """What a person has to look at."""

    list_display: ClassVar[Sequence[str]] = ("subject", "kind", "account", "freeze", "opened")
    list_filter: ClassVar[Sequence[str]] = ("kind",)
    search_help_text = "Account number"
    search_integers = ("user_id",)

    @admin.display(description="Account")
    def account(self, row: Case) -> SafeString:
        """Whom it concerns."""
        return display.record_link("accounts_tradingaccount", row.user_id)

    @admin.display(description="Trader")
    def freeze(self, row: Case) -> SafeString:
        """Whether the trader was suspended for it."""
        if not row.freezes_user:
            return display.pill("Not stopped")
        if row.frozen_at is None:
            return display.pill("To be suspended", display.WARN)
        return display.pill("Suspended", display.BAD)

    @admin.display(description="Opened (UTC)")
    def opened(self, row: Case) -> SafeString:
        """When."""
        return display.instant(row.opened_at)

    def record_title(self, record: Case) -> str:
        """Name the case."""
        return f"Case {record.pk}: {display.words(record.kind)}"


@admin.register(Webhook)
class WebhookAdmin(_Page):
    """What the custodian told us, and what became of it."""

    list_display: ClassVar[Sequence[str]] = (
        "received", "state_", "kind", "coin", "received_count", "outcome",
    )  # fmt: skip
    list_filter: ClassVar[Sequence[str]] = ("state",)
    search_help_text = "Number of the webhook"
    search_integers = ("id",)

    @admin.display(description="Received (UTC)")
    def received(self, row: Webhook) -> SafeString:
        """When it came first."""
        return display.instant(row.received_at)

    @admin.display(description="State")
    def state_(self, row: Webhook) -> SafeString:
        """What became of it."""
        return _state(row.state)


@admin.register(Transfer)
class TransferAdmin(_Page):
    """Transfers as the custodian stated them last."""

    list_display: ClassVar[Sequence[str]] = ("transfer_id", "coin", "state", "confirmations")
    search_help_text = "Number of the transfer here"
    search_integers = ("id",)


@admin.register(DepositAddress)
class DepositAddressAdmin(_Page):
    """Where traders may send coins."""

    addresses = frozenset({"address", "address_key"})
    list_display: ClassVar[Sequence[str]] = ("address_", "account", "coin", "made")
    search_help_text = "Account number"
    search_integers = ("user_id",)

    @admin.display(description="Account")
    def account(self, row: DepositAddress) -> SafeString:
        """Whose it is."""
        return display.record_link("accounts_tradingaccount", row.user_id)

    @admin.display(description="Address")
    def address_(self, row: DepositAddress) -> SafeString:
        """Its ends; whole on its page."""
        return display.identity(shortened(row.address))

    def record_title(self, record: DepositAddress) -> str:
        """Name the address."""
        return f"Deposit address {shortened(record.address)}"

    @admin.display(description="Made (UTC)")
    def made(self, row: DepositAddress) -> SafeString:
        """When."""
        return display.instant(row.created_at)


@admin.register(AssetNetwork)
class AssetNetworkAdmin(_Page):
    """How assets travel, and when a deposit counts."""

    list_display: ClassVar[Sequence[str]] = (
        "asset_code", "network", "coin", "decimals", "min_confirmations", "is_enabled",
    )  # fmt: skip


@admin.register(PollCursor)
class PollCursorAdmin(_Page):
    """How far each wallet has been looked through."""

    list_display: ClassVar[Sequence[str]] = ("coin", "until", "polled", "last_error")

    @admin.display(description="Seen until (UTC)")
    def until(self, row: PollCursor) -> SafeString:
        """When the newest transfer was made that was looked at."""
        return display.instant(row.polled_until)

    @admin.display(description="Polled (UTC)")
    def polled(self, row: PollCursor) -> SafeString:
        """When it was looked through last."""
        return display.instant(row.polled_at)
