"""How the facts of an audit record look on a page: outcome, object, what changed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.audit.types import AuditOutcome
from apps.core.readonly import display
from apps.core.readonly.pages import Column, Fact, Shown, TableSection
from apps.core.readonly.personal import personal

OUTCOME_TONES: Final[dict[str, str]] = {
    AuditOutcome.DONE: display.GOOD,
    AuditOutcome.REFUSED: display.WARN,
    AuditOutcome.FAILED: display.BAD,
    AuditOutcome.UNKNOWN: display.BAD,
}
_PAGES: Final = {
    "user": "accounts_user",
    "accounts.user": "accounts_user",
    "market": "markets_market",
    "asset": "markets_asset",
    "order": "trading_openorder",
    "custody.deposit": "custody_deposit",
    "custody.case": "custody_case",
    "custody.deposit_address": "custody_depositaddress",
}
_OWN_PLACE: Final = frozenset({"engine_event_seq", "parameters"})


def outcome_pill(outcome: str) -> SafeString:
    """Return how it ended, in its colour."""
    return display.pill(AuditOutcome(outcome).label, OUTCOME_TONES[outcome])


def object_link(object_type: str, object_id: str) -> SafeString:
    """Return the object, as a link to its page if it has one."""
    model = _PAGES.get(object_type)
    url = display.record_url(model, object_id) if model and object_id else None
    return display.link(url, f"{object_type} {object_id}")


def engine_facts(facts: Mapping[str, Any]) -> list[Fact]:
    """Return where the action is in the engine's history."""
    event_seq = facts["details"].get("engine_event_seq")
    command_seq = facts["engine_command_seq"]
    return [
        Fact(
            "Engine command",
            display.NOTHING if command_seq is None else display.identity(command_seq),
            "its place in the journal" if command_seq else "the engine had no part in it",
        ),
        Fact("Engine event", display.record_link("mirror_engineevent", event_seq)),
    ]


def changes_section(request: HttpRequest, facts: Mapping[str, Any]) -> TableSection:
    """Return what was asked for and what changed: each fact before and after."""
    before, after = facts["before"], facts["after"]
    rows: list[list[Shown]] = []
    for name in sorted({*before, *after}):
        was, became = _shown(request, before, name), _shown(request, after, name)
        differs = before.get(name) != after.get(name)
        rows.append([_label(name), was, _marked(became) if differs else became])
    asked = facts["details"].get("parameters") or {}
    rows += [
        [f"{_label(name)} (asked for)", display.NOTHING, _shown(request, asked, name)]
        for name in sorted(asked)
        if name not in after
    ]
    columns = [Column("What"), Column("Before"), Column("After")]
    return TableSection("Changes", columns, rows, empty="Nothing was changed.", is_narrow=True)


def detail_facts(request: HttpRequest, facts: Mapping[str, Any]) -> list[Fact]:
    """Return what else was recorded."""
    details = facts["details"]
    names = sorted(name for name in details if name not in _OWN_PLACE)
    return [Fact(_label(name), _shown(request, details, name)) for name in names]


def _label(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _shown(request: HttpRequest, facts: Mapping[str, Any], name: str) -> Shown:
    if name not in facts or facts[name] is None:
        return display.NOTHING
    value = facts[name]
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    return display.identity(personal(request, text))


def _marked(value: Shown) -> SafeString:
    return format_html('<mark class="qt-changed">{}</mark>', value)
