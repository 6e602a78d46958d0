"""Cases: what a person has to look at, and the stop that some of them put on a trader.

Invariant: the same matter is one case; a case that calls for a freeze is open until the engine has
suspended the trader. Nothing here takes money back: that is a person's decision.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import structlog
from django.db import transaction

from apps.audit.services import audit_record
from apps.audit.types import system_actor
from apps.core.engine_gateway import engine_command
from apps.custody.models import Case, Deposit
from apps.custody.types import CaseKind
from engine.client import EngineError, EngineRefused
from engine.proto.records import Reason, UserStatus

ACTOR: Final = system_actor("custody")
DETAIL_CHARS_MAX: Final = 2_000
FREEZES_MAX: Final = 100
_LOG: Final = structlog.get_logger("custody.cases")


def case_open(
    *,
    kind: CaseKind,
    subject: str,
    detail: str,
    now: datetime,
    deposit: Deposit | None = None,
    freezes_user: bool = False,
) -> bool:
    """Open a case in the caller's transaction; False if this matter has one already."""
    case, is_new = Case.objects.get_or_create(
        kind=kind.value,
        subject=subject[:255],
        defaults={
            "detail": detail[:DETAIL_CHARS_MAX],
            "deposit": deposit,
            "user_id": None if deposit is None else deposit.user_id,
            "freezes_user": freezes_user and deposit is not None,
            "opened_at": now,
        },
    )
    if is_new:
        audit_record(
            actor=ACTOR,
            action="custody.case_open",
            object_type="custody.case",
            object_id=case.pk,
            after={"kind": kind.value, "subject": case.subject, "freezes_user": case.freezes_user},
            reason=detail,
        )
        _LOG.warning("case_opened", kind=kind.value, subject=case.subject, detail=detail)
    return is_new


def freezes_run() -> int:
    """Suspend the traders whose cases call for it; returns how many cases are done.

    One that the engine does not answer for is tried again at the next run.
    """
    waiting = Case.objects.filter(freezes_user=True, frozen_at__isnull=True).order_by("pk")
    done = 0
    for case in waiting[:FREEZES_MAX]:
        assert case.user_id is not None
        try:
            command_seq = _suspend(case.user_id)
        except EngineError as error:
            _LOG.warning("freeze_failed", case_id=case.pk, error=f"{type(error).__name__}: {error}")
            continue
        with transaction.atomic():
            changed = Case.objects.filter(pk=case.pk, frozen_at__isnull=True).update(
                frozen_at=datetime.now(UTC)
            )
            if changed:
                audit_record(
                    actor=ACTOR,
                    action="user.suspend",
                    object_type="accounts.user",
                    object_id=case.user_id,
                    after={"status": UserStatus.SUSPENDED.name},
                    reason=f"custody case {case.pk}: {case.detail}",
                    engine_command_seq=command_seq,
                )
                done += 1
    return done


def _suspend(user_id: int) -> int | None:
    """Return the engine's command sequence; that of the refusal if the trader was suspended."""
    try:
        outcome = engine_command(
            lambda engine: engine.set_user_status(user_id=user_id, status=UserStatus.SUSPENDED)
        )
    except EngineRefused as refusal:
        if refusal.reason is not Reason.NOTHING_CHANGES:
            raise
        outcome = refusal.outcome
    return outcome.command_seq
