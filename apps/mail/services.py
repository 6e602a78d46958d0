"""Queueing and sending mail.

Invariants: a mail is queued in the transaction of what it tells of, so neither is without the
other; sending never holds up or undoes anything. A mail is sent at least once: who dies between
sending and forgetting sends it again.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from smtplib import SMTPException
from typing import Final

import structlog
from django.conf import settings
from django.core.mail import EmailMessage
from django.db import connection, transaction

from apps.core.wake import task_wake
from apps.mail.models import BODY_CHARS_MAX, ERROR_CHARS_MAX, SUBJECT_CHARS_MAX, OutgoingMail

SEND_TASK: Final = "mail.send"
SENDS_PER_RUN_MAX: Final = 20
ATTEMPTS_MAX: Final = 12
RETRY_S_MAX: Final = 3_600
_LOG: Final = structlog.get_logger("quantatrade.mail")


def mail_queue(*, to_address: str, subject: str, body: str) -> None:
    """Put a mail into the caller's transaction, which must be open; nothing where mail is off."""
    if not settings.MAIL_ON or not to_address:
        return
    assert connection.in_atomic_block, "a mail belongs into the transaction of what it tells of"
    mail = OutgoingMail.objects.create(
        to_address=to_address,
        subject=" ".join(subject.split())[:SUBJECT_CHARS_MAX],
        body=body[:BODY_CHARS_MAX],
    )
    transaction.on_commit(lambda: task_wake(SEND_TASK, mail.pk), robust=True)


def mail_send(mail_id: int) -> bool:
    """Send one mail that is due; True if it went. Another worker's mail is left to that one."""
    with transaction.atomic():
        due = OutgoingMail.objects.filter(pk=mail_id, next_attempt_at__lte=datetime.now(UTC))
        mail = due.select_for_update(skip_locked=True).first()
        if mail is None:
            return False
        try:
            EmailMessage(subject=mail.subject, body=mail.body, to=[mail.to_address]).send()
        except (SMTPException, OSError, ValueError) as error:
            _failed(mail, error)
            return False
        mail.delete()
    return True


def _failed(mail: OutgoingMail, error: Exception) -> None:
    mail.attempts += 1
    mail.last_error = f"{type(error).__name__}: {error}"[:ERROR_CHARS_MAX]
    wait_s = min(1 << min(mail.attempts + 2, 16), RETRY_S_MAX)
    is_given_up = mail.attempts >= ATTEMPTS_MAX
    mail.next_attempt_at = None if is_given_up else datetime.now(UTC) + timedelta(seconds=wait_s)
    mail.save(update_fields=["attempts", "last_error", "next_attempt_at"])
    _LOG.warning(
        "mail_not_sent",
        mail_id=mail.pk,
        attempts=mail.attempts,
        given_up=is_given_up,
        error=mail.last_error,
    )


def mails_send() -> int:
    """Send what is due, oldest first; returns how many went. The first failure ends the run."""
    due = OutgoingMail.objects.filter(next_attempt_at__lte=datetime.now(UTC)).order_by("id")
    sent = 0
    for mail_id in list(due.values_list("pk", flat=True)[:SENDS_PER_RUN_MAX]):
        if not mail_send(mail_id):
            break
        sent += 1
    return sent
