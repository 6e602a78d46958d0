"""Console pages of the audit log: who did what to what, when, why and from where."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Final

from django.contrib import admin
from django.contrib.postgres.search import SearchQuery
from django.db.models import QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter, TextFilter

from apps.audit.admin.words import (
    changes_section,
    detail_facts,
    engine_facts,
    object_link,
    outcome_pill,
)
from apps.audit.models import REASON_WORDS, AuditEntry
from apps.core.readonly import display
from apps.core.readonly.model_admin import SEARCH_INTEGER_MAX, ReadOnlyModelAdmin
from apps.core.readonly.pages import Fact, FactSection, Section
from apps.core.readonly.period import DayRangeFilter, period_filter
from apps.core.readonly.personal import masked, personal

FILTER_CHARS_MAX: Final = 254


def _term(stated: str | None) -> str:
    """Return a search term as the database can take it: short, and without NUL."""
    return (stated or "").replace("\0", "").strip()[:FILTER_CHARS_MAX]


def _text_filter(name: str, words: str, *columns: str) -> type[TextFilter]:
    """Return a filter that finds a whole text in one of the columns, each of which has an index.

    A column whose name ends in `_id` and that holds numbers is asked only for a number.
    """

    class WholeTextFilter(TextFilter):  # type: ignore[misc]
        title = words
        parameter_name = name

        def queryset(self, _request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
            term = _term(self.value())
            if not term:
                return queryset
            is_number = term.isascii() and term.isdecimal() and int(term) <= SEARCH_INTEGER_MAX
            column = columns[0] if is_number else columns[-1]
            return queryset.filter(**{column: int(term) if column == "actor_id" else term})

    return WholeTextFilter


class ReasonFilter(TextFilter):  # type: ignore[misc]
    """Entries whose reason has all of these words."""

    title = "words of the reason"
    parameter_name = "words"

    def queryset(self, _request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Ask the index of words."""
        term = _term(self.value())
        return reason_search(queryset, term) if term else queryset


def reason_search(entries: QuerySet[Any], words: str) -> QuerySet[Any]:
    """Return the entries whose reason has all of these words."""
    found: QuerySet[Any] = entries.annotate(reason_words=REASON_WORDS).filter(
        reason_words=SearchQuery(words, config="simple")
    )
    return found


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
    list_filter: ClassVar[Sequence[Any]] = (
        _text_filter("who", "who (name or number)", "actor_id", "actor_name"),
        _text_filter("what", "action", "action"),
        _text_filter("kind", "type of object", "object_type"),
        _text_filter("object", "object", "object_id"),
        ReasonFilter,
        _text_filter("request", "request id", "request_id"),
        ("outcome", ChoicesDropdownFilter),
        "actor_role",
        period_filter("recorded_at"),
        ("recorded_at", DayRangeFilter),
    )
    search_help_text = "Who, action, object, request id, or words of the reason"
    search_integers = ("seq", "actor_id")
    search_texts = ("action", "request_id", "object_id", "actor_name")

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponseBase:
        """Show the log."""
        return super().changelist_view(request, {"title": "Audit log", **(extra_context or {})})

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Search the columns for the whole term, and the reasons for its words."""
        found, _ = super().get_search_results(request, queryset, search_term)
        term = _term(search_term)
        if not term:
            return found, False
        by_reason = reason_search(AuditEntry.objects.order_by(), term).values("seq")
        by_column = found.order_by().values("seq")
        return queryset.filter(seq__in=by_column.union(by_reason)), False

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
    def object_(self, entry: AuditEntry) -> SafeString:
        """To what."""
        return object_link(entry.object_type, entry.object_id)

    @admin.display(description="Outcome")
    def outcome_(self, entry: AuditEntry) -> SafeString:
        """How it ended."""
        return outcome_pill(entry.outcome)

    @admin.display(description="Reason")
    def reason_(self, entry: AuditEntry) -> SafeString:
        """Why, in the actor's words; whole on the entry's page."""
        if not entry.reason:
            return display.NOTHING
        return format_html('<span class="qt-clip" title="{0}">{0}</span>', masked(entry.reason))

    def record_title(self, record: AuditEntry) -> str:
        """Name the entry."""
        return f"Audit entry {record.seq}"

    def sections(self, request: HttpRequest, record: AuditEntry) -> Sequence[Section]:
        """Show all that was recorded."""
        facts = record.facts
        who = f"{personal(request, record.actor_name)} ({record.actor_role})"
        reason = personal(request, record.reason) or display.NOTHING
        return [
            FactSection(
                "What happened",
                [
                    Fact("Who", who),
                    Fact("Action", record.action),
                    Fact("Object", self.object_(record)),
                    Fact("Outcome", self.outcome_(record)),
                    Fact("Recorded (UTC)", self.at(record)),
                    Fact("Reason", reason),
                    *detail_facts(request, facts),
                ],
            ),
            changes_section(request, facts),
            FactSection(
                "Where from",
                [
                    Fact("Address", record.address or display.NOTHING),
                    Fact("Request", record.request_id or display.NOTHING),
                    *engine_facts(facts),
                    Fact("Chain hash", display.hexadecimal(record.chain)),
                ],
            ),
        ]
