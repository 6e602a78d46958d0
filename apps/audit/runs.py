"""Reads of actions' runs: what was asked for, and how it ended."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from apps.audit.models import ActionRun, AuditEntry, OutboxRow


@dataclass(frozen=True, slots=True)
class RunFacts:
    """A run. `end` is its audit record, None until it has ended; `entry_seq` its number there."""

    run_id: UUID
    asked: dict[str, Any]
    end: dict[str, Any] | None
    entry_seq: int | None

    @property
    def actor_id(self) -> int | None:
        """Who asked for it."""
        actor_id: int | None = self.asked["actor_id"]
        return actor_id

    @property
    def action(self) -> str:
        """The name of the action."""
        return str(self.asked["action"])


def run_facts(run_id: UUID) -> RunFacts | None:
    """Return a run; None if there is none of this identity."""
    run = ActionRun.objects.filter(pk=run_id).first()
    return None if run is None else facts_of_run(run)


def facts_of_run(run: ActionRun) -> RunFacts:
    """Return a run with its end, which is in the log or still on its way there."""
    asked = json.loads(run.content)
    if run.record_id is None:
        return RunFacts(run.pk, asked, None, None)
    # The outbox first: a record that moves meanwhile is then found in the log.
    waiting = OutboxRow.objects.filter(pk=run.record_id).first()
    if waiting is not None:
        return RunFacts(run.pk, asked, json.loads(waiting.content), None)
    entry = AuditEntry.objects.get(outbox_id=run.record_id)
    return RunFacts(run.pk, asked, entry.facts, entry.seq)
