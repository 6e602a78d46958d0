"""Mails that wait to be sent, and the mailbox that takes them all in a demo.

Invariant: a row of `OutgoingMail` is committed with what it tells of, and goes when it is sent.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now

ADDRESS_CHARS_MAX = 254
SUBJECT_CHARS_MAX = 150
BODY_CHARS_MAX = 8_000
ERROR_CHARS_MAX = 300


class OutgoingMail(models.Model):
    """A mail that nobody has taken yet. Without a next attempt it was given up."""

    to_address = models.CharField(max_length=ADDRESS_CHARS_MAX)
    subject = models.CharField(max_length=SUBJECT_CHARS_MAX)
    body = models.TextField(max_length=BODY_CHARS_MAX)
    queued_at = models.DateTimeField(db_default=Now())
    attempts = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField(null=True, db_default=Now(), db_index=True)
    last_error = models.CharField(max_length=ERROR_CHARS_MAX, blank=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["id"]
        default_permissions = ("view",)

    def __str__(self) -> str:
        return self.subject


class MailboxMessage(models.Model):
    """A mail that the demo's mailbox has taken instead of the world."""

    from_address = models.CharField(max_length=ADDRESS_CHARS_MAX)
    to_address = models.CharField(max_length=ADDRESS_CHARS_MAX)
    subject = models.CharField(max_length=SUBJECT_CHARS_MAX)
    body = models.TextField(max_length=BODY_CHARS_MAX)
    received_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering: ClassVar[list[str]] = ["-id"]
        default_permissions = ("view",)

    def __str__(self) -> str:
        return self.subject
