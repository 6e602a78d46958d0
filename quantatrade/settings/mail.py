"""How mail is sent: not at all, by SMTP, or into the demo's own mailbox.

EMAIL_URL is `smtps://user:password@host:465` (TLS from the beginning), `smtp://…:587` (STARTTLS, or
no mail) or `smtp+plain://…:25` (for a relay on this machine). QT_MAIL_FROM is the sender. Only the
worker has EMAIL_URL; QT_MAIL tells the other processes that mail is sent. Invariant: a demo sends
nothing out, whatever EMAIL_URL says.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

from quantatrade.settings import environment

PORTS: Final = {"smtps": 465, "smtp": 587, "smtp+plain": 25}
MAILBOX_BACKEND: Final = "apps.mail.mailbox.MailboxBackend"

_demo = environment.demo("QT_DEMO")
_url = environment.text("EMAIL_URL")
_parts = urlsplit(_url)
if _url and (_parts.scheme not in PORTS or not _parts.hostname):
    raise ImproperlyConfigured(
        f"EMAIL_URL was a URL of scheme {_parts.scheme!r}, expected smtps://, smtp:// or"
        " smtp+plain:// with a host"
    )
_, _public_host = environment.public_origin("QT_PUBLIC_URL")

MAIL_ON = _demo or bool(_url) or environment.flag("QT_MAIL")
EMAIL_BACKEND = MAILBOX_BACKEND if _demo else "django.core.mail.backends.smtp.EmailBackend"
EMAIL_HOST = _parts.hostname or ""
EMAIL_PORT = _parts.port or PORTS.get(_parts.scheme, 0)
EMAIL_HOST_USER = unquote(_parts.username or "")
EMAIL_HOST_PASSWORD = unquote(_parts.password or "")
EMAIL_USE_SSL = _parts.scheme == "smtps"
EMAIL_USE_TLS = _parts.scheme == "smtp"
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = environment.text("QT_MAIL_FROM") or f"QuantaTrade <no-reply@{_public_host}>"
