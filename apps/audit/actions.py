"""Operators' actions: permission, reason, execution and audit as one thing.

The console's dialogs, the API and management commands all run `action_run`; nothing else executes
an action. Invariant: every attempt is on record exactly once, refused ones included. A run is
committed before the engine is asked, and its end is committed together with its audit record; a
run without an end is found by `lost_runs_record` and audited as one of unknown outcome. A caller
that names the run (a form does) gets it executed once, however often it asks.
"""

from __future__ import annotations

import json
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Final, Protocol

from django.db import IntegrityError, connection, transaction

from apps.audit.models import REASON_CHARS_MAX, ActionRun
from apps.audit.services import audit_content, audit_record, canonical, content_record
from apps.audit.types import ActionResult, Actor, AuditOutcome
from engine.client import EngineError, EngineRefused, EngineUnavailable, Outcome

REASON_CHARS_MIN: Final = 4
RUN_SECONDS_MAX: Final = 120  # longer than any request or task may take
LOST_RUNS_MAX: Final = 100


class ActionPerson(Protocol):
    """Whoever asks for an action: a login. Any user model of Django's kind fits."""

    pk: Any
    is_active: bool

    def get_username(self) -> str:
        """Return the name of the login."""
        ...

    def has_perm(self, perm: str, obj: Any = None) -> bool:
        """Tell whether the login has the permission `app.codename`."""
        ...


class ActionRefusedError(Exception):
    """The action was not executed, or the engine refused it. `code` is stable, the text is plain.

    Codes of this module: permission_denied, reason_required, reason_too_long; `check` adds its
    own, and a refusal of the engine has its reason in lower case ("nothing_changes").
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class ActionRepeatedError(Exception):
    """A run of this id was started before: the same form was sent twice. Nothing was done now."""


class OperatorAction(ABC):
    """One thing that an operator can do to one object.

    Subclasses are frozen dataclasses of their parameters. `permission` is "app.operate_…": the
    operator's role has all of those, the support role none.
    """

    name: ClassVar[str]  # "user.suspend", as the log shows it
    label: ClassVar[str]  # "Suspend trading", as a button shows it
    permission: ClassVar[str]
    object_type: ClassVar[str]

    @property
    @abstractmethod
    def object_id(self) -> str:
        """The key of the object, as the log shows it."""

    def parameters(self) -> Mapping[str, Any]:
        """Return what was asked for beyond the object, for the log."""
        return {}

    def check(self, actor: Actor) -> None:
        """Raise ActionRefusedError if it cannot be done now. Reads only."""
        del actor

    @abstractmethod
    def execute(self, actor: Actor) -> ActionResult:
        """Do it. Raises ActionRefusedError, or the engine client's errors.

        It runs outside any transaction; changes to rows open one of their own.
        """


def engine_result(
    outcome: Outcome, message: str, *, before: Mapping[str, Any], after: Mapping[str, Any]
) -> ActionResult:
    """Return the result of an action that was one command to the engine."""
    return ActionResult(
        message=message,
        before=before,
        after=after,
        engine_command_seq=outcome.command_seq,
        engine_event_seq=outcome.first_event_seq,
    )


def actor_of(person: ActionPerson) -> Actor:
    """Return how the log names a login."""
    return Actor(
        user_id=person.pk, name=person.get_username(), role=str(getattr(person, "role", ""))
    )


def action_run(
    action: OperatorAction,
    *,
    actor: ActionPerson,
    reason: str,
    request_id: str,
    address: str,
    run_id: uuid.UUID | None = None,
) -> ActionResult:
    """Run `action` for a person and put it on record, whatever comes of it.

    Raises ActionRefusedError, EngineUnavailable (nothing was executed), OutcomeUnknown (it may
    have been) or ActionRepeatedError (a run of `run_id` exists). Must not be called inside a
    transaction, whose rollback would take the record away.
    """
    assert not connection.in_atomic_block, "an action keeps its own transactions"
    who = actor_of(actor)
    reason = " ".join(reason.split())
    facts: dict[str, Any] = {
        "actor": who,
        "action": action.name,
        "object_type": action.object_type,
        "object_id": action.object_id,
        "reason": reason,
        "request_id": request_id,
        "address": address,
    }
    if run_id is not None and ActionRun.objects.filter(pk=run_id).exists():
        raise ActionRepeatedError(f"run {run_id} was started before")
    try:
        _admit(action, actor, who, reason)
    except (ActionRefusedError, EngineError) as error:
        refused = isinstance(error, ActionRefusedError)
        with transaction.atomic(durable=True):
            audit_record(
                **facts,
                outcome=AuditOutcome.REFUSED if refused else AuditOutcome.FAILED,
                details={"parameters": dict(action.parameters()), **_words(error)},
            )
        raise
    run = _start(facts, action, run_id or uuid.uuid4())
    return _execute(action, who, run)


def action_denied_record(
    kind: type[OperatorAction],
    object_id: str,
    *,
    actor: ActionPerson,
    reason: str,
    request_id: str,
    address: str,
) -> None:
    """Put on record that somebody without its permission asked for an action."""
    denial = _denial(kind)
    with transaction.atomic(durable=True):
        audit_record(
            actor=actor_of(actor),
            action=kind.name,
            object_type=kind.object_type,
            object_id=object_id,
            reason=" ".join(reason.split()),
            request_id=request_id,
            address=address,
            outcome=AuditOutcome.REFUSED,
            details=_words(denial),
        )


def action_may(person: ActionPerson, kind: type[OperatorAction]) -> bool:
    """Tell whether a person may run actions of this kind."""
    return person.is_active and person.has_perm(kind.permission)


def _denial(kind: type[OperatorAction]) -> ActionRefusedError:
    return ActionRefusedError("permission_denied", f"This needs {kind.permission}.")


def _admit(action: OperatorAction, person: ActionPerson, who: Actor, reason: str) -> None:
    if not action_may(person, type(action)):
        raise _denial(type(action))
    if len(reason) < REASON_CHARS_MIN:
        raise ActionRefusedError(
            "reason_required",
            f"The reason had {len(reason)} characters, expected at least {REASON_CHARS_MIN}.",
        )
    if len(reason) > REASON_CHARS_MAX:
        raise ActionRefusedError(
            "reason_too_long",
            f"The reason had {len(reason)} characters, expected at most {REASON_CHARS_MAX}.",
        )
    action.check(who)


def _start(facts: dict[str, Any], action: OperatorAction, run_id: uuid.UUID) -> ActionRun:
    content = audit_content(**facts, details={"parameters": dict(action.parameters())})
    try:
        with transaction.atomic(durable=True):
            return ActionRun.objects.create(id=run_id, content=content)
    except IntegrityError as error:  # the same form, sent twice at once
        raise ActionRepeatedError(f"run {run_id} was started before") from error


def _execute(action: OperatorAction, who: Actor, run: ActionRun) -> ActionResult:
    try:
        result = action.execute(who)
    except ActionRefusedError as refusal:
        _end(run, AuditOutcome.REFUSED, details=_words(refusal))
        raise
    except EngineRefused as refusal:
        code = refusal.reason.name.lower()
        message = f"The engine refused it: {code.replace('_', ' ')}."
        _end(
            run,
            AuditOutcome.REFUSED,
            details={"code": code, "message": message},
            engine_command_seq=refusal.outcome.command_seq,
        )
        raise ActionRefusedError(code, message) from refusal
    except EngineUnavailable as error:
        _end(run, AuditOutcome.FAILED, details=_words(error))
        raise
    except EngineError as error:
        _end(run, AuditOutcome.UNKNOWN, details=_words(error))
        raise
    except Exception as error:
        # A defect: what had been done by then is not known. It is on record, and goes on up.
        _end(run, AuditOutcome.UNKNOWN, details={"code": type(error).__name__})
        raise
    _end(
        run,
        AuditOutcome.DONE,
        details={"message": result.message, "engine_event_seq": result.engine_event_seq},
        before=result.before,
        after=result.after,
        engine_command_seq=result.engine_command_seq,
    )
    return result


def _words(error: Exception) -> dict[str, str]:
    return {"code": str(getattr(error, "code", type(error).__name__)), "message": str(error)}


def _end(
    run: ActionRun,
    outcome: AuditOutcome,
    *,
    details: Mapping[str, Any],
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    engine_command_seq: int | None = None,
) -> bool:
    """End the run and record it, once: False if it had been ended by somebody else."""
    facts = json.loads(run.content)
    facts["outcome"] = outcome.value
    facts["details"] = facts["details"] | dict(details)
    facts["before"] = dict(before or {})
    facts["after"] = dict(after or {})
    facts["engine_command_seq"] = engine_command_seq
    with transaction.atomic(durable=True):
        started = ActionRun.objects.filter(pk=run.pk, state=ActionRun.State.STARTED)
        if started.select_for_update().first() is None:
            return False
        record_id = content_record(canonical(facts))
        started.update(state=ActionRun.State.ENDED, record_id=record_id)
    return True


def lost_runs_record(*, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> int:
    """Audit every run that began more than RUN_SECONDS_MAX ago and has no end. Returns how many."""
    before = clock() - timedelta(seconds=RUN_SECONDS_MAX)
    lost = ActionRun.objects.filter(state=ActionRun.State.STARTED, started_at__lt=before)
    details = {"code": "process_ended", "message": "The process ended before the action did."}
    return sum(
        _end(run, AuditOutcome.UNKNOWN, details=details)
        for run in lost.order_by("started_at")[:LOST_RUNS_MAX]
    )
