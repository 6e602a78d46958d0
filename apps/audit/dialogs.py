"""What the console's one page of actions knows of each action: its words, its form, its object.

It exists so that an operator's action is described once, beside the action, and every button, form
and result of the console comes from that. Invariant: a dialog builds an action and does nothing
else; only `action_run` executes it.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast

from django import forms
from django.http import HttpRequest
from django.urls import reverse

from apps.audit.actions import REASON_CHARS_MIN, ActionPerson, OperatorAction, action_may
from apps.audit.models import REASON_CHARS_MAX as REASON_CHARS_MAX
from apps.core.readonly import display
from apps.core.readonly.pages import Operation, Shown

ROUTE: Final = "console-action"
NEW: Final = "new"  # stands for the object of an action that makes it


class UnknownSubjectError(LookupError):
    """There is no such object, or no longer."""


class ActionForm(forms.Form):
    """What every action asks for. Subclasses add the action's own parameters."""

    run_id = forms.UUIDField(widget=forms.HiddenInput)
    reason = forms.CharField(
        min_length=REASON_CHARS_MIN,
        max_length=REASON_CHARS_MAX,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Kept in the audit log for good. Whoever reads it should understand why.",
    )


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that the action changes: what it is now and will be.

    `field` names the form's field that states what it will be.
    """

    label: str
    before: Shown
    after: Shown = ""
    field: str = ""


@dataclass(frozen=True, slots=True)
class Subject:
    """The object of an action as it is now. `initial` are values for the form."""

    title: str
    changes: Sequence[Change]
    url: str | None = None
    initial: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialog:
    """How the console asks for an action.

    `subject` raises UnknownSubjectError. `make` gets the form's cleaned values and raises
    ValidationError if they cannot be meant. `form` is a class, or makes one for an object.
    """

    action: type[OperatorAction]
    effect: str
    subject: Callable[[str], Subject]
    make: Callable[[str, Mapping[str, Any]], OperatorAction]
    form: type[ActionForm] = ActionForm
    tone: str = display.QUIET


_dialogs: Final[dict[str, Dialog]] = {}


def dialogs_register(*dialogs: Dialog) -> None:
    """Make dialogs known to the console; an app does so when its pages are loaded."""
    for dialog in dialogs:
        assert dialog.action.name not in _dialogs, f"{dialog.action.name} has two dialogs"
        _dialogs[dialog.action.name] = dialog


def dialog_of(name: str) -> Dialog | None:
    """Return the dialog of an action by the action's name; None if it has none."""
    return _dialogs.get(name)


def dialog_names() -> list[str]:
    """Return the names of all actions that the console offers."""
    return sorted(_dialogs)


def operations_for(
    request: HttpRequest, object_id: object, *kinds: type[OperatorAction]
) -> list[Operation]:
    """Return the buttons of those kinds of action that the viewer may run."""
    return [
        Operation(kind.label, action_url(kind, object_id), _dialogs[kind.name].tone)
        for kind in kinds
        if action_may(person_of(request), kind)
    ]


def person_of(request: HttpRequest) -> ActionPerson:
    """Return who asks: the console's pages are shown to nobody without a login."""
    return cast("ActionPerson", request.user)


def action_url(kind: type[OperatorAction], object_id: object) -> str:
    """Return the address of an action's form."""
    return reverse(ROUTE, args=[kind.name, str(object_id)])


def new_run_id() -> uuid.UUID:
    """Return the identity that a new form gives its action."""
    return uuid.uuid4()
