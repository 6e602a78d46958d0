"""How mail is sent follows from the environment, and a demo sends nothing out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

NAMES = [
    "MAIL_ON", "EMAIL_BACKEND", "EMAIL_HOST", "EMAIL_PORT", "EMAIL_HOST_USER",
    "EMAIL_HOST_PASSWORD", "EMAIL_USE_SSL", "EMAIL_USE_TLS", "DEFAULT_FROM_EMAIL",
]  # fmt: skip
PROGRAM = f"""
import json
from django.conf import settings
print(json.dumps({{name: getattr(settings, name) for name in {NAMES!r}}}))
"""
SMTP = "django.core.mail.backends.smtp.EmailBackend"


def run(**environment: str) -> subprocess.CompletedProcess[str]:
    kept = {"PATH": os.environ["PATH"], "DJANGO_SETTINGS_MODULE": "quantatrade.settings"}
    return subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**kept, "DJANGO_SECRET_KEY": "k" * 60, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def stated(**environment: str) -> list[Any]:
    found: dict[str, Any] = json.loads(run(**environment).stdout)
    return [found[name] for name in NAMES]


def test_mail_is_off_where_nobody_configured_it() -> None:
    sender = "QuantaTrade <no-reply@127.0.0.1>"
    assert stated() == [False, SMTP, "", 0, "", "", False, False, sender]


def test_a_url_with_tls_from_the_beginning_or_by_starttls() -> None:
    url = "smtps://me%40x:p%2Fw@mail.example"
    sender = "Exchange <hello@x.example>"
    assert stated(EMAIL_URL=url, QT_MAIL_FROM=sender) == [
        True, SMTP, "mail.example", 465, "me@x", "p/w", True, False, sender,
    ]  # fmt: skip
    assert stated(EMAIL_URL="smtp://mail.example:2587", QT_MAIL_FROM=sender) == [
        True, SMTP, "mail.example", 2587, "", "", False, True, sender,
    ]  # fmt: skip


def test_a_demo_keeps_its_mail_whatever_the_url_says() -> None:
    on, backend = stated(QT_DEMO="1", EMAIL_URL="smtps://mail.example")[:2]
    assert (on, backend) == (True, "apps.mail.mailbox.MailboxBackend")


def test_processes_without_the_url_are_told_that_mail_is_sent() -> None:
    assert stated(QT_MAIL="1")[:3] == [True, SMTP, ""]


def test_a_url_that_is_none_is_refused_without_its_password() -> None:
    result = run(EMAIL_URL="http://me:secret@mail.example")
    assert "EMAIL_URL was a URL of scheme 'http', expected smtps://" in result.stderr
    assert "secret" not in result.stderr
