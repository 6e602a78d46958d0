"""The console's one page of operators' actions: what will change, why, and go.

It works without JavaScript; with it, the same form is shown in a dialog over the page that has the
button. Invariant: one form does its thing once, however often it is sent, since it carries the
identity of the run that it starts; and nothing is done here but by `action_run`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from django.contrib import admin
from django.core.exceptions import PermissionDenied, ValidationError
from django.forms import BoundField
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_http_methods

from apps.audit.actions import (
    ActionRefusedError,
    ActionRepeatedError,
    OperatorAction,
    action_denied_record,
    action_may,
    action_run,
)
from apps.audit.dialogs import (
    REASON_CHARS_MAX,
    ActionForm,
    Change,
    Dialog,
    Subject,
    UnknownSubjectError,
    dialog_of,
    new_run_id,
    person_of,
)
from apps.audit.runs import RunFacts, run_facts
from apps.core.readonly import display
from engine.client import EngineError, EngineUnavailable

STATUSES: Final = {"permission_denied": HTTPStatus.FORBIDDEN}


@dataclass(frozen=True, slots=True)
class Problem:
    """Why nothing was done, and where it is on record."""

    code: str
    message: str
    status: HTTPStatus
    record_url: str | None


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """One line of what will change: a fixed value, or the form's field."""

    change: Change
    field: BoundField | None


@never_cache
@csrf_protect
@require_http_methods(["GET", "HEAD", "POST"])
def action_page(request: HttpRequest, name: str, object_id: str) -> HttpResponse:
    """Show the form of an action on an object, or run it."""
    dialog = dialog_of(name)
    if dialog is None:
        raise Http404(f"no action is named {name}")
    if not action_may(person_of(request), dialog.action):
        if request.method == "POST":
            action_denied_record(
                dialog.action,
                object_id,
                actor=person_of(request),
                reason=request.POST.get("reason", "")[:REASON_CHARS_MAX],
                **_origin(request),
            )
        raise PermissionDenied
    try:
        if request.method != "POST":
            return _form_page(request, dialog, dialog.subject(object_id))
        return _submitted(request, dialog, object_id)
    except UnknownSubjectError as error:
        raise Http404(str(error)) from error


def _origin(request: HttpRequest) -> dict[str, str]:
    return {
        "request_id": request.META.get("HTTP_X_REQUEST_ID", ""),
        "address": request.META.get("REMOTE_ADDR", ""),
    }


def _submitted(request: HttpRequest, dialog: Dialog, object_id: str) -> HttpResponse:
    stated = ActionForm.base_fields["run_id"]
    try:
        run_id = stated.clean(request.POST.get("run_id"))
    except ValidationError:
        run_id = None
    if run_id is not None and (run := run_facts(run_id)) is not None:
        return _result(request, dialog, run)
    form = dialog.form(request.POST)
    subject = dialog.subject(object_id)
    action = _action(dialog, object_id, form)
    if action is None:
        return _form_page(request, dialog, subject, form, status=HTTPStatus.BAD_REQUEST)
    problem = _run(request, action, form.cleaned_data)
    run = run_facts(form.cleaned_data["run_id"])
    if run is not None:  # it was started: its page tells how it ended
        return _result(request, dialog, run)
    assert problem is not None, "an action without a run was refused"
    return _form_page(request, dialog, subject, form, problem=problem, status=problem.status)


def _action(dialog: Dialog, object_id: str, form: ActionForm) -> OperatorAction | None:
    if not form.is_valid():
        return None
    try:
        return dialog.make(object_id, form.cleaned_data)
    except ValidationError as error:
        form.add_error(None, error)
        return None


def _run(request: HttpRequest, action: OperatorAction, asked: Mapping[str, Any]) -> Problem | None:
    """Run the action; return why it was not started, if it was not."""
    origin = _origin(request)
    try:
        action_run(
            action,
            actor=person_of(request),
            reason=asked["reason"],
            run_id=asked["run_id"],
            **origin,
        )
    except ActionRefusedError as refusal:
        status = STATUSES.get(refusal.code, HTTPStatus.CONFLICT)
        return _problem(refusal.code, str(refusal), status, origin)
    except EngineUnavailable as error:
        text = f"Nothing was done: {error}."
        return _problem("engine_unavailable", text, HTTPStatus.SERVICE_UNAVAILABLE, origin)
    except EngineError as error:
        return _problem("outcome_unknown", f"{error}.", HTTPStatus.BAD_GATEWAY, origin)
    except ActionRepeatedError:
        pass  # the first sending of this form tells how it ended
    return None


def _problem(code: str, message: str, status: HTTPStatus, origin: Mapping[str, str]) -> Problem:
    url = display.list_url("audit_auditentry", q=origin["request_id"])
    return Problem(code, message, status, url)


def _result(request: HttpRequest, dialog: Dialog, run: RunFacts) -> HttpResponse:
    """Lead to the page of a run, if it is this person's and of this action."""
    if (run.actor_id, run.action) != (request.user.pk, dialog.action.name):
        raise PermissionDenied
    return HttpResponseRedirect(reverse("admin:audit_actionrun_change", args=[run.run_id]))


def _form_page(
    request: HttpRequest,
    dialog: Dialog,
    subject: Subject,
    form: ActionForm | None = None,
    *,
    problem: Problem | None = None,
    status: HTTPStatus = HTTPStatus.OK,
) -> HttpResponse:
    if form is None:
        form = dialog.form(initial={**subject.initial, "run_id": new_run_id()})
    title = f"{dialog.action.label}: {subject.title}"
    context = {
        **admin.site.each_context(request),
        "title": title,
        "dialog": dialog,
        "label": dialog.action.label,
        "subject": subject,
        "form": form,
        "rows": [ChangeRow(c, form[c.field] if c.field else None) for c in subject.changes],
        "problem": problem,
        "back_url": subject.url or reverse("admin:index"),
    }
    return TemplateResponse(request, "console/action.html", context, status=status.value)
