"""What the API remembers of requests that carry an idempotency key.

Invariant: a key of a user has one content and one answer, for ever.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class IdempotentRequest(models.Model):
    """One request of one user under one key, and its answer once there is one."""

    user_id = models.BigIntegerField()
    key = models.CharField(max_length=64)
    fingerprint = models.CharField(max_length=64, help_text="SHA-256 of method, path and body.")
    claimed_at = models.DateTimeField(db_default=Now())
    status = models.SmallIntegerField(null=True)
    body = models.TextField(blank=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["-id"]
        default_permissions = ("view",)
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["user_id", "key"], name="api_idempotentrequest_once"),
            models.CheckConstraint(
                condition=Q(status__isnull=True) | Q(status__range=(200, 499)),
                name="api_idempotentrequest_status_final",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} {self.key}"
