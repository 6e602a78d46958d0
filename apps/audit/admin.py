"""Console pages of the audit log, and of what is on its way there."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, ClassVar, Final

from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString

from apps.audit.models import ActionRun, AuditEntry, OutboxRow, RefusalCount
from apps.audit.types import AuditOutcome
from apps.core.readonly import display
from apps.core.readonly.model_admin import ReadOnlyModelAdmin
from apps.core.readonly.pages import Fact, FactSection, Section
from apps.core.readonly.personal import masked, personal

TONES: Final[dict[str, str]] = {
    AuditOutcome.DONE: display.GOOD,
    AuditOutcome.REFUSED: display.WARN,
    AuditOutcome.FAILED: display.BAD,
    AuditOutcome.UNKNOWN: display.BAD,
}


def _facts_text(request: HttpRequest, facts: Any) -> str:
    """Return facts as `name: value` pairs in one line."""
    if not facts:
        return ""
    pairs = (f"{name}: {_value(value)}" for name, value in sorted(facts.items()))
    return personal(request, ", ".join(pairs))


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyModelAdmin):
    """Who did what, when, why and from where."""

    list_display: ClassVar[Sequence[str]] = (
        "number_seq",
        "at",
        "actor",
        "action_",
        "object_",
        "outcome_",
        "reason_",
    )
    list_filter: ClassVar[Sequence[str]] = ("outcome", "actor_role")
    search_help_text = "Number, number of the actor or of the object, action, or request id"
    search_integers = ("seq", "actor_id")
    search_texts = ("action", "request_id", "object_id", "actor_name")

    @admin.display(description="Entry", ordering="seq")
    def number_seq(self, entry: AuditEntry) -> SafeString:
        """Its number in the log."""
        return display.identity(entry.seq)

    @admin.display(description="Recorded (UTC)")
    def at(self, entry: AuditEntry) -> SafeString:
        """When."""
        return display.instant(entry.recorded_at)

    @admin.display(description="Who")
    def actor(self, entry: AuditEntry) -> str:
        """Who acted, and in which role."""
        return f"{masked(entry.actor_name)} ({entry.actor_role})"

    @admin.display(description="Action")
    def action_(self, entry: AuditEntry) -> str:
        """What was done, or asked for."""
        return entry.action

    @admin.display(description="Object")
    def object_(self, entry: AuditEntry) -> str:
        """To what."""
        return f"{entry.object_type} {entry.object_id}"

    @admin.display(description="Outcome")
    def outcome_(self, entry: AuditEntry) -> SafeString:
        """How it ended."""
        return display.pill(entry.get_outcome_display(), TONES[entry.outcome])

    @admin.display(description="Reason")
    def reason_(self, entry: AuditEntry) -> str:
        """Why, in the actor's words."""
        return entry.reason or display.NOTHING

    def record_title(self, record: AuditEntry) -> str:
        """Name the entry."""
        return f"Audit entry {record.seq}"

    def sections(self, request: HttpRequest, record: AuditEntry) -> Sequence[Section]:
        """Show all that was recorded."""
        facts = record.facts
        who = f"{personal(request, record.actor_name)} ({record.actor_role})"
        sections: list[Section] = [
            FactSection(
                "What happened",
                [
                    Fact("Who", who),
                    Fact("Action", record.action),
                    Fact("Object", self.object_(record)),
                    Fact("Outcome", self.outcome_(record)),
                    Fact("Reason", self.reason_(record)),
                    Fact("Before", _facts_text(request, facts["before"]) or display.NOTHING),
                    Fact("After", _facts_text(request, facts["after"]) or display.NOTHING),
                    Fact("Details", _facts_text(request, facts["details"]) or display.NOTHING),
                ],
            ),
            FactSection(
                "Where from",
                [
                    Fact("Recorded (UTC)", self.at(record)),
                    Fact("Address", record.address or display.NOTHING),
                    Fact("Request", record.request_id or display.NOTHING),
                    Fact("Engine command", display.number(record.engine_command_seq)),
                    Fact("Chain hash", display.hexadecimal(record.chain)),
                ],
            ),
        ]
        return sections


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


@admin.register(ActionRun)
class ActionRunAdmin(ReadOnlyModelAdmin):
    """Attempts at operators' actions, from their start."""

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

    def sections(self, _request: HttpRequest, record: ActionRun) -> Sequence[Section]:
        """Show the attempt."""
        facts = json.loads(record.content)
        shown = [
            Fact("Action", self.what(record)),
            Fact("State", self.state_(record)),
            Fact("Started (UTC)", self.at(record)),
            Fact("Who", masked(facts["actor_name"])),
            Fact("Reason", facts["reason"]),
            Fact("Request", facts["request_id"] or display.NOTHING),
        ]
        return [FactSection("Run", shown, note="Its end is in the audit log.")]


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
