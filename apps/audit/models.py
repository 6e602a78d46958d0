"""The audit log, the outbox through which it is written, runs of actions, counts of refusals.

Invariants, all kept by the database for every role: an entry of the log never changes; its chain
hash is SHA-256(hash before it, sequence, time of record, content); a row leaves the outbox only
when it is in the log. The columns beside `content` repeat what it says, for search.
"""

from __future__ import annotations

import json
from typing import Any, ClassVar

from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVector
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from apps.audit.types import AuditOutcome
from apps.core.choices import enum_check

NAME_CHARS_MAX = 64
OBJECT_ID_CHARS_MAX = 64
REASON_CHARS_MAX = 500
REQUEST_ID_CHARS_MAX = 64
ADDRESS_CHARS_MAX = 64
ACTOR_NAME_CHARS_MAX = 254
REASON_WORDS = SearchVector("reason", config="simple")  # whole words, as they were written


class OutboxRow(models.Model):
    """One record on its way to the log, written in the transaction of the change itself."""

    content = models.TextField(help_text="Canonical JSON.")
    recorded_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "audit_outbox"
        ordering: ClassVar[list[str]] = ["id"]
        default_permissions = ("view",)
        verbose_name = "record on its way"
        verbose_name_plural = "records on their way"

    def __str__(self) -> str:
        return str(self.pk)


class AuditEntry(models.Model):
    """One entry of the log."""

    seq = models.BigIntegerField(primary_key=True)
    outbox_id = models.BigIntegerField(unique=True)
    recorded_at = models.DateTimeField()
    actor_id = models.BigIntegerField(null=True)
    actor_name = models.CharField(max_length=ACTOR_NAME_CHARS_MAX)
    actor_role = models.CharField(max_length=16)
    action = models.CharField(max_length=NAME_CHARS_MAX)
    object_type = models.CharField(max_length=NAME_CHARS_MAX)
    object_id = models.CharField(max_length=OBJECT_ID_CHARS_MAX)
    outcome = models.CharField(max_length=16, choices=AuditOutcome.choices)
    reason = models.CharField(max_length=REASON_CHARS_MAX)
    request_id = models.CharField(max_length=REQUEST_ID_CHARS_MAX)
    address = models.CharField(max_length=ADDRESS_CHARS_MAX)
    engine_command_seq = models.BigIntegerField(null=True)
    content = models.TextField(help_text="Canonical JSON.")
    chain = models.BinaryField()

    class Meta:
        db_table = "audit_log"
        ordering: ClassVar[list[str]] = ["-seq"]
        default_permissions = ("view",)
        verbose_name = "audit entry"
        verbose_name_plural = "audit entries"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(condition=Q(seq__gte=1), name="audit_log_seq_from_one"),
            enum_check("outcome", AuditOutcome.values, name="audit_log_outcome_known"),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["actor_id", "-seq"], name="audit_log_actor"),
            models.Index(fields=["object_type", "object_id", "-seq"], name="audit_log_object"),
            models.Index(fields=["action", "-seq"], name="audit_log_action"),
            models.Index(fields=["request_id"], name="audit_log_request"),
            models.Index(fields=["recorded_at"], name="audit_log_recorded_at"),
            models.Index(fields=["actor_name", "-seq"], name="audit_log_actor_name"),
            models.Index(fields=["actor_role", "-seq"], name="audit_log_role"),
            models.Index(fields=["object_id", "-seq"], name="audit_log_object_id"),
            models.Index(fields=["outcome", "-seq"], name="audit_log_outcome"),
            GinIndex(REASON_WORDS, name="audit_log_reason"),
        ]

    def __str__(self) -> str:
        return str(self.seq)

    @property
    def facts(self) -> dict[str, Any]:
        """All that was recorded: also `before`, `after`, `details`."""
        facts: dict[str, Any] = json.loads(self.content)
        return facts


class ActionRun(models.Model):
    """One operator's action from its start to its end.

    It is written before the engine is asked, so that an action whose process dies half way is
    found and audited as one whose outcome is not known.
    """

    class State(models.TextChoices):
        """Where it is."""

        STARTED = "started", "Started"
        ENDED = "ended", "Ended"

    id = models.UUIDField(primary_key=True)
    content = models.TextField(help_text="Canonical JSON of the audit record, without an end.")
    state = models.CharField(max_length=16, choices=State.choices, default=State.STARTED)
    started_at = models.DateTimeField(db_default=Now())
    record_id = models.BigIntegerField(
        null=True, help_text="The audit record that tells of its end, as numbered in the outbox."
    )

    class Meta:
        ordering: ClassVar[list[str]] = ["-started_at"]
        default_permissions = ("view",)
        constraints: ClassVar[list[models.BaseConstraint]] = [
            enum_check("state", ["started", "ended"], name="audit_actionrun_state_known"),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(
                fields=["started_at"], condition=Q(state="started"), name="audit_actionrun_open"
            ),
        ]

    def __str__(self) -> str:
        return str(self.pk)


class RefusalCount(models.Model):
    """How often somebody was refused before the engine for one cause within one minute."""

    principal = models.CharField(max_length=80)
    code = models.CharField(max_length=NAME_CHARS_MAX)
    minute = models.DateTimeField()
    count = models.BigIntegerField()

    class Meta:
        ordering: ClassVar[list[str]] = ["-minute", "principal", "code"]
        default_permissions = ("view",)
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["minute", "principal", "code"], name="audit_refusalcount_once"
            ),
            models.CheckConstraint(condition=Q(count__gte=1), name="audit_refusalcount_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.principal} {self.code}"
