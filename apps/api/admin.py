"""Console page of requests that carried an idempotency key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString

from apps.api.models import IdempotentRequest
from apps.core.readonly import display
from apps.core.readonly.model_admin import ReadOnlyModelAdmin
from apps.core.readonly.pages import Fact, FactSection, Section


@admin.register(IdempotentRequest)
class IdempotentRequestAdmin(ReadOnlyModelAdmin):
    """Which request of whom was answered how. The answer itself is its owner's and not shown."""

    list_display: ClassVar[Sequence[str]] = ("user_", "key_", "at", "status_")
    search_help_text = "Number of the login, or the key"
    search_integers = ("user_id",)
    search_texts = ("key",)

    @admin.display(description="Login")
    def user_(self, row: IdempotentRequest) -> SafeString:
        """Whose it is."""
        return display.record_link("accounts_user", row.user_id)

    @admin.display(description="Key")
    def key_(self, row: IdempotentRequest) -> str:
        """The client's own name for it."""
        return row.key

    @admin.display(description="Claimed (UTC)")
    def at(self, row: IdempotentRequest) -> SafeString:
        """When it was executed, or is being."""
        return display.instant(row.claimed_at)

    @admin.display(description="Answer")
    def status_(self, row: IdempotentRequest) -> SafeString:
        """The status of the answer that is remembered."""
        return display.number(row.status)

    def sections(self, _request: HttpRequest, record: IdempotentRequest) -> Sequence[Section]:
        """Show the request."""
        facts = [
            Fact("Login", self.user_(record)),
            Fact("Key", record.key),
            Fact("Claimed (UTC)", self.at(record)),
            Fact("Answer", self.status_(record)),
            Fact("Fingerprint", display.identity(record.fingerprint)),
        ]
        return [FactSection("Request", facts)]
