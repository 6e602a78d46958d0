"""Reads of the audit log for other apps' pages."""

from __future__ import annotations

from collections.abc import Sequence

from apps.audit.models import AuditEntry


def entries_concerning(*, user_id: int, order_ids: Sequence[int], limit: int) -> list[AuditEntry]:
    """Return the newest entries of what a user did, what was done to them and to their orders.

    One query: each part of it goes by an index and stops at `limit`.
    """
    rows = AuditEntry.objects.order_by("-seq")
    parts = [
        rows.filter(actor_id=user_id),
        rows.filter(object_type="user", object_id=str(user_id)),
        rows.filter(object_type="order", object_id__in=[str(each) for each in order_ids] or [""]),
    ]
    bounded = [part[:limit] for part in parts]
    return list(bounded[0].union(*bounded[1:]).order_by("-seq")[:limit])
