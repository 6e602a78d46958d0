"""All about one user on one page: identity, holdings in engine and books, orders, trades, deposits.

Invariant: what the engine says and what the books say stand side by side and are never mixed; if
the engine does not answer, the page says so and shows the books'. The number of queries does not
depend on how much a user has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar, Final

from django.contrib import admin
from django.db.models import Exists, OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.utils.safestring import SafeString

from apps.accounts.actions import UserActivate, UserSetRole, UserSuspend
from apps.accounts.admin import TradingAccountAdmin, UserAdmin
from apps.accounts.dialogs import status_pill
from apps.accounts.models import EngineRegistration, TradingAccount, User
from apps.accounts.roles import Role
from apps.audit.admin.words import object_link, outcome_pill
from apps.audit.dialogs import operations_for
from apps.audit.selectors import entries_concerning
from apps.console.engine_settings import kill_switch_banner, setting_sections
from apps.core.readonly import display
from apps.core.readonly.pages import (
    Banner,
    Column,
    Fact,
    FactSection,
    Operation,
    Section,
    Shown,
    TableSection,
)
from apps.core.readonly.personal import coin_address, masked, personal
from apps.custody.selectors import addresses_list, deposits_list
from apps.ledger.console_reads import held_by
from apps.markets.grid import price_text, quantity_text
from apps.markets.types import MarketTerms
from apps.mirror.console_reads import mirror_states
from apps.trading.actions import OrderForceCancel
from apps.trading.engine_reads import AccountStatement, account_get
from apps.trading.selectors import orders_list, own_trades
from apps.trading.statements import BalanceStatement, OrderStatement
from engine.client import EngineUnavailable
from engine.proto.records import Side, UserStatus

ROWS_MAX: Final = 10
OPEN_ORDERS_MAX: Final = 50
NOTHING_HELD: Final = (Decimal(0), Decimal(0), Decimal(0))


@dataclass(frozen=True, slots=True)
class EngineSays:
    """The engine's statement, or why there is none."""

    account: AccountStatement | None
    failure: str = ""


def _ask_engine(user_id: int) -> EngineSays:
    try:
        return EngineSays(account_get(user_id, orders_max=OPEN_ORDERS_MAX))
    except EngineUnavailable as error:
        return EngineSays(None, str(error))


def activity_sections(request: HttpRequest, user_id: int) -> list[Section]:
    """Return what a trading account holds and did: engine, books, custody, log."""
    engine = _ask_engine(user_id)
    open_in_books = orders_list(user_id, is_closed=False, limit=OPEN_ORDERS_MAX).items
    ended = orders_list(user_id, is_closed=True, limit=ROWS_MAX).items
    order_ids = [order.order_id for order in (*open_in_books, *ended)]
    return [
        _balances(user_id, engine),
        *setting_sections(user_id=user_id),
        _open_orders(request, engine, open_in_books),
        _ended_orders(user_id, ended),
        _trades(user_id),
        _deposits(user_id),
        _addresses(request, user_id),
        _records(request, user_id, order_ids),
    ]


def _balances(user_id: int, engine: EngineSays) -> TableSection:
    # The cursor before the rows: they are then as new as it says, or newer.
    cursor = min((mirror.last_event_seq for mirror in mirror_states()), default=0)
    books = {held.asset_code: held for held in held_by(user_id)}
    account = engine.account
    stated = {} if account is None else {held.asset: held for held in account.balances.balances}
    rows: list[list[Shown]] = []
    for code in sorted({*books, *stated}):
        held, said = books.get(code), stated.get(code)
        written = (held.total, held.available, held.locked) if held else NOTHING_HELD
        if account is None:
            shown: list[Shown] = [display.NOTHING] * 3
            verdict = display.pill("Not compared")
        else:
            now = _decimals(said) if said else NOTHING_HELD
            shown = [_figure(value) for value in now]
            is_newer = held is not None and held.last_event_seq > account.balances.event_seq
            is_moving = cursor < account.balances.event_seq or is_newer
            verdict = _verdict(is_same=now == written, is_moving=is_moving)
        rows.append([code, *shown, *(_figure(value) for value in written), verdict])
    parts = ("Total", "Available", "Locked")
    sources = [f"{where}: {what}" for where in ("Engine", "Books") for what in parts]
    columns = [Column("Asset"), *(Column(each, is_numeric=True) for each in sources), Column("")]
    note = (
        f"The engine does not answer ({engine.failure}): only the books are shown."
        if account is None
        else f"Engine at event {account.balances.event_seq:,}, books at event {cursor:,}."
    )
    return TableSection("Balances", columns, rows, note=note, empty="Nothing was ever held.")


def _figure(value: Decimal) -> SafeString:
    return display.right(display.amount_text(value))


def _decimals(said: BalanceStatement) -> tuple[Decimal, Decimal, Decimal]:
    return Decimal(said.total), Decimal(said.available), Decimal(said.locked)


def _verdict(*, is_same: bool, is_moving: bool) -> SafeString:
    """Tell whether both agree. A difference is one only if both speak of the same events."""
    if is_same:
        return display.pill("Agrees", display.GOOD)
    if is_moving:
        return display.pill("Moving", display.WARN)
    return display.pill("Differs", display.BAD)


def _open_orders(
    request: HttpRequest, engine: EngineSays, in_books: Sequence[OrderStatement]
) -> TableSection:
    account = engine.account
    columns = [
        Column("Order"), Column("Market"), Column("Side"), Column("Price", is_numeric=True),
        Column("Left", is_numeric=True), Column("Quantity", is_numeric=True), Column(""),
    ]  # fmt: skip
    rows: list[list[Shown]] = []
    for order_id, symbol, side, price, left, quantity in (
        _of_books(in_books) if account is None else _of_engine(account)
    ):
        buttons = operations_for(request, order_id, OrderForceCancel)
        rows.append(
            [
                display.record_link("trading_openorder", order_id),
                symbol,
                display.side(side),
                display.right(price),
                display.right(left),
                display.right(quantity),
                display.buttons(buttons),
            ]
        )
    note = ""
    if account is None:
        note = "From the books: the engine does not answer."
    elif account.has_more_orders:
        note = f"The first {OPEN_ORDERS_MAX}, by market."
    title = "Open orders, in the engine now" if account else "Open orders"
    return TableSection(title, columns, rows, note=note, empty="No order is open.")


def _ticks(ticks: int, market: MarketTerms) -> str:
    return price_text(ticks, market) if ticks else ""


def _prices(price: str, stop_price: str, *, is_waiting: bool) -> str:
    """Return the limit, and what an order that is not in the book waits for."""
    if not is_waiting:
        return price
    waits = f"waits for {stop_price}" if stop_price else "waits"
    return f"{price} {waits}" if price else waits


def _of_engine(account: AccountStatement) -> list[tuple[int, str, str, str, str, str]]:
    return [
        (
            order.order_id,
            account.market_of(order).symbol,
            Side(order.side).name,
            _prices(
                _ticks(order.price_ticks, account.market_of(order)),
                _ticks(order.stop_price_ticks, account.market_of(order)),
                is_waiting=bool(order.wait),
            ),
            quantity_text(order.leaves_lots, account.market_of(order)),
            quantity_text(order.quantity_lots, account.market_of(order)),
        )
        for order in account.orders
    ]


def _of_books(orders: Sequence[OrderStatement]) -> list[tuple[int, str, str, str, str, str]]:
    return [
        (
            order.order_id,
            order.market,
            order.side,
            _prices(order.price or "", order.stop_price or "", is_waiting=order.is_waiting),
            order.leaves_quantity,
            order.quantity,
        )
        for order in orders
    ]


def _ended_orders(user_id: int, orders: Sequence[OrderStatement]) -> TableSection:
    rows: list[list[Shown]] = [
        [
            display.record_link("trading_orderhistory", order.order_id),
            display.instant(order.closed_at),
            order.market,
            display.side(order.side),
            display.right(order.price or "market"),
            display.right(order.executed_quantity),
            display.right(order.quantity),
            display.pill("By operator", display.BAD)
            if order.by_operator
            else display.pill(display.words(order.status)),
        ]
        for order in orders
    ]
    columns = [
        Column("Order"), Column("Ended (UTC)"), Column("Market"), Column("Side"),
        Column("Price", is_numeric=True), Column("Executed", is_numeric=True),
        Column("Quantity", is_numeric=True), Column("Outcome"),
    ]  # fmt: skip
    every = display.link(display.list_url("trading_orderhistory", q=user_id), "All ended orders")
    return TableSection("Ended orders", columns, rows, note=every, empty="No order has ended.")


def _trades(user_id: int) -> TableSection:
    rows: list[list[Shown]] = [
        [
            display.record_link("trading_trade", trade.key // 2, trade.trade_id),
            display.instant(trade.executed_at),
            trade.market,
            display.side(trade.side),
            display.right(trade.price),
            display.right(trade.quantity),
            display.words(trade.role),
            display.amount(Decimal(trade.fee), trade.fee_asset),
        ]
        for trade in own_trades(user_id, limit=ROWS_MAX).items
    ]
    columns = [
        Column("Trade"), Column("Time (UTC)"), Column("Market"), Column("Side"),
        Column("Price", is_numeric=True), Column("Quantity", is_numeric=True), Column("Role"),
        Column("Fee", is_numeric=True),
    ]  # fmt: skip
    every = display.link(display.list_url("trading_trade", q=user_id), "All trades")
    return TableSection("Trades", columns, rows, note=every, empty="No trade yet.")


def _deposits(user_id: int) -> TableSection:
    rows: list[list[Shown]] = [
        [
            display.record_link("custody_deposit", deposit.deposit_id),
            display.instant(deposit.created_at),
            display.amount(deposit.amount, deposit.asset_code),
            display.pill(display.words(deposit.state)),
        ]
        for deposit in deposits_list(user_id=user_id, limit=ROWS_MAX)
    ]
    columns = [
        Column("Deposit"), Column("Seen (UTC)"), Column("Amount", is_numeric=True),
        Column("State"),
    ]  # fmt: skip
    return TableSection("Deposits", columns, rows, empty="Nothing has arrived.", is_half=True)


def _addresses(request: HttpRequest, user_id: int) -> TableSection:
    rows: list[list[Shown]] = [
        [each.asset_code, each.network, display.identity(coin_address(request, each.address))]
        for each in addresses_list(user_id=user_id)
    ]
    columns = [Column("Asset"), Column("Network"), Column("Address")]
    empty = "No address was asked for."
    return TableSection("Deposit addresses", columns, rows, empty=empty, is_half=True)


def _records(request: HttpRequest, user_id: int, order_ids: Sequence[int]) -> TableSection:
    entries = entries_concerning(user_id=user_id, order_ids=order_ids, limit=ROWS_MAX)
    rows: list[list[Shown]] = [
        [
            display.record_link("audit_auditentry", entry.seq),
            display.instant(entry.recorded_at),
            masked(entry.actor_name),
            entry.action,
            object_link(entry.object_type, entry.object_id),
            outcome_pill(entry.outcome),
            personal(request, entry.reason) or display.NOTHING,
        ]
        for entry in entries
    ]
    columns = [
        Column("Entry"), Column("Recorded (UTC)"), Column("Who"), Column("Action"),
        Column("Object"), Column("Outcome"), Column("Reason"),
    ]  # fmt: skip
    return TableSection("Audit log", columns, rows, empty="Nothing is on record.")


class UserPage(UserAdmin):
    """Logins, with all that is known of the person behind one."""

    list_display: ClassVar[Sequence[str]] = (
        "number_user", "username_", "email_", "role_", "trading", "active", "last_login_",
    )  # fmt: skip
    search_help_text = "Login, e-mail address or number"
    search_integers = ("id",)
    operate_permissions = (UserSuspend.permission, UserActivate.permission)

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        """Read the trading status and the registration along with each login."""
        account = TradingAccount.objects.filter(pk=OuterRef("pk"))
        registration = EngineRegistration.objects.filter(pk=OuterRef("pk"))
        users: QuerySet[User] = super().get_queryset(request)
        return users.annotate(
            trading_status=Subquery(account.values("status")[:1]),
            is_to_register=Exists(registration),
            registered_seq=Subquery(registration.values("engine_event_seq")[:1]),
            registration_error=Subquery(registration.values("last_error")[:1]),
        )

    @admin.display(description="User", ordering="id")
    def number_user(self, user: User) -> SafeString:
        """Its number."""
        return display.identity(user.pk)

    @admin.display(description="Trading")
    def trading(self, user: Any) -> SafeString:
        """Whether the engine takes orders."""
        if user.trading_status:
            return status_pill(user.trading_status)
        return display.pill("Pending", display.WARN) if user.is_to_register else display.NOTHING

    def operations(self, request: HttpRequest, record: Any) -> Sequence[Operation]:
        """Stop or start trading; change the role of staff."""
        if record.role != Role.TRADER:
            return operations_for(request, record.pk, UserSetRole)
        if not record.trading_status:
            return []
        is_active = record.trading_status == UserStatus.ACTIVE.name
        return operations_for(request, record.pk, UserSuspend if is_active else UserActivate)

    def missing_record_url(self, _request: HttpRequest, key: str) -> str | None:
        """Lead to the trading account of a number that has no login."""
        is_account = key.isdecimal() and TradingAccount.objects.filter(pk=int(key)).exists()
        return display.record_url("accounts_tradingaccount", key) if is_account else None

    def banner(self, _request: HttpRequest, record: Any) -> Banner | None:
        """Say first that somebody cannot trade."""
        if record.trading_status == UserStatus.SUSPENDED.name:
            text = "No new orders are taken; cancels and reductions work."
            return Banner("Trading is suspended.", text, display.BAD)
        return kill_switch_banner(user_id=record.pk) if record.trading_status else None

    def record_title(self, record: User) -> str:
        """Name the user."""
        return f"User {record.pk} · {masked(record.username)}"

    def sections(self, request: HttpRequest, record: Any) -> Sequence[Section]:
        """Show who it is and, of a trader, all that the account holds and did."""
        facts = [
            Fact("Number", display.identity(record.pk), "also in the engine"),
            Fact("E-mail", personal(request, record.email)),
            Fact("Role", self.role_(record)),
            Fact("Login", self.active(record)),
            Fact("Trading", self.trading(record)),
            Fact("Engine", _registration(record)),
            Fact("Tier", record.get_tier_display()),
            Fact(
                "API keys", display.link(display.list_url("accounts_apikey", q=record.pk), "list")
            ),
            Fact("Registered (UTC)", display.instant(record.date_joined)),
            Fact("Last login (UTC)", display.instant(record.last_login)),
        ]
        return [FactSection("Identity", facts), *activity_sections(request, record.pk)]


def _registration(user: Any) -> Shown:
    if user.registered_seq is not None:
        return display.record_link(
            "mirror_engineevent", user.registered_seq, f"added by event {user.registered_seq}"
        )
    if user.is_to_register:
        return f"not registered yet; {user.registration_error or 'it is being asked'}"
    return "not a trader of this platform" if user.trading_status is None else "known"


class TradingAccountPage(TradingAccountAdmin):
    """Trading accounts, with what each holds and did."""

    def sections(self, request: HttpRequest, record: TradingAccount) -> Sequence[Section]:
        """Show the account's terms first, then its activity."""
        first = super().sections(request, record)[0]
        assert isinstance(first, FactSection), "the first section tells of the account"
        login = User.objects.filter(pk=record.pk).values_list("username", flat=True).first()
        shown = (
            display.record_link("accounts_user", record.pk, masked(login))
            if login
            else display.NOTHING
        )
        identity = FactSection("Account", [*first.facts, Fact("Login", shown)])
        return [identity, *activity_sections(request, record.pk)]
