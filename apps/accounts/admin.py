"""Console pages of trading accounts and logins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from django.contrib import admin
from django.contrib.auth.models import Group
from django.http import HttpRequest
from django.utils.safestring import SafeString

from apps.accounts.actions import UserActivate, UserSuspend
from apps.accounts.dialogs import status_pill
from apps.accounts.models import ApiKey, EngineRegistration, TradingAccount, User
from apps.accounts.roles import Role
from apps.audit.dialogs import operations_for
from apps.core.readonly import display
from apps.core.readonly.model_admin import ReadOnlyModelAdmin
from apps.core.readonly.pages import Fact, FactSection, Operation, Section
from apps.core.readonly.personal import masked, personal, sees_personal_data
from engine.proto.records import UserStatus

admin.site.unregister(Group)  # rights follow from roles, and a change of those is on record


@admin.register(TradingAccount)
class TradingAccountAdmin(ReadOnlyModelAdmin):
    """Trading accounts as the engine states them."""

    list_display: ClassVar[Sequence[str]] = ("account", "status_", "number_added", "places")
    list_filter: ClassVar[Sequence[str]] = ("status",)
    search_help_text = "Account number"
    search_integers = ("user_id",)
    operate_permissions = (UserSuspend.permission, UserActivate.permission)

    def operations(self, request: HttpRequest, record: TradingAccount) -> Sequence[Operation]:
        """Stop the trader, or let him trade again."""
        is_active = record.status == UserStatus.ACTIVE.name
        return operations_for(request, record.pk, UserSuspend if is_active else UserActivate)

    @admin.display(description="Account", ordering="user_id")
    def account(self, account: TradingAccount) -> SafeString:
        """Its number in the engine."""
        return display.identity(account.user_id)

    @admin.display(description="Status")
    def status_(self, account: TradingAccount) -> SafeString:
        """Whether it may trade."""
        return status_pill(account.status)

    @admin.display(description="Added by event")
    def number_added(self, account: TradingAccount) -> SafeString:
        """The event that made it."""
        return display.record_link("mirror_engineevent", account.added_event_seq)

    @admin.display(description="Balances")
    def places(self, account: TradingAccount) -> SafeString:
        """Its balances."""
        url = display.list_url("ledger_balance", user_id=account.user_id)
        return display.link(url, "Balances")

    def record_title(self, record: TradingAccount) -> str:
        """Name the account."""
        return f"Trading account {record.user_id}"

    def sections(self, _request: HttpRequest, record: TradingAccount) -> Sequence[Section]:
        """Show the account and where to look on."""
        key = record.user_id

        def of_account(model: str, text: str) -> SafeString:
            return display.link(display.list_url(model, user_id=key), text)

        trades = display.link(display.list_url("trading_trade", q=key), "as maker or taker")
        return [
            FactSection(
                "Account",
                [
                    Fact("Number in the engine", display.identity(key)),
                    Fact("Status", self.status_(record)),
                    Fact("Added by event", self.number_added(record)),
                ],
            ),
            FactSection(
                "Activity",
                [
                    Fact("Balances", of_account("ledger_balance", "what it holds")),
                    Fact("Legs", of_account("ledger_leg", "its statement")),
                    Fact("Open orders", of_account("trading_openorder", "in the book")),
                    Fact("Order history", of_account("trading_orderhistory", "ended")),
                    Fact("Trades", trades),
                ],
            ),
        ]


@admin.register(User)
class UserAdmin(ReadOnlyModelAdmin):
    """Logins of people. Passwords are not shown in any form."""

    list_display: ClassVar[Sequence[str]] = (
        "username_",
        "email_",
        "role_",
        "active",
        "last_login_",
    )
    list_filter: ClassVar[Sequence[str]] = ("role", "is_active")
    search_help_text = "Login or e-mail address"
    search_texts = ("username__iexact", "email__iexact")
    ordering: ClassVar[Sequence[str]] = ("username",)

    @admin.display(description="Login")
    def username_(self, user: User) -> str:
        """The name of the login."""
        return masked(user.username)

    @admin.display(description="E-mail")
    def email_(self, user: User) -> str:
        """The address, masked as in every list."""
        return masked(user.email)

    @admin.display(description="Role")
    def role_(self, user: User) -> str:
        """What kind of person it belongs to."""
        return Role(user.role).label

    @admin.display(description="State")
    def active(self, user: User) -> SafeString:
        """Whether it can log in."""
        if user.is_active:
            return display.pill("Active", display.GOOD)
        return display.pill("Disabled", display.BAD)

    @admin.display(description="Last login (UTC)")
    def last_login_(self, user: User) -> SafeString:
        """When it logged in last."""
        return display.instant(user.last_login)

    def record_title(self, record: User) -> str:
        """Name the login."""
        return f"Login {masked(record.username)}"

    def sections(self, request: HttpRequest, record: User) -> Sequence[Section]:
        """Show the login."""
        groups = ", ".join(record.groups.order_by("name").values_list("name", flat=True))
        facts = [
            Fact("Login", personal(request, record.username)),
            Fact("E-mail", personal(request, record.email)),
            Fact("Role", self.role_(record)),
            Fact("State", self.active(record)),
            Fact("Groups", groups or display.NOTHING),
            Fact("Made (UTC)", display.instant(record.date_joined)),
            Fact("Last login (UTC)", display.instant(record.last_login)),
        ]
        return [FactSection("Login", facts)]


@admin.register(EngineRegistration)
class EngineRegistrationAdmin(ReadOnlyModelAdmin):
    """Traders of whom the engine has been told, or has to be."""

    list_display: ClassVar[Sequence[str]] = ("user_", "state_", "attempts", "asked", "error_")
    search_help_text = "Number of the login"
    search_integers = ("user_id",)
    ordering: ClassVar[Sequence[str]] = ("-user_id",)

    @admin.display(description="Login", ordering="user_id")
    def user_(self, registration: EngineRegistration) -> SafeString:
        """Whose it is."""
        return display.identity(registration.pk)

    @admin.display(description="State")
    def state_(self, registration: EngineRegistration) -> SafeString:
        """Whether the engine knows the trader."""
        if registration.engine_event_seq is not None:
            return display.pill("Open", display.GOOD)
        return display.pill("Pending", display.WARN)

    @admin.display(description="Asked for (UTC)")
    def asked(self, registration: EngineRegistration) -> SafeString:
        """Since when the engine is to know."""
        return display.instant(registration.requested_at)

    @admin.display(description="Last failure")
    def error_(self, registration: EngineRegistration) -> str:
        """Why the last attempt failed."""
        return registration.last_error or display.NOTHING

    def record_title(self, record: EngineRegistration) -> str:
        """Name the trader."""
        return f"Registration of {record.pk}"

    def sections(self, _request: HttpRequest, record: EngineRegistration) -> Sequence[Section]:
        """Show how far it is."""
        facts = [
            Fact("Login", display.record_link("accounts_user", record.pk)),
            Fact("State", self.state_(record)),
            Fact("Asked for (UTC)", self.asked(record)),
            Fact("Attempts", str(record.attempts)),
            Fact("Last failure", self.error_(record)),
        ]
        if record.engine_event_seq is not None:
            event = display.record_link("mirror_engineevent", record.engine_event_seq)
            facts.append(Fact("Added by event", event))
        return [FactSection("Registration with the engine", facts)]


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnlyModelAdmin):
    """API keys of traders. Their secrets are shown in no form."""

    list_display: ClassVar[Sequence[str]] = ("key_", "user_", "label", "may_", "state_", "used")
    search_help_text = "Key, or number of the login"
    search_texts = ("key_id",)
    search_integers = ("user_id",)
    ordering: ClassVar[Sequence[str]] = ("-id",)

    @admin.display(description="Key", ordering="id")
    def key_(self, key: ApiKey) -> SafeString:
        """Its public name."""
        return display.identity(key.key_id)

    @admin.display(description="Login")
    def user_(self, key: ApiKey) -> SafeString:
        """Whose it is."""
        return display.record_link("accounts_user", key.user_id)

    @admin.display(description="May")
    def may_(self, key: ApiKey) -> str:
        """What it was made for."""
        return "read, trade" if key.may_trade else "read"

    @admin.display(description="State")
    def state_(self, key: ApiKey) -> SafeString:
        """Whether it is in force."""
        if key.revoked_at is None:
            return display.pill("In force", display.GOOD)
        return display.pill("Revoked", display.BAD)

    @admin.display(description="Last used (UTC)")
    def used(self, key: ApiKey) -> SafeString:
        """When it was used last, to some minutes."""
        return display.instant(key.last_used_at)

    def record_title(self, record: ApiKey) -> str:
        """Name the key."""
        return f"API key {record.key_id}"

    def sections(self, request: HttpRequest, record: ApiKey) -> Sequence[Section]:
        """Show the key."""
        facts = [
            Fact("Key", display.identity(record.key_id)),
            Fact("Login", self.user_(record)),
            Fact("Label", record.label),
            Fact("May", self.may_(record)),
            Fact("From", _origin(request, record.addresses)),
            Fact("State", self.state_(record)),
            Fact("Made (UTC)", display.instant(record.created_at)),
            Fact("Last used (UTC)", self.used(record)),
            Fact("Revoked (UTC)", display.instant(record.revoked_at)),
        ]
        return [FactSection("API key", facts)]


def _origin(request: HttpRequest, addresses: Sequence[str]) -> str:
    """Tell from where a key is accepted, as the viewer may see it."""
    if not addresses:
        return "anywhere"
    if not sees_personal_data(request):
        return f"{len(addresses)} networks"
    return ", ".join(addresses)
