"""What the engine was told to hold a user or a market to: switches, own fees, groups, limits.

Invariant: each line is an event as archived, the newest of its kind; what was taken back is none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import connections
from django.http import HttpRequest

from apps.core.readonly import display
from apps.core.readonly.pages import Banner, Column, Section, Shown, TableSection
from apps.markets.admin import MarketAdmin
from apps.markets.mirror_apply import catalogue_load
from apps.mirror.console_reads import SettingInForce, settings_in_force
from engine.proto.records import EventType


def _in_force(*, user_id: int = 0, market_id: int = 0) -> list[SettingInForce]:
    connection = connections["default"]
    connection.ensure_connection()
    catalogue = catalogue_load(connection.connection)
    return settings_in_force(catalogue, user_id=user_id, market_id=market_id)


def setting_sections(*, user_id: int = 0, market_id: int = 0) -> list[Section]:
    """Return the table of what is in force; nothing if nothing is."""
    found = _in_force(user_id=user_id, market_id=market_id)
    if not found:
        return []
    rows: list[list[Shown]] = [
        [
            _kind(each),
            each.what,
            each.whom,
            display.record_link("mirror_engineevent", each.event_seq),
            display.instant(each.set_at),
        ]
        for each in found
    ]
    columns = [
        Column("Setting"), Column("Is"), Column("Of"), Column("Set by event"),
        Column("Since (UTC)"),
    ]  # fmt: skip
    return [TableSection("In force at the engine", columns, rows)]


def _kind(setting: SettingInForce) -> Shown:
    name = display.words(setting.kind.name.removesuffix("_SET"))
    if setting.kind is EventType.KILL_SWITCH_SET:
        return display.pill(name, display.BAD)
    return name


def kill_switch_banner(*, user_id: int = 0, market_id: int = 0) -> Banner | None:
    """Return what a page must say first while a kill switch is on; None while none is."""
    for each in _in_force(user_id=user_id, market_id=market_id):
        if each.kind is EventType.KILL_SWITCH_SET:
            text = "No orders are taken and none are changed; cancels by operators work."
            return Banner(f"A kill switch is on for {each.whom}.", text, display.BAD)
    return None


class MarketPage(MarketAdmin):
    """Markets, with what the engine holds each to beyond its terms."""

    def banner(self, _request: HttpRequest, record: Any) -> Banner | None:
        """Say first that nothing can be placed."""
        return kill_switch_banner(market_id=record.market_id)

    def sections(self, request: HttpRequest, record: Any) -> Sequence[Section]:
        """Show terms and bounds, then what else is in force."""
        return [*super().sections(request, record), *setting_sections(market_id=record.market_id)]
