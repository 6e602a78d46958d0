"""Jobs that send mail. Rows say what is to be sent; messages only wake workers."""

from __future__ import annotations

from celery import shared_task

from apps.mail.services import SEND_TASK, mail_send, mails_send


@shared_task(name=SEND_TASK)  # type: ignore[untyped-decorator]
def send(mail_id: int) -> None:
    """Send one mail."""
    mail_send(mail_id)


@shared_task(name="mail.send_waiting")  # type: ignore[untyped-decorator]
def send_waiting() -> None:
    """Send all that is due."""
    mails_send()
