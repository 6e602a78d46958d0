"""Console page of process health."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import ClassVar

from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString

from apps.core.models import ProcessHealth, ProcessState
from apps.core.readonly import display
from apps.core.readonly.model_admin import ReadOnlyModelAdmin
from apps.core.readonly.pages import Fact, FactSection, Section

STATE_TONES = {
    ProcessState.READY.value: display.GOOD,
    ProcessState.NOT_READY.value: display.WARN,
    ProcessState.UNREACHABLE.value: display.BAD,
}


@admin.register(ProcessHealth)
class ProcessHealthAdmin(ReadOnlyModelAdmin):
    """The newest look at each process."""

    list_display: ClassVar[Sequence[str]] = (
        "process_",
        "state_",
        "number_latency",
        "age",
        "detail_",
    )
    list_filter: ClassVar[Sequence[str]] = ("state",)

    @admin.display(description="Process")
    def process_(self, health: ProcessHealth) -> str:
        """Its name."""
        return health.process

    @admin.display(description="State")
    def state_(self, health: ProcessHealth) -> SafeString:
        """What the look found."""
        return display.pill(health.get_state_display(), STATE_TONES[health.state])

    @admin.display(description="Answered in")
    def number_latency(self, health: ProcessHealth) -> SafeString:
        """How long it took to answer."""
        return display.number_with_unit(health.latency_ms, "ms")

    @admin.display(description="Looked at")
    def age(self, health: ProcessHealth) -> str:
        """How old the statement is."""
        return f"{display.age_text((datetime.now(UTC) - health.checked_at).total_seconds())} ago"

    @admin.display(description="Detail")
    def detail_(self, health: ProcessHealth) -> str:
        """What it said."""
        return health.detail or display.NOTHING

    def record_title(self, record: ProcessHealth) -> str:
        """Name the process."""
        return f"Process {record.process}"

    def sections(self, _request: HttpRequest, record: ProcessHealth) -> Sequence[Section]:
        """Show the look."""
        facts = [
            Fact("Process", record.process),
            Fact("State", self.state_(record)),
            Fact("Detail", self.detail_(record)),
            Fact("Answered in", self.number_latency(record)),
            Fact("Looked at (UTC)", display.instant(record.checked_at), self.age(record)),
        ]
        return [FactSection("Newest look", facts, note="A look is taken every ten seconds.")]
