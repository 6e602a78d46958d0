"""The base of every console page over mirrored rows.

Invariant: whoever asks, superusers included, nothing is added, changed or deleted here; every
method but GET and HEAD is refused before any code looks at the request. Buttons (`operations`) only
lead to the forms of actions, which have permissions and records of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Final

from django.contrib import admin
from django.contrib.admin import ShowFacets
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Model, Q, QuerySet
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
)
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.views import ChangeList

from apps.core.readonly import display
from apps.core.readonly.pages import Banner, Operation, Section
from apps.core.readonly.pagination import BoundedPaginator

ROWS_PER_PAGE: Final = 50
SEARCH_INTEGER_MAX: Final = 2**63 - 1
_READ: Final = ("GET", "HEAD")


class _ChangeList(ChangeList):  # type: ignore[misc]
    def get_results(self, request: HttpRequest) -> None:
        """Take the page's own count as the full one: another would read the whole table."""
        super().get_results(request)
        self.full_result_count = self.result_count


class _Named:
    """A record under the name that its page gives it, for the breadcrumb."""

    def __init__(self, record: Model, title: str) -> None:
        self._meta = record._meta
        self.pk = record.pk
        self._title = title

    def __str__(self) -> str:
        return self._title


class ReadOnlyModelAdmin(ModelAdmin):  # type: ignore[misc]
    """Lists and record pages. Subclasses name columns, filters and `sections`.

    `search_integers` and `search_texts` are indexed columns in which a search term is looked for
    as a whole, never as a part.
    """

    search_integers: ClassVar[Sequence[str]] = ()
    search_texts: ClassVar[Sequence[str]] = ()
    operate_permissions: ClassVar[Sequence[str]] = ()  # with any of them, rows have buttons
    change_list_template = "console/list.html"
    paginator = BoundedPaginator
    show_full_result_count = False
    show_facets = ShowFacets.NEVER  # counting each choice would read the whole table
    list_per_page = ROWS_PER_PAGE
    list_max_show_all = 0
    list_filter_submit = True
    list_filter_sheet = True
    list_fullwidth = True
    sortable_by: ClassVar[Sequence[str]] = ()
    actions = None

    def has_add_permission(self, _request: HttpRequest, _obj: Model | None = None) -> bool:
        """Nobody adds."""
        return False

    def has_change_permission(self, _request: HttpRequest, _obj: Model | None = None) -> bool:
        """Nobody changes."""
        return False

    def has_delete_permission(self, _request: HttpRequest, _obj: Model | None = None) -> bool:
        """Nobody deletes."""
        return False

    def get_search_fields(self, _request: HttpRequest) -> Sequence[str]:
        """Return the searched columns; a search box is shown if there are any."""
        return [*self.search_integers, *self.search_texts]

    def get_search_results(
        self, _request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Return the rows in which a searched column equals the term."""
        term = search_term.strip().replace(",", "")
        if not term:
            return queryset, False
        matches = [Q(**{name: search_term.strip()}) for name in self.search_texts]
        if term.isascii() and term.isdecimal() and int(term) <= SEARCH_INTEGER_MAX:
            matches += [Q(**{name: int(term)}) for name in self.search_integers]
        if not matches:
            return queryset.none(), False
        condition = matches[0]
        for match in matches[1:]:
            condition |= match
        return queryset.filter(condition), False

    def get_changelist(self, _request: HttpRequest, **_options: Any) -> type[ChangeList]:
        """Return the list class that counts once."""
        return _ChangeList

    def operations(self, _request: HttpRequest, _record: Any) -> Sequence[Operation]:
        """Return what the viewer may do to the record now, as buttons."""
        return ()

    def list_operations(self, _request: HttpRequest) -> Sequence[Operation]:
        """Return what the viewer may do that needs no record, as buttons above the list."""
        return ()

    def banner(self, _request: HttpRequest, _record: Any) -> Banner | None:
        """Return what the record's page says first."""
        return None

    def get_list_display(self, request: HttpRequest) -> Sequence[Any]:
        """Add the column of buttons for whoever may use one of them."""
        shown: Sequence[Any] = super().get_list_display(request)
        if any(request.user.has_perm(name) for name in self.operate_permissions):
            return (*shown, "operations_")
        return shown

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Make the buttons of the rows that the page shows."""
        changelist = super().get_changelist_instance(request)
        if "operations_" in changelist.list_display:
            for record in changelist.result_list:
                record.operations_shown = display.buttons(self.operations(request, record))
        return changelist

    @admin.display(description="")
    def operations_(self, record: Any) -> SafeString:
        """What can be done to it."""
        shown: SafeString = record.operations_shown
        return shown

    def sections(self, request: HttpRequest, record: Any) -> Sequence[Section]:
        """Return what the record's page shows."""
        raise NotImplementedError

    def record_title(self, record: Any) -> str:
        """Return the heading of the record's page."""
        return f"{str(self.opts.verbose_name).capitalize()} {record}"

    def missing_record_url(self, _request: HttpRequest, _key: str) -> str | None:
        """Return where to look for a record that is not in this table; None if nowhere."""
        return None

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponseBase:
        """Show the list; refuse everything else."""
        if request.method not in _READ:
            return HttpResponseNotAllowed(_READ)
        title = str(self.opts.verbose_name_plural).capitalize()
        context = {
            "title": title,
            "list_operations": self.list_operations(request),
            **(extra_context or {}),
        }
        response: HttpResponseBase = super().changelist_view(request, context)
        return response

    def add_view(
        self,
        request: HttpRequest,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Refuse."""
        del request, form_url, extra_context
        raise PermissionDenied

    def delete_view(
        self,
        request: HttpRequest,
        object_id: str,
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Refuse."""
        del request, object_id, extra_context
        raise PermissionDenied

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponseBase:
        """Show one record; refuse everything else."""
        del form_url
        if request.method not in _READ:
            return HttpResponseNotAllowed(_READ)
        record = self.get_object(request, unquote(object_id))
        if not self.has_view_permission(request, record):
            raise PermissionDenied
        if record is None:
            elsewhere = self.missing_record_url(request, unquote(object_id))
            if elsewhere is not None:
                return HttpResponseRedirect(elsewhere)
            raise Http404(f"no {self.opts.verbose_name} with key {object_id}")
        title = self.record_title(record)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": title,
            "original": _Named(record, title),
            "record_title": title,
            "banner": self.banner(request, record),
            "operations": self.operations(request, record),
            "sections": self.sections(request, record),
            **(extra_context or {}),
        }
        return TemplateResponse(request, "console/record.html", context)
