"""The engine's events as they were, and how far the books have come in them.

Invariant: the archive is dense from event 1 to the cursor, and the cursor's chain hash is that of
the archive's last row. The mirror moves the cursor and writes everything that follows from the
events in one database transaction.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from apps.core.choices import enum_check
from engine.proto.records import EventType

CHAIN_BYTES = 32
DIGEST_BYTES = 16


class EngineEvent(models.Model):
    """One event, as the engine journaled it, with the chain hash up to it."""

    event_seq = models.BigIntegerField(primary_key=True)
    command_seq = models.BigIntegerField()
    type = models.SmallIntegerField(
        choices=[(kind.value, kind.name.replace("_", " ").capitalize()) for kind in EventType]
    )
    occurred_at = models.DateTimeField()
    record = models.BinaryField()
    chain = models.BinaryField()

    class Meta:
        ordering: ClassVar[list[str]] = ["-event_seq"]
        default_permissions = ("view",)
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                condition=Q(event_seq__gte=1) & Q(command_seq__lte=F("event_seq")),
                name="mirror_engineevent_sequences",
            ),
            enum_check(
                "type", [kind.value for kind in EventType], name="mirror_engineevent_type_known"
            ),
        ]

    def __str__(self) -> str:
        return str(self.event_seq)


class EngineSetting(models.Model):
    """The newest event that set something for a user, for a market, for both or, 0 and 0, for all:
    a kill switch, own fees, a trade group, limits. What it set is in the archived event."""

    event_seq = models.BigIntegerField(primary_key=True)
    type = models.SmallIntegerField()
    user_id = models.BigIntegerField()
    market_id = models.IntegerField()

    class Meta:
        ordering: ClassVar[list[str]] = ["-event_seq"]
        default_permissions = ("view",)
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["type", "user_id", "market_id"], name="mirror_enginesetting_once"
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["user_id", "type"], name="mirror_enginesetting_of_user"),
            models.Index(fields=["market_id", "type"], name="mirror_enginesetting_of_market"),
        ]

    def __str__(self) -> str:
        return str(self.event_seq)


class Cursor(models.Model):
    """How far one mirror has come, and whether its books agreed with the engine when compared.

    `digest` and `row_count` are those of a CHECKPOINT event over the balances at this cursor.
    """

    name = models.CharField(max_length=40, primary_key=True)
    last_event_seq = models.BigIntegerField()
    engine_event_seq = models.BigIntegerField(
        help_text="Newest durable event of the engine, as last heard."
    )
    last_transaction = models.BigIntegerField(help_text="Id of the newest ledger transaction.")
    epoch = models.BigIntegerField()
    chain = models.BinaryField()
    stream_seq = models.BigIntegerField(help_text="The stream's own sequence, where to go on.")
    digest = models.BinaryField()
    row_count = models.BigIntegerField()
    last_checkpoint_seq = models.BigIntegerField(help_text="Newest CHECKPOINT that agreed, or 0.")
    last_checkpoint_ok = models.BooleanField(help_text="Whether the newest comparison agreed.")
    events_at = models.DateTimeField(null=True, help_text="When the newest event happened.")
    updated_at = models.DateTimeField()
    halted_reason = models.TextField(blank=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["name"]
        default_permissions = ("view",)

    def __str__(self) -> str:
        return self.name

    @property
    def lag_events(self) -> int:
        """How many of the engine's events are not in the books yet, as last heard."""
        return max(0, self.engine_event_seq - self.last_event_seq)
