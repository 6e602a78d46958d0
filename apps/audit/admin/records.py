"""Console pages of actions' runs, of records on their way to the log, and of counted refusals."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import ClassVar, Final

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.audit.admin.words import (
    OUTCOME_TONES,
    changes_section,
    engine_facts,
    object_link,
    outcome_pill,
)
from apps.audit.models import ActionRun, OutboxRow, RefusalCount
from apps.audit.runs import facts_of_run
from apps.audit.types import AuditOutcome
from apps.core.readonly import display
from apps.core.readonly.model_admin import ReadOnlyModelAdmin
from apps.core.readonly.pages import Banner, Fact, FactSection, Section
from apps.core.readonly.personal import masked, personal

AWAIT_S_MAX: Final = 30.0  # as long as this a run's page loads itself again until it ends


@admin.register(ActionRun)
class ActionRunAdmin(ReadOnlyModelAdmin):
    """Attempts at operators' actions, from their start. The page of a run is its result."""

    list_display: ClassVar[Sequence[str]] = ("run", "at", "state_", "what")
    list_filter: ClassVar[Sequence[str]] = ("state",)

    @admin.display(description="Run")
    def run(self, record: ActionRun) -> SafeString:
        """Its identity."""
        return display.identity(record.pk)

    @admin.display(description="Started (UTC)")
    def at(self, record: ActionRun) -> SafeString:
        """When."""
        return display.instant(record.started_at)

    @admin.display(description="State")
    def state_(self, record: ActionRun) -> SafeString:
        """Whether it has ended."""
        is_ended = record.state == ActionRun.State.ENDED
        return display.pill(record.get_state_display(), display.GOOD if is_ended else display.WARN)

    @admin.display(description="Action")
    def what(self, record: ActionRun) -> str:
        """What was asked for."""
        facts = json.loads(record.content)
        return f"{facts['action']} {facts['object_type']} {facts['object_id']}"

    def record_title(self, record: ActionRun) -> str:
        """Name what was asked for."""
        facts = json.loads(record.content)
        return f"{facts['object_type'].capitalize()} {facts['object_id']}: {facts['action']}"

    def banner(self, request: HttpRequest, record: ActionRun) -> Banner:
        """Say how it ended."""
        run = facts_of_run(record)
        end = run.end
        age_s = (datetime.now(UTC) - record.started_at).total_seconds()
        if end is None:
            text = "The action was started and has not ended."
            is_awaited = age_s < AWAIT_S_MAX
            return Banner("In progress", text, display.WARN, is_awaited=is_awaited)
        outcome = AuditOutcome(end["outcome"])
        code = end["details"].get("code", "")
        title = format_html("{}: <code>{}</code>", outcome.label, code) if code else outcome.label
        text = personal(request, str(end["details"].get("message", "")))
        return Banner(title, text, OUTCOME_TONES[outcome])

    def sections(self, request: HttpRequest, record: ActionRun) -> Sequence[Section]:
        """Show what was asked for, how it ended, and where that is on record."""
        run = facts_of_run(record)
        asked = run.asked
        sections: list[Section] = [
            FactSection(
                "Action",
                [
                    Fact("Action", asked["action"]),
                    Fact("Object", object_link(asked["object_type"], asked["object_id"])),
                    Fact("Who", f"{masked(asked['actor_name'])} ({asked['actor_role']})"),
                    Fact("Reason", personal(request, asked["reason"]) or display.NOTHING),
                    Fact("Started (UTC)", self.at(record)),
                    Fact("Request", display.identity(asked["request_id"] or "-")),
                ],
            )
        ]
        if run.end is not None:
            on_its_way = display.list_url("audit_auditentry", request=asked["request_id"])
            audit = (
                display.link(on_its_way, "on its way to the log")
                if run.entry_seq is None
                else display.record_link("audit_auditentry", run.entry_seq)
            )
            result = [
                Fact("Outcome", outcome_pill(run.end["outcome"])),
                *engine_facts(run.end),
                Fact("Audit entry", audit),
            ]
            sections.insert(0, FactSection("Result", result))
            sections.append(changes_section(request, run.end))
        return sections


@admin.register(OutboxRow)
class OutboxRowAdmin(ReadOnlyModelAdmin):
    """Records that are committed and not yet in the log; normally none is older than a second."""

    list_display: ClassVar[Sequence[str]] = ("number_id", "at", "what")

    @admin.display(description="Record")
    def number_id(self, row: OutboxRow) -> SafeString:
        """Its number."""
        return display.identity(row.pk)

    @admin.display(description="Recorded (UTC)")
    def at(self, row: OutboxRow) -> SafeString:
        """When."""
        return display.instant(row.recorded_at)

    @admin.display(description="Action")
    def what(self, row: OutboxRow) -> str:
        """Of what it tells."""
        facts = json.loads(row.content)
        return f"{facts['action']} {facts['object_type']} {facts['object_id']}"

    def sections(self, _request: HttpRequest, record: OutboxRow) -> Sequence[Section]:
        """Show the record."""
        facts = [Fact("Action", self.what(record)), Fact("Recorded (UTC)", self.at(record))]
        return [FactSection("Record on its way", facts)]


@admin.register(RefusalCount)
class RefusalCountAdmin(ReadOnlyModelAdmin):
    """How often somebody was refused before the engine."""

    list_display: ClassVar[Sequence[str]] = ("minute_", "principal_", "code_", "number_count")
    search_help_text = "user:12, address:192.0.2.1, or a code"
    search_texts = ("principal", "code")

    @admin.display(description="Minute (UTC)")
    def minute_(self, row: RefusalCount) -> SafeString:
        """Within which minute."""
        return display.instant(row.minute)

    @admin.display(description="Who")
    def principal_(self, row: RefusalCount) -> str:
        """Who was refused."""
        return row.principal

    @admin.display(description="Code")
    def code_(self, row: RefusalCount) -> str:
        """For what cause."""
        return row.code

    @admin.display(description="Times")
    def number_count(self, row: RefusalCount) -> SafeString:
        """How often."""
        return display.number(row.count)

    def sections(self, _request: HttpRequest, record: RefusalCount) -> Sequence[Section]:
        """Show the count."""
        facts = [
            Fact("Minute (UTC)", self.minute_(record)),
            Fact("Who", record.principal),
            Fact("Code", record.code),
            Fact("Times", self.number_count(record)),
        ]
        return [FactSection("Refusals", facts)]
