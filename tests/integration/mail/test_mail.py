"""Mail goes with what it tells of, once it is committed; the demo keeps it in its mailbox."""

from __future__ import annotations

import smtplib
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from threading import Thread

import pytest
from django.conf import settings
from django.db import transaction
from django.test import Client

from tests.fixtures_database import DatabaseHandle

PASSWORD = "correct horse battery"
BACKEND = "apps.mail.mailbox.MailboxBackend"


@pytest.fixture
def demo(platform: DatabaseHandle, monkeypatch: pytest.MonkeyPatch) -> DatabaseHandle:
    """A demo: mail is on, and goes into the mailbox."""
    monkeypatch.setattr(settings, "QT_DEMO", True)
    monkeypatch.setattr(settings, "MAIL_ON", True)
    monkeypatch.setattr(settings, "EMAIL_BACKEND", BACKEND)
    return platform


def queue(subject: str = "Hello", to: str = "ann@example.org") -> int:
    """Queue a mail; returns its number."""
    from apps.mail.models import OutgoingMail
    from apps.mail.services import mail_queue

    with transaction.atomic():
        mail_queue(to_address=to, subject=subject, body="Text")
    return int(OutgoingMail.objects.latest("id").pk)


def counts() -> tuple[int, int]:
    """How many mails wait, and how many the mailbox has."""
    from apps.mail.models import MailboxMessage, OutgoingMail

    return OutgoingMail.objects.count(), MailboxMessage.objects.count()


@pytest.mark.usefixtures("demo")
def test_a_registration_sends_its_welcome_to_the_mailbox_page() -> None:
    from apps.mail.tasks import send_waiting

    body = {"email": "Ann@Example.org", "password": PASSWORD}
    answer = Client().post("/api/v1/auth/register", body, content_type="application/json")
    assert answer.status_code == 201
    assert counts() == (1, 0)
    send_waiting()
    assert counts() == (0, 1)
    page = Client().get("/mailbox/", {"to": "ANN@"})
    assert page.status_code == 200
    assert "Welcome to QuantaTrade" in page.text
    assert "ann@example.org" in page.text
    (link,) = [
        part.split('"')[0] for part in page.text.split('href="/mailbox/')[1:] if part[0].isdigit()
    ]
    shown = Client().get(f"/mailbox/{link}").text
    assert "your account is open" in shown
    assert "No mail is to such an address." in Client().get("/mailbox/", {"to": "bob"}).text


@pytest.mark.usefixtures("demo")
def test_a_registration_that_fails_sends_nothing_and_staff_get_no_welcome() -> None:
    from apps.accounts.registration import EmailTakenError, user_register
    from apps.accounts.roles import Role

    user_register(email="sam@example.org", password=PASSWORD, role=Role.SUPPORT)
    with pytest.raises(EmailTakenError):
        user_register(email="SAM@example.org", password=PASSWORD)
    assert counts() == (0, 0)


def test_where_mail_is_off_nothing_is_queued(platform: DatabaseHandle) -> None:
    from apps.accounts.registration import user_register

    assert settings.MAIL_ON is False
    user_register(email="ann@example.org", password=PASSWORD)
    assert counts() == (0, 0)


@pytest.mark.parametrize("path", ["/mailbox/", "/mailbox/1"])
def test_without_a_demo_there_is_no_mailbox(
    demo: DatabaseHandle, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    from apps.mail.services import mail_send

    mail_send(queue())
    message_path = path if path == "/mailbox/" else f"/mailbox/{_newest()}"
    assert Client().get(message_path).status_code == 200
    monkeypatch.setattr(settings, "QT_DEMO", False)
    answer = Client().get(message_path)
    assert answer.status_code == 404
    assert "ann@example.org" not in answer.text


def _newest() -> int:
    from apps.mail.models import MailboxMessage

    return int(MailboxMessage.objects.latest("id").pk)


@pytest.mark.usefixtures("demo")
def test_what_a_mail_says_is_shown_as_text_under_the_strict_policy() -> None:
    from apps.mail.services import mail_send

    mail_send(queue("<script>alert(1)</script>\n and more"))
    answer = Client().get("/mailbox/")
    assert "&lt;script&gt;alert(1)&lt;/script&gt; and more" in answer.text
    assert "<script" not in answer.text
    assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert answer.headers["Cache-Control"].startswith("max-age=0, no-cache, no-store")
    assert Client().post("/mailbox/").status_code == 405


@pytest.mark.usefixtures("demo")
def test_the_mailbox_keeps_the_newest_mails_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    from apps.mail import mailbox
    from apps.mail.models import MailboxMessage
    from apps.mail.services import mail_send

    monkeypatch.setattr(mailbox, "MESSAGES_MAX", 3)
    for number in range(5):
        mail_send(queue(f"Mail {number}"))
    subjects = list(MailboxMessage.objects.values_list("subject", flat=True))
    assert subjects == ["Mail 4", "Mail 3", "Mail 2"]


@contextmanager
def refusing_smtp() -> Iterator[int]:
    """A server that closes every connection at once; yields its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                connection.close()

        thread = Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def test_a_mail_that_nobody_takes_is_tried_again_later_and_given_up_in_the_end(
    demo: DatabaseHandle, monkeypatch: pytest.MonkeyPatch
) -> None:
    from apps.mail.models import OutgoingMail
    from apps.mail.services import ATTEMPTS_MAX, mail_send, mails_send

    monkeypatch.setattr(settings, "EMAIL_BACKEND", "django.core.mail.backends.smtp.EmailBackend")
    with refusing_smtp() as port:
        monkeypatch.setattr(settings, "EMAIL_HOST", "127.0.0.1")
        monkeypatch.setattr(settings, "EMAIL_PORT", port)
        mail_id, other = queue(), queue("Other")
        before = datetime.now(UTC)
        assert mails_send() == 0
        mail = OutgoingMail.objects.get(pk=mail_id)
        assert mail.attempts == 1
        assert mail.last_error.startswith(smtplib.SMTPServerDisconnected.__name__)
        assert mail.next_attempt_at is not None
        assert timedelta(seconds=7) < mail.next_attempt_at - before < timedelta(seconds=30)
        assert OutgoingMail.objects.get(pk=other).attempts == 0
        assert mail_send(mail_id) is False
        assert OutgoingMail.objects.get(pk=mail_id).attempts == 1
        OutgoingMail.objects.filter(pk=mail_id).update(
            attempts=ATTEMPTS_MAX - 1, next_attempt_at=before
        )
        assert mail_send(mail_id) is False
    given_up = OutgoingMail.objects.get(pk=mail_id)
    assert (given_up.attempts, given_up.next_attempt_at) == (ATTEMPTS_MAX, None)


@pytest.mark.usefixtures("demo")
def test_pages_of_a_demo_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "all money is play money" in Client().get("/mailbox/").text
    page = Client().get("/nowhere", headers={"Accept": "text/html"}).text
    assert "all money is play money" in page
    monkeypatch.setattr(settings, "QT_DEMO", False)
    page = Client().get("/nowhere", headers={"Accept": "text/html"}).text
    assert "play money" not in page
