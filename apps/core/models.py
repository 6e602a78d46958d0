"""How each process of the platform was when it was last looked at.

Invariant: one row a process, replaced at each look; `checked_at` says how old the statement is.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class ProcessState(models.TextChoices):
    """What a look at a process found."""

    READY = "ready", "Ready"
    NOT_READY = "not_ready", "Not ready"
    UNREACHABLE = "unreachable", "Unreachable"


class ProcessHealth(models.Model):
    """The newest look at one process."""

    process = models.CharField(max_length=64, primary_key=True)
    state = models.CharField(max_length=16, choices=ProcessState.choices)
    detail = models.CharField(max_length=500, blank=True)
    latency_ms = models.PositiveIntegerField()
    checked_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar[list[str]] = ["process"]
        verbose_name = "process"
        verbose_name_plural = "process health"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                condition=models.Q(state__in=ProcessState.values),
                name="core_processhealth_state_known",
            )
        ]

    def __str__(self) -> str:
        return self.process
