"""The audit log against itself."""

from __future__ import annotations

from apps.audit.verification import (
    AuditViolationError,
    audit_chain_verify,
    audit_outbox_verify,
)
from apps.mirror.verification.report import Report, ViolationError
from apps.mirror.verification.snapshot import Snapshot


def verify_audit(report: Report, snapshot: Snapshot) -> None:
    """Walk the audit log's chain from genesis. ViolationError names the first broken entry."""
    with report.check("audit: every entry follows from the one before, unchanged") as say:
        try:
            chain = audit_chain_verify(snapshot.connection)
        except AuditViolationError as error:
            raise ViolationError(str(error)) from error
        say(f"{chain.entries} entries, chain {chain.head.hex()[:16]}...")
    with report.check("audit: every record is in the outbox or in the log, never in both") as say:
        try:
            waiting = audit_outbox_verify(snapshot.connection)
        except AuditViolationError as error:
            raise ViolationError(str(error)) from error
        say(f"{waiting} on their way")
