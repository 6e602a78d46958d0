"""A row in each table of records, for tests that look at every page."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

from django.db import transaction

from apps.accounts.models import ApiKey
from apps.api.models import IdempotentRequest
from apps.audit.models import ActionRun, OutboxRow, RefusalCount
from apps.audit.services import audit_record, outbox_chain
from apps.audit.types import Actor


def audit_rows(user_id: int) -> None:
    """Record two registrations of `user_id`: one in the log, one on its way there."""
    actor = Actor(user_id=user_id, name="trader@example.org", role="trader")
    for is_chained in (True, False):
        with transaction.atomic():
            audit_record(
                actor=actor,
                action="user.register",
                object_type="user",
                object_id=user_id,
                after={"email": "trader@example.org"},
                reason="a new trader",
            )
        if is_chained:
            outbox_chain()
    content = OutboxRow.objects.get().content
    ApiKey.objects.create(
        key_id="0" * 32, user_id=user_id, label="bot", sealed=b"\x01", addresses=["192.0.2.0/24"]
    )
    ActionRun.objects.create(id=uuid.uuid4(), content=content)
    minute = datetime(2031, 5, 6, 7, 8, tzinfo=UTC)
    RefusalCount.objects.create(
        principal="address:192.0.2.1", code="not_authenticated", minute=minute, count=3
    )
    IdempotentRequest.objects.create(
        user_id=user_id, key="a-key-of-mine-0001", fingerprint="0" * 64, status=201, body="{}"
    )
