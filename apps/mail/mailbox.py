"""The demo's mailbox: a backend that keeps mails here instead of sending them.

Invariant: it holds the newest messages up to a limit, and nothing leaves this machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend

from apps.mail.models import ADDRESS_CHARS_MAX, BODY_CHARS_MAX, SUBJECT_CHARS_MAX, MailboxMessage

MESSAGES_MAX: Final = 500


class MailboxBackend(BaseEmailBackend):
    """Takes every mail."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Keep the mails, and forget the oldest ones."""
        for message in email_messages:
            MailboxMessage.objects.create(
                from_address=str(message.from_email)[:ADDRESS_CHARS_MAX],
                to_address=", ".join(message.to)[:ADDRESS_CHARS_MAX],
                subject=str(message.subject)[:SUBJECT_CHARS_MAX],
                body=str(message.body)[:BODY_CHARS_MAX],
            )
        kept = MailboxMessage.objects.order_by("-id").values_list("pk", flat=True)
        oldest = list(kept[MESSAGES_MAX - 1 : MESSAGES_MAX])
        if oldest:
            MailboxMessage.objects.filter(pk__lt=oldest[0]).delete()
        return len(email_messages)
