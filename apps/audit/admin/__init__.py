"""Console pages of the audit log, and of what is on its way there."""

from apps.audit.admin.log import AuditEntryAdmin
from apps.audit.admin.records import ActionRunAdmin, OutboxRowAdmin, RefusalCountAdmin

__all__ = ["ActionRunAdmin", "AuditEntryAdmin", "OutboxRowAdmin", "RefusalCountAdmin"]
