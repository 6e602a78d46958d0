"""Console pages of the event archive and of the mirrors that keep the books."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.db import connections
from django.http import HttpRequest
from django.utils.safestring import SafeString

from apps.core.readonly import display
from apps.core.readonly.model_admin import ReadOnlyModelAdmin
from apps.core.readonly.pages import Column, Fact, FactSection, Section, TableSection
from apps.core.readonly.period import DayRangeFilter, period_filter
from apps.ledger.console_reads import transaction_of_business_id, transaction_of_event
from apps.markets.catalogue import Catalogue
from apps.markets.mirror_apply import catalogue_load
from apps.mirror.event_words import FieldWords, body_fields, event_summary, header_fields
from apps.mirror.models import Cursor, EngineEvent, EngineSetting
from engine.proto.records import (
    EventBody,
    EventType,
    FundsTransferred,
    OrderAccepted,
    OrderChanged,
    OrderPrevented,
    OrderTerms,
    unpack_event,
)
from engine.proto.records import Trade as TradeRecord

_TYPE_TONES = {
    EventType.TRADE: display.GOOD,
    EventType.REFUSED: display.WARN,
    EventType.FUNDS_ADJUSTED: display.BAD,
}


def _catalogue() -> Catalogue:
    connection = connections["default"]
    connection.ensure_connection()
    return catalogue_load(connection.connection)


def _type_pill(event: EngineEvent) -> SafeString:
    tone = _TYPE_TONES.get(EventType(event.type), display.QUIET)
    return display.pill(event.get_type_display(), tone)


@admin.register(EngineEvent)
class EngineEventAdmin(ReadOnlyModelAdmin):
    """Every event of the engine, newest first, decoded from the bytes as archived."""

    list_display: ClassVar[Sequence[str]] = (
        "number",
        "occurred",
        "type_",
        "market",
        "summary",
        "number_command",
    )
    list_filter: ClassVar[Sequence[Any]] = (
        "type",
        period_filter("occurred_at"),
        ("occurred_at", DayRangeFilter),
    )
    search_integers = ("event_seq",)
    search_help_text = "Event number"
    sortable_by = ("number",)

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Decode the page's records with one catalogue."""
        changelist = super().get_changelist_instance(request)
        catalogue = _catalogue()
        for event in changelist.result_list:
            header, body = unpack_event(bytes(event.record))
            market = catalogue.markets.get(header.market_id)
            event.symbol = market.symbol if market else None
            event.words = event_summary(header, body, catalogue)
        return changelist

    @admin.display(description="Event", ordering="event_seq")
    def number(self, event: EngineEvent) -> SafeString:
        """Its sequence number."""
        return display.identity(event.event_seq)

    @admin.display(description="Time (UTC)")
    def occurred(self, event: EngineEvent) -> SafeString:
        """When it happened."""
        return display.instant(event.occurred_at)

    @admin.display(description="Type")
    def type_(self, event: EngineEvent) -> SafeString:
        """What happened."""
        return _type_pill(event)

    @admin.display(description="Market")
    def market(self, event: Any) -> str:
        """Where it happened."""
        return event.symbol or display.NOTHING

    @admin.display(description="What happened")
    def summary(self, event: Any) -> str:
        """One line in words."""
        return str(event.words)

    @admin.display(description="Command")
    def number_command(self, event: EngineEvent) -> SafeString:
        """The command that caused it."""
        return display.identity(event.command_seq)

    def record_title(self, record: EngineEvent) -> str:
        """Name the event."""
        return f"{record.get_type_display()} · event {record.event_seq}"

    def sections(self, _request: HttpRequest, record: EngineEvent) -> Sequence[Section]:
        """Show header, body and proof."""
        content = bytes(record.record)
        header, body = unpack_event(content)
        catalogue = _catalogue()
        market = catalogue.markets.get(header.market_id)
        place = (
            display.record_link("markets_market", market.market_id, market.symbol)
            if market
            else display.NOTHING
        )
        facts = [
            Fact("Event", display.identity(header.event_seq), "dense from 1"),
            Fact("Command", display.identity(header.command_seq), "that caused it"),
            Fact("Type", _type_pill(record)),
            Fact("Time (UTC)", display.instant(record.occurred_at), f"{header.time_us:,} µs"),
            Fact("Market", place),
            *(Fact(_title(f.name), f.meaning or "None", f.value) for f in header_fields(header)),
        ]
        proof = [
            Fact("Record", display.hexadecimal(content), "128 bytes as journaled"),
            Fact("Chain", display.hexadecimal(record.chain), "SHA-256 over all events up to here"),
        ]
        return [
            FactSection("Header", facts),
            _body_section(body_fields(header, body, catalogue)),
            FactSection("Leads to", _leads(record.event_seq, body)),
            FactSection("Proof", proof),
        ]


def _title(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _body_section(fields: list[FieldWords]) -> TableSection:
    rows = [
        [
            display.identity(field.name),
            display.right(field.value),
            field.meaning or display.NOTHING,
        ]
        for field in fields
    ]
    columns = [Column("Field"), Column("As recorded", is_numeric=True), Column("Meaning")]
    return TableSection("Body", columns, rows, is_narrow=True)


def _leads(event_seq: int, body: EventBody) -> list[Fact]:
    posted = transaction_of_event(event_seq)
    if posted is None and isinstance(body, FundsTransferred):
        posted = transaction_of_business_id(f"funds:{body.request_id.hex()}")  # of all its legs
    transaction = (
        display.NOTHING
        if posted is None
        else display.record_link("ledger_transaction", posted[0], posted[1])
    )
    facts = [
        Fact("Previous event", display.record_link("mirror_engineevent", event_seq - 1 or None)),
        Fact("Next event", display.record_link("mirror_engineevent", event_seq + 1)),
        Fact("Transaction", transaction, "" if posted else "it moved no funds"),
    ]
    if isinstance(body, TradeRecord):
        facts += [
            Fact("Trade", display.record_link("trading_trade", event_seq, body.trade_id)),
            Fact("Maker order", display.record_link("trading_openorder", body.maker_order_id)),
            Fact("Taker order", display.record_link("trading_openorder", body.taker_order_id)),
        ]
    if isinstance(body, OrderAccepted | OrderChanged | OrderPrevented | OrderTerms):
        facts.append(Fact("Order", display.record_link("trading_openorder", body.order_id)))
    return facts


@admin.register(EngineSetting)
class EngineSettingAdmin(ReadOnlyModelAdmin):
    """What the engine holds users and markets to, by the event that set it; newest first."""

    list_display: ClassVar[Sequence[str]] = ("number_event", "kind", "account", "market")
    list_filter: ClassVar[Sequence[str]] = ("type",)
    search_integers = ("user_id",)
    search_help_text = "Account number"

    @admin.display(description="Set by event", ordering="event_seq")
    def number_event(self, setting: EngineSetting) -> SafeString:
        """The event that says what."""
        return display.identity(setting.event_seq)

    @admin.display(description="Setting")
    def kind(self, setting: EngineSetting) -> str:
        """What was set."""
        return display.words(EventType(setting.type).name.removesuffix("_SET"))

    @admin.display(description="Account")
    def account(self, setting: EngineSetting) -> SafeString:
        """Whom it is for."""
        return display.record_link("accounts_tradingaccount", setting.user_id or None)

    @admin.display(description="Market")
    def market(self, setting: EngineSetting) -> SafeString:
        """Where it is for."""
        return display.record_link("markets_market", setting.market_id or None)

    def record_title(self, record: EngineSetting) -> str:
        """Name the setting."""
        return f"{self.kind(record)} · event {record.event_seq}"

    def sections(self, _request: HttpRequest, record: EngineSetting) -> Sequence[Section]:
        """Show whom it is for, and lead to the event."""
        facts = [
            Fact("Setting", self.kind(record)),
            Fact("Account", self.account(record), "" if record.user_id else "no single one"),
            Fact("Market", self.market(record), "" if record.market_id else "no single one"),
            Fact("Set by event", display.record_link("mirror_engineevent", record.event_seq)),
        ]
        return [FactSection("Setting", facts)]


@admin.register(Cursor)
class CursorAdmin(ReadOnlyModelAdmin):
    """How far each mirror has come."""

    list_display: ClassVar[Sequence[str]] = (
        "name_",
        "state",
        "number_event",
        "number_transaction",
        "checkpoint",
        "events",
        "updated",
    )

    @admin.display(description="Mirror")
    def name_(self, cursor: Cursor) -> str:
        """Its name."""
        return cursor.name

    @admin.display(description="State")
    def state(self, cursor: Cursor) -> SafeString:
        """Whether it goes on."""
        if cursor.halted_reason:
            return display.pill("Halted", display.BAD)
        return display.pill("Following", display.GOOD)

    @admin.display(description="Event")
    def number_event(self, cursor: Cursor) -> SafeString:
        """The newest event in the books."""
        return display.record_link("mirror_engineevent", cursor.last_event_seq or None)

    @admin.display(description="Transaction")
    def number_transaction(self, cursor: Cursor) -> SafeString:
        """The newest transaction in the books."""
        return display.record_link("ledger_transaction", cursor.last_transaction or None)

    @admin.display(description="Checkpoint")
    def checkpoint(self, cursor: Cursor) -> SafeString:
        """Whether the books agreed with the engine when last compared."""
        if cursor.last_checkpoint_ok:
            return display.pill("Agrees", display.GOOD)
        if cursor.last_checkpoint_seq or cursor.halted_reason:
            return display.pill("Differs", display.BAD)
        return display.pill("None yet", display.QUIET)

    @admin.display(description="Newest event (UTC)")
    def events(self, cursor: Cursor) -> SafeString:
        """When the newest event happened."""
        return display.instant(cursor.events_at)

    @admin.display(description="Moved (UTC)")
    def updated(self, cursor: Cursor) -> SafeString:
        """When the cursor moved last."""
        return display.instant(cursor.updated_at)

    def record_title(self, record: Cursor) -> str:
        """Name the mirror."""
        return f"Mirror {record.name}"

    def sections(self, _request: HttpRequest, record: Cursor) -> Sequence[Section]:
        """Show position and proof."""
        position = [
            Fact("State", self.state(record), record.halted_reason),
            Fact("Newest event", self.number_event(record)),
            Fact("It happened (UTC)", self.events(record)),
            Fact("Cursor moved (UTC)", self.updated(record)),
            Fact("Newest transaction", self.number_transaction(record)),
            Fact("Position in the stream", display.number(record.stream_seq)),
            Fact("Epoch of the engine", display.number(record.epoch)),
        ]
        seq = record.last_checkpoint_seq or None
        proof = [
            Fact("Newest comparison", self.checkpoint(record)),
            Fact("Agreed at event", display.record_link("mirror_engineevent", seq)),
            Fact("Accounts compared", display.number(record.row_count)),
            Fact("Digest", display.hexadecimal(record.digest), "over all balances"),
            Fact("Chain head", display.hexadecimal(record.chain), "SHA-256 over all events"),
        ]
        return [FactSection("Position", position), FactSection("Proof", proof)]
